"""The model's process as the serving process sees it: started, spoken to, killed."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue

from core.errors import ModelError
from core.settings import LlmSettings
from rag.engine.messages import Add, Beat, Cancel, Failed, Load, Ready, Written

_PROJECT = Path(__file__).resolve().parents[2]
Heard = Ready | Failed | list[Written] | Beat


class ModelProcess:
    """A running `rag.engine.worker`. `hear` is for one thread, `tell` and `kill` for any."""

    def __init__(self, folder: Path, settings: LlmSettings) -> None:
        ours, theirs = socket.socketpair()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed by `close`
        # Of the same code as this process, wherever it was started, and never from the working directory.
        known = os.pathsep.join(filter(None, (str(_PROJECT), os.environ.get("PYTHONPATH"))))
        quiet = {"TRANSFORMERS_VERBOSITY": "error", "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1", "HF_HUB_OFFLINE": "1"}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "rag.engine.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._errors,
                stderr=self._errors,
                env={**quiet, **os.environ, "PYTHONPATH": known},
            )
        self._connection = Connection(ours.detach())
        self._outbox: SimpleQueue[Load | Add | Cancel | None] = SimpleQueue()
        # Written by a thread of its own: a process that hangs must not make those hang who ask it.
        self._sender = threading.Thread(target=self._send, daemon=True, name="keben-model-sender")
        self._sender.start()
        self.tell(Load(folder, settings))

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, message: Load | Add | Cancel) -> None:
        """Send; never blocks, and says nothing if the process has ended: `hear` does."""
        self._outbox.put(message)

    def hear(self, timeout: float) -> Iterator[Heard]:
        """What has come within `timeout` seconds, at once when something comes. Raises EOFError when it has ended."""
        try:
            while self._connection.poll(timeout):
                yield self._connection.recv()
                timeout = 0
        except OSError as error:
            raise EOFError from error

    def kill(self) -> None:
        """End it, whatever it is doing, and wait until it is gone."""
        self._process.kill()
        self._end()

    def last_words(self) -> ModelError:
        """Why it has ended by itself."""
        code = self._end()
        if code < 0:
            name = signal.Signals(-code).name
            mend = "if the machine was out of memory: KEBEN_LLM__BITS=4 or a smaller model" if name == "SIGKILL" else ""
            return ModelError(f"the model's process was ended by {name}", mend=mend or "ask again")
        with suppress(ValueError, OSError):
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace").strip().splitlines()[-1:]
            return ModelError(f"the model's process ended: {''.join(said) or f'exit code {code}'}", mend="ask again")
        return ModelError(f"the model's process ended with exit code {code}", mend="ask again")

    def close(self) -> None:
        """Let go of everything, the process first."""
        self.kill()
        self._errors.close()

    def _end(self) -> int:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._outbox.put(None)
        self._sender.join(5)
        with suppress(OSError):
            self._connection.close()
        return code

    def _send(self) -> None:
        while (message := self._outbox.get()) is not None:
            try:
                self._connection.send(message)
            except OSError:
                return
