"""Several processes on one port: started, watched, replaced when they die, stopped together.

Each is a fresh interpreter that loads what it needs; what is mapped from files (vectors, keyword index) or read through
the page cache (texts) lies in memory once for all of them.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from types import FrameType

from core.errors import KebenError, ServerError
from core.settings import PROJECT, Settings
from server import logs
from server.metrics import SharedCounts

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 0.2
# Workers that die before they are ready, one after the other without one that gets ready: then the service ends.
_MOST_FAILED = 5
_PAUSE_SECONDS, _LONGEST_PAUSE = 0.5, 8.0
# Beyond the drain: what a worker may take to notice a signal, and to close.
_MARGIN_SECONDS = 15.0


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    channel: Connection
    ready: bool = False
    error: KebenError | None = None

    def hear(self) -> None:
        """Take in what it has said: None once it is ready, or the error for which it never will be."""
        with suppress(EOFError, OSError):
            while self.channel.poll():
                said = self.channel.recv()
                self.ready = self.ready or said is None
                self.error = said if isinstance(said, KebenError) else self.error


class Workers:
    """The worker processes of one service."""

    def __init__(self, settings: Settings, listener: socket.socket, on_ready: Callable[[], None]) -> None:
        """listener: bound; they share it. on_ready: called once, when all of them answer."""
        self._settings = settings
        self._listener = listener
        self._on_ready = on_ready
        self._announced = False
        self._workers: list[_Worker] = []
        self._failed = 0
        self._next_start = 0.0
        self._counts = SharedCounts(settings.state_dir, "-".join(map(str, listener.getsockname()[:2])))
        self._signals = 0

    def run(self) -> None:
        """Until SIGTERM or Ctrl-C. Raises the error for which nothing can be served, ServerError if all starts fail."""
        logs.set_up(self._settings.server.log_level)
        with self._heeding_signals():
            try:
                while not self._signals:
                    self._fill()
                    wait([worker.channel for worker in self._workers], _LOOK_SECONDS)
                    self._look()
            finally:
                self._stop()

    @contextmanager
    def _heeding_signals(self) -> Iterator[None]:
        def heed(number: int, frame: FrameType | None) -> None:
            self._signals += 1

        before = {number: signal.signal(number, heed) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _fill(self) -> None:
        """Start what is missing, after a pause where starts have failed."""
        while len(self._workers) < self._settings.server.workers and time.monotonic() >= self._next_start:
            self._workers.append(self._start())

    def _start(self) -> _Worker:
        ours, theirs = socket.socketpair()
        handed = (self._listener.fileno(), theirs.fileno())
        # Of the same code as this process, wherever it was started, and never from the working directory.
        known = os.pathsep.join(filter(None, (str(PROJECT), os.environ.get("PYTHONPATH"))))
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "server.worker", *map(str, handed)],
                pass_fds=handed,
                env={**os.environ, **self._counts.environment, "PYTHONPATH": known},
                # Ctrl-C in a terminal reaches this process alone, which tells the workers.
                process_group=0,
            )
        worker = _Worker(process, Connection(ours.detach()))
        with suppress(OSError):  # It has died already: `_look` finds out.
            worker.channel.send(self._settings)
        return worker

    def _look(self) -> None:
        """Take in what the workers say, and which have died."""
        for worker in list(self._workers):
            ended = worker.process.poll() is not None
            was_ready = worker.ready
            worker.hear()
            self._failed = 0 if worker.ready and not was_ready else self._failed
            if ended:
                self._bury(worker)
        ready = sum(worker.ready for worker in self._workers)
        if not self._announced and ready == self._settings.server.workers:
            self._announced = True
            self._on_ready()

    def _bury(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.channel.close()
        self._counts.forget(worker.process.pid)
        if self._signals:
            return
        how = _ending(worker.process.returncode)
        if worker.ready:
            _LOG.warning("worker %d %s: another takes its place", worker.process.pid, how)
            return
        if worker.error and not self._announced:
            raise worker.error
        self._failed += 1
        if self._failed >= _MOST_FAILED:
            raise worker.error or ServerError(
                f"{self._failed} workers in a row died before they were ready, the last one {how}",
                mend="see what they said above; if the machine was out of memory, serve with fewer --workers",
            )
        _LOG.warning("worker %d %s before it was ready; another is started", worker.process.pid, how)
        self._next_start = time.monotonic() + min(_PAUSE_SECONDS * 2**self._failed, _LONGEST_PAUSE)

    def _stop(self) -> None:
        """Tell all to stop, and wait until they have; a second signal, or too long a wait, kills them."""
        self._listener.close()
        for worker in self._workers:
            worker.process.terminate()
        signals = self._signals
        end = time.monotonic() + self._settings.server.drain_seconds + _MARGIN_SECONDS
        for worker in self._workers:
            while worker.process.poll() is None:
                if self._signals > max(signals, 1) or time.monotonic() > end:
                    worker.process.kill()
                time.sleep(_LOOK_SECONDS / 4)
            worker.channel.close()
        self._counts.remove()


def _ending(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
