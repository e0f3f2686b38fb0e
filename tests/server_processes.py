"""`keben serve` in processes of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from core.settings import PROJECT


def command(*options: str) -> list[str]:
    """`keben serve` with `options`."""
    return [sys.executable, "-m", "cli.main", "serve", *options]


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    """That of a server of the knowledge bases in `data_dir`, whose log nobody reads before it ends."""
    # A line for each request would fill the pipe, and the server would wait for a reader.
    ours = {"KEBEN_DATA_DIR": str(data_dir), "PYTHONPATH": str(PROJECT), "KEBEN_SERVER__LOG_LEVEL": "warning"}
    return {**os.environ, **ours, **more}


@contextmanager
def process(data_dir: Path, cwd: Path, *options: str, **more: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A server that answers, and its address. more: its environment."""
    with subprocess.Popen(
        command("--port", "0", "--json", *options),
        env=environment(data_dir, **more),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            assert running.stdout is not None
            line = running.stdout.readline()
            assert line, running.communicate(timeout=60)
            announced = json.loads(line)
            assert set(announced) == {"url"}
            yield running, announced["url"]
        finally:
            running.kill()


def workers_of(pid: int) -> list[psutil.Process]:
    """The worker processes of a server."""
    found: list[psutil.Process] = []
    for child in psutil.Process(pid).children():
        with suppress(psutil.NoSuchProcess):  # It has just died.
            if "server.worker" in child.cmdline():
                found.append(child)
    return found


def eventually(true: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until `true` is."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)
