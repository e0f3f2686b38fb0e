"""A server on books whose edition grows, the client that asks it, and rebuilds in processes of their own."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from core.errors import ServerError
from core.settings import PROJECT
from killing.books import write_edition
from killing.client import Client
from vector_db.layout import KnowledgeBaseFolder

LONGEST_REBUILD, LONGEST_START = 300.0, 180.0
_POLL_SECONDS = "0.2"


class Course:
    """A context manager: on entry edition 1 is built and served, on exit everything is stopped."""

    def __init__(self, folder: Path, data: Path) -> None:
        """folder: for books, logs and temporary files. data: where generations are kept."""
        self.books, self.tmp, self.log = folder / "books", folder / "tmp", folder / "rebuild.log"
        for path in (self.books, self.tmp):
            path.mkdir(parents=True)
        self.target = KnowledgeBaseFolder(data, "default")
        self.edition = 0
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.upper().startswith("KEBEN_")},
            "KEBEN_DATA_DIR": str(data),
            "KEBEN_SOURCE_DIR": str(self.books),
            "KEBEN_SERVER__POLL_SECONDS": _POLL_SECONDS,
            "TMPDIR": str(self.tmp),
        }
        self._server_log = folder / "serve.log"
        self._rebuilds: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self.next_edition()
        started = time.monotonic()
        if self.finish_rebuild(self.start_rebuild()):
            raise ServerError(f"the first rebuild failed: {self.last_words()}")
        self.seconds = time.monotonic() - started
        self.client = Client(self._serve("0"))
        self.client.newest = self.edition
        self.client.start()
        if not self.client.wait(12) or self.client.faults:
            raise ServerError(f"the answers are wrong before any kill: {self.client.faults[:3]}")
        self.client.snapshot()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if hasattr(self, "client"):
            self.client.stop()
        for process in (*self._rebuilds, *([self.server] if hasattr(self, "server") else [])):
            kill(process)

    def _start(self, words: list[str], out: int | IO[bytes], err: IO[bytes]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "cli.main", *words]
        return subprocess.Popen(
            command, cwd=PROJECT, env=self._environment, stdout=out, stderr=err, start_new_session=True
        )

    def _serve(self, port: str) -> str:
        """Start the server; its address."""
        with self._server_log.open("wb") as log:
            self.server = self._start(["serve", "--port", port, "--json"], subprocess.PIPE, log)
        assert self.server.stdout is not None
        ready, _, _ = select.select([self.server.stdout], [], [], LONGEST_START)
        line = self.server.stdout.readline() if ready else b""
        if not line:
            raise ServerError(f"the server did not start: {self._server_log.read_text()[-400:]}")
        return str(json.loads(line)["url"])

    def restart_server(self) -> None:
        """Another server on the same port; the client waits meanwhile."""
        self.client.pause()
        kill(self.server)
        self._serve(str(self.client.port))
        self.client.asking.set()

    def next_edition(self) -> None:
        """Write the books of the next edition, which a rebuild has yet to take in."""
        self.edition += 1
        if hasattr(self, "client"):
            self.client.newest = self.edition
        write_edition(self.books, self.edition)

    def start_rebuild(self, *options: str) -> subprocess.Popen[bytes]:
        """`keben rebuild`; what it says goes to the log."""
        with self.log.open("wb") as log:
            process = self._start(["rebuild", *options], log, log)
        self._rebuilds[:] = [process]
        return process

    def finish_rebuild(self, process: subprocess.Popen[bytes]) -> int:
        """Wait for its end; the exit code."""
        try:
            return process.wait(LONGEST_REBUILD)
        except subprocess.TimeoutExpired:
            kill(process)
            return -1

    def last_words(self) -> str:
        """The end of what the last rebuild said."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-400:].strip()

    def left_over(self) -> list[str]:
        """What interrupted rebuilds left in the knowledge base."""
        return sorted(path.name for path in self.target.folder.rglob("*.tmp"))

    def rerun_ok(self, *options: str) -> bool:
        """A rebuild completes, leaves nothing over, and its edition is answered from."""
        done = self.finish_rebuild(self.start_rebuild(*options)) == 0
        return done and self.left_over() == [] and self.client.wait(1, self.edition) and self.server.poll() is None


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL for the process and all of its group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
