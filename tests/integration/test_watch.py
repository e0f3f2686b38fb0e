"""`keben rebuild --watch` as a process: it follows its folder and outlives what fails."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.settings import PROJECT, Settings
from vector_db.layout import KnowledgeBaseFolder
from vector_db.manifest import read_manifest

PATIENCE = 90


def wait_for(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@pytest.fixture
def watching(settings: Settings, tmp_path: Path) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """The process, started on an empty folder, and its log."""
    folders = {"KEBEN_DATA_DIR": str(settings.data_dir), "KEBEN_SOURCE_DIR": str(settings.source_dir)}
    log = tmp_path / "watch.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "rebuild", "--watch"],
            cwd=PROJECT, env={**os.environ, **folders}, stdout=out, stderr=out,
        )  # fmt: skip
    yield process, log
    process.kill()
    process.wait()


def test_a_folder_is_followed(settings: Settings, watching: tuple["subprocess.Popen[bytes]", Path]) -> None:
    process, log = watching
    target = KnowledgeBaseFolder(settings.data_dir, "default")

    def books() -> dict[str, str]:
        return {book.source: book.status for book in read_manifest(target.current()).books}

    wait_for(lambda: "no textbooks in" in log.read_text(encoding="utf-8"), "an empty folder ends nothing")
    book = settings.source_dir / "os.md"
    book.write_text("# 操作系统\n\n## 死锁\n\n死锁是指进程互相等待对方占有的资源。\n", encoding="utf-8")
    wait_for(lambda: target.current_id() is not None, "a new book is indexed")
    first = target.current_id()
    (settings.source_dir / "bad.pdf").write_bytes(b"%PDF-1.7 and no more")
    (settings.source_dir / "light.md").write_text("# 光学\n\n## 反射\n\n反射角等于入射角。\n", encoding="utf-8")
    wait_for(lambda: target.current_id() != first and "light.md" in books(), "a bad file stops no other")
    book.unlink()
    wait_for(lambda: set(books()) == {"light.md"}, "a deleted book goes")
    # The first rebuild and the last one have one passage each; an interrupt in the middle of one is another thing.
    told = "default: published, 1 passages"
    wait_for(lambda: log.read_text(encoding="utf-8").count(told) == 2, "the last rebuild ends")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=PATIENCE) == 0
    assert "Traceback" not in log.read_text(encoding="utf-8")
