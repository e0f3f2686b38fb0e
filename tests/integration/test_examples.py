"""The programs in `examples/`, run as a reader would, against a real `keben serve` process."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.settings import PROJECT, Settings


@pytest.fixture(scope="module")
def url(library_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the process listens."""
    environment = {**os.environ, "KEBEN_DATA_DIR": str(library_settings.data_dir), "PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(
        [sys.executable, "-m", "cli.main", "serve", "--port", "0", "--json"],
        env=environment,
        cwd=tmp_path_factory.mktemp("serving"),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.kill()


def run(name: str, *arguments: str, cwd: Path | None = None) -> str:
    """What the example prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", str(PROJECT / "examples" / name), *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_short_and_run_here() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    for example in (PROJECT / "examples").glob("*.py"):
        assert f'run("{example.name}"' in here
        assert len(example.read_text(encoding="utf-8").splitlines()) <= 60


def test_openais_client_streams_cites_and_goes_on(url: str) -> None:
    out = run("openai_client.py", "--url", url, "--then", "那它的定义呢？", "死锁的四个必要条件是什么？")
    answer, followed = out.split("\n\n[1] 操作系统", 1)[0], out.rsplit("\n\n", 1)[1]
    assert "循环等待条件" in answer
    assert "[1] 操作系统 › 死锁 › 死锁的必要条件\n" in out
    assert "互相等待对方占有的资源" in followed


def test_a_chain_answers_and_finds_notes(url: str) -> None:
    out = run("langchain_app.py", "--url", url, "什么是死锁？")
    assert "互相等待对方占有的资源" in out and out.rstrip().endswith("期末考试在第十八周，闭卷。")


def test_tools_are_called_over_http(url: str) -> None:
    out = run("mcp_client.py", "--url", url, "What is a transaction?")
    assert out.startswith("tools: ask, search, list_books\n")
    assert "A transaction is a sequence of reads and writes" in out
    assert "[1] Database Systems › Transactions › Definition of a transaction\n" in out
    assert out.rstrip().endswith("refused: False")


def test_tools_are_called_in_a_process_of_ones_own(library_settings: Settings, tmp_path: Path) -> None:
    # A client hands down no settings from its environment: they are read where the process starts.
    (tmp_path / "keben.toml").write_text(f'data_dir = "{library_settings.data_dir}"\n', encoding="utf-8")
    keben = tmp_path / "keben"
    keben.write_text(f'#!/bin/sh\nPYTHONPATH="{PROJECT}" exec "{sys.executable}" -m cli.main "$@"\n', encoding="utf-8")
    keben.chmod(0o755)
    out = run("mcp_client.py", "--command", str(keben), "什么是死锁？", cwd=tmp_path)
    assert "互相等待对方占有的资源" in out and out.rstrip().endswith("refused: False")
