"""A real `keben serve`, watched from outside."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from core.errors import ServerError
from core.settings import PROJECT

_LONGEST_START, _LONGEST_STOP = 300.0, 30.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is ready. seconds: from the start of its process until then."""

    pid: int
    port: int
    seconds: float

    def resident_mb(self) -> float:
        """Resident memory now, in MiB."""
        return float(psutil.Process(self.pid).memory_info().rss) / 2**20


COMMAND = (sys.executable, "-m", "cli.main", "serve", "--port", "0", "--json")


@contextmanager
def served(environment: Mapping[str, str], log: Path, command: Sequence[str] = COMMAND) -> Iterator[Server]:
    """A server on a free port, stopped at the end. log: what it says. Raises ServerError when it does not start.

    command: one that announces itself as `keben serve --json` does.
    """
    everything = {**os.environ, "PYTHONPATH": str(PROJECT), **environment}
    started = time.monotonic()
    with log.open("wb") as errors:
        process = subprocess.Popen(command, cwd=PROJECT, env=everything, stdout=subprocess.PIPE, stderr=errors)
    try:
        url = httpx.URL(_address(process, log))
        assert url.port is not None
        yield Server(process.pid, url.port, time.monotonic() - started)
    finally:
        _stop(process)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], _LONGEST_START)
    line = process.stdout.readline() if ready else b""
    if not line:
        raise ServerError(f"the server did not start: {log.read_text(encoding='utf-8')[-400:]}")
    return str(json.loads(line)["url"])


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_LONGEST_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    assert process.stdout is not None
    process.stdout.close()
