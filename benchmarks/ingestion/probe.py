"""Runs a command and watches it: wall time, and the most memory that it and its children held together."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from core.errors import ConfigError
from core.settings import PROJECT

PROGRAMS = Path(__file__).parent
_EVERY = 0.02


@dataclass(frozen=True, slots=True)
class Usage:
    """seconds: wall time of the process. peak_mb: resident MiB of the process tree, shared pages counted for each."""

    seconds: float
    peak_mb: float
    stdout: str


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    data: Path
    baseline_python: Path | None
    pdf_pages: int
    memory_pages: int
    books: int | None
    chunks: int


def program(name: str, *arguments: object) -> list[str]:
    """The command that runs a program of this folder."""
    return [sys.executable, str(PROGRAMS / name), *map(str, arguments)]


def rebuild_command(*options: str) -> list[str]:
    """`keben rebuild`, as a user would run it."""
    return [sys.executable, "-m", "cli.main", "rebuild", "--json", *options]


def keben_environment(folder: Path, books: Path, **more: str) -> dict[str, str]:
    """Settings by environment: data below `folder`, textbooks in `books`."""
    return {"KEBEN_DATA_DIR": str(folder / "data"), "KEBEN_SOURCE_DIR": str(books), **more}


def measure(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Usage:
    """Run `command` to its end; raises ConfigError with its last words when it fails."""
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT), **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watcher = _Watcher(process.pid)
    watcher.start()
    out, err = process.communicate()
    seconds = time.monotonic() - started
    watcher.done.set()
    watcher.join()
    if process.returncode:
        words = (err.strip() or out.strip() or "no message")[-600:]
        name = " ".join(command[1:4])
        raise ConfigError(f"{name} ended with {process.returncode}: {words}", mend="mend it and run again")
    return Usage(seconds, watcher.peak / 2**20, out)


class _Watcher(threading.Thread):
    """Adds up the resident memory of a process and its descendants, fifty times a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.done = threading.Event()
        self.peak = 0
        self._root = psutil.Process(pid)

    def run(self) -> None:
        while not self.done.wait(_EVERY):
            try:
                tree = [self._root, *self._root.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            self.peak = max(self.peak, sum(map(_resident, tree)))


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def say(text: str) -> None:
    """Progress."""
    print(text, file=sys.stderr, flush=True)


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table; numbers with a fraction get two digits."""
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for row in rows:
        cells = (f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
