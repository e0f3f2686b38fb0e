"""Rebuilds that are killed (SIGKILL) at every stage: what was served is served on, and a rerun completes."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path

import pytest

from core.settings import PROJECT, EmbeddingSettings, RetrievalSettings, Settings
from ingest.rebuild import rebuild
from rag.retrieve import Retriever
from vector_db.embedder import Embedder, open_embedder
from vector_db.layout import CURRENT, KnowledgeBaseFolder
from vector_db.library import open_knowledge_base
from vector_db.reader import Generation
from vector_db.verify import verify_generation

KILLS_AT_RANDOM = 5
LONGEST_WAIT = 120
CONDITIONS = "死锁的四个必要条件是什么？"
EDITION = "第{}版新增：管程由共享数据和对数据的一组操作组成。"

Stage = Callable[[], bool]


@pytest.fixture
def start(course: Settings, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts `keben rebuild` in a process of its own, whose temporary files lie in tmp_path."""
    environment = {
        **os.environ,
        "KEBEN_DATA_DIR": str(course.data_dir),
        "KEBEN_SOURCE_DIR": str(course.source_dir),
        "TMPDIR": str(tmp_path),
    }
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "cli.main", "rebuild", "--json"]
        with (tmp_path / "rebuild.log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=PROJECT, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        started.append(process)
        return process

    yield start
    for process in started:
        # The check of a killed rebuild may still run; it is in the group of its parent.
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def kill_when(process: subprocess.Popen[bytes], reached: Stage) -> None:
    """Kill the rebuild, and nothing that it started, as soon as it has reached the stage."""
    deadline = time.monotonic() + LONGEST_WAIT
    while not reached():
        assert process.poll() is None, "the rebuild ended before the stage was reached"
        assert time.monotonic() < deadline, "the stage was never reached"
        time.sleep(0.001)
    process.kill()
    process.wait()


def texts(generation: Generation, question: str) -> list[str]:
    retriever = Retriever(None, RetrievalSettings(), 0)
    return [passage.chunk.text for passage in retriever.search(generation, question, 3)]


def check_served(settings: Settings, name: str) -> None:
    """The generation `name` is served, whole, and answers."""
    current = KnowledgeBaseFolder(settings.data_dir, "default").current()
    assert current.name == name
    verify_generation(current)
    with opened(settings) as generation:
        assert "循环等待条件" in texts(generation, CONDITIONS)[0]
        if "networks.html" in sources(generation):
            assert "SYN-ACK" in texts(generation, "three-way handshake")[0]


@contextmanager
def opened(settings: Settings) -> Iterator[Generation]:
    live = open_knowledge_base(settings, "default")
    try:
        with live.generation() as generation:
            yield generation
    finally:
        live.close()


def sources(generation: Generation) -> set[str]:
    return {book.source for book in generation.books.values()}


def left_over(settings: Settings) -> list[str]:
    return sorted(path.name for path in (settings.data_dir / "default").rglob("*.tmp"))


def check_rerun(settings: Settings) -> None:
    """A rebuild after the crash takes in the change and leaves nothing of the crash behind."""
    report = rebuild(settings, "default")
    assert report.published and report.exit_code == 0 and report.generation is not None
    assert left_over(settings) == []
    check_served(settings, report.generation)


@pytest.mark.parametrize("part", ["", "chroma/chroma.sqlite3", "manifest.json"])
def test_killed_while_it_writes_or_checks_a_new_generation(
    course: Settings, target: KnowledgeBaseFolder, start: Callable[[], subprocess.Popen[bytes]], part: str
) -> None:
    served = target.current().name
    (course.source_dir / "networks.html").unlink()
    process = start()
    kill_when(process, lambda: any((folder / part).exists() for folder in target.generations.glob("*.tmp")))
    assert process.returncode == -signal.SIGKILL
    check_served(course, served)
    assert target.finished() == [served] and left_over(course) != []
    check_rerun(course)
    with opened(course) as generation:
        assert sources(generation) == {"databases.md", "os.md"}


def test_what_was_done_before_the_kill_is_not_done_again(
    course: Settings,
    target: KnowledgeBaseFolder,
    start: Callable[[], subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (course.source_dir / "databases.md").open("a", encoding="utf-8") as book:
        book.write("\n## Locks\n\nTwo-phase locking first acquires locks and then releases them.\n")
    kill_when(start(), lambda: any((folder / "chunks.sqlite").exists() for folder in target.generations.glob("*.tmp")))

    def again(*arguments: object) -> None:
        raise AssertionError(f"done again: {arguments}")

    def opened_for_questions(settings: EmbeddingSettings) -> Embedder:
        # What is refused is measured with questions; passages are not embedded again.
        # One of its own: the bundled one is shared with what measures refusals.
        embedder = copy(open_embedder(settings))
        monkeypatch.setattr(embedder, "encode", again)
        return embedder

    monkeypatch.setattr("ingest.job.parse_in_sandbox", again)
    monkeypatch.setattr("ingest.vectors.open_embedder", opened_for_questions)
    check_rerun(course)
    with opened(course) as generation:
        assert "Two-phase locking" in texts(generation, "two-phase locking")[0]


def test_killed_while_a_book_is_parsed(
    course: Settings, target: KnowledgeBaseFolder, start: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    served = target.current().name
    with (course.source_dir / "os.md").open("a", encoding="utf-8") as book:
        book.write(f"\n## 管程\n\n{EDITION.format(2)}\n")
    kill_when(start(), lambda: any(target.scratch.glob("keben-*")))
    check_served(course, served)
    assert target.finished() == [served] and left_over(course) == ["scratch.tmp"]
    check_rerun(course)


def test_killed_between_the_new_generation_and_the_pointer_to_it(
    course: Settings, target: KnowledgeBaseFolder, start: Callable[[], subprocess.Popen[bytes]]
) -> None:
    served = target.current().name
    (course.source_dir / "networks.html").unlink()
    process = start()
    deadline = time.monotonic() + LONGEST_WAIT
    while not any(target.generations.glob("*.tmp")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.001)
    # Writing to a pipe that nobody reads waits for ever: the rebuild stops just before it switches.
    os.mkfifo(target.folder / f"{CURRENT}.tmp")
    kill_when(process, lambda: len(target.finished()) == 2)
    check_served(course, served)
    check_rerun(course)


def test_killed_right_after_the_switch(
    course: Settings, target: KnowledgeBaseFolder, start: Callable[[], subprocess.Popen[bytes]]
) -> None:
    served = target.current().name
    (course.source_dir / "networks.html").unlink()
    kill_when(start(), lambda: target.current_id() != served)
    (fresh,) = set(target.finished()) - {served}
    check_served(course, fresh)
    report = rebuild(course, "default")
    assert not report.published and report.generation == fresh and left_over(course) == []


def test_a_forced_rebuild_that_was_killed_is_cleaned_up_by_one_without_changes(
    course: Settings, target: KnowledgeBaseFolder
) -> None:
    with target.building():
        (target.new_folder() / "chunks.sqlite").write_bytes(b"half")
    assert left_over(course) != []
    assert not rebuild(course, "default").published
    assert left_over(course) == []


def test_killed_again_and_again_at_random_under_a_reader(
    course: Settings, target: KnowledgeBaseFolder, start: Callable[[], subprocess.Popen[bytes]]
) -> None:
    chance = random.Random(20260101)
    original = (course.source_dir / "os.md").read_text(encoding="utf-8")
    live = open_knowledge_base(course, "default")
    faults: list[str] = []
    answers = 0
    done = threading.Event()

    def ask() -> None:
        nonlocal answers
        try:
            while not done.is_set():
                live.refresh()
                with live.generation() as generation:
                    if "循环等待条件" not in texts(generation, CONDITIONS)[0]:
                        faults.append(generation.folder.name)
                answers += 1
                time.sleep(0.02)
        except Exception as error:
            faults.append(repr(error))
            raise

    reader = threading.Thread(target=ask)
    reader.start()
    try:
        for edition in range(KILLS_AT_RANDOM):
            new = f"{original}\n## 管程\n\n{EDITION.format(edition)}\n"
            (course.source_dir / "os.md").write_text(new, encoding="utf-8")
            process = start()
            # A rebuild of this change takes 5 to 10 s on an idle machine.
            time.sleep(chance.uniform(0.3, 7))
            process.kill()
            process.wait()
            check_served(course, target.current().name)
        report = rebuild(course, "default")
    finally:
        done.set()
        reader.join()
        live.close()
    assert faults == [] and answers > 0
    assert report.exit_code == 0 and left_over(course) == []
    with opened(course) as generation:
        assert EDITION.format(KILLS_AT_RANDOM - 1) in texts(generation, "管程")[0]
