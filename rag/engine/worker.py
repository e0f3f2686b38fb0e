"""The process that holds the model: `python -m rag.engine.worker FD`, started and watched by `rag.engine.engine`.

A process, not a thread: one that hangs can be killed, one that crashes takes nobody along, and its work does not
compete with the server's for the interpreter.
"""

import os
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

from core.errors import KebenError
from rag.engine.messages import Add, Cancel, Failed, Load, Ready, Written

_BEAT_SECONDS = 0.5
_WARM_UP = "warm-up"


def main(descriptor: int) -> None:
    """Load what the first message names, then write until the other side closes the connection."""
    # Ctrl-C on the terminal reaches both processes: the server decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Children of this process must not hold the connection open.
    os.set_inheritable(descriptor, False)
    connection = Connection(descriptor)
    load = connection.recv()
    assert isinstance(load, Load)
    try:
        from rag.engine.runner import Runner

        runner = Runner(load.folder, load.settings)
        runner.warm_up()
    except KebenError as error:
        connection.send(Failed(error.message, error.mend))
        return
    connection.send(Ready(runner.limit, str(runner.device), str(runner.dtype).removeprefix("torch.")))
    _Exchange(connection, runner).run()


class _Exchange:
    """Requests in, tokens out, until one side ends."""

    def __init__(self, connection: Connection, runner: Any) -> None:
        self._connection, self._runner = connection, runner
        self._sent: dict[str, int] = {}  # tokens sent of each answer under way
        self._guard = threading.Lock()

    def run(self) -> None:
        """Returns when the other side is gone, or when the model failed for good."""
        threading.Thread(target=self._listen, daemon=True).start()
        last = 0.0
        try:
            while True:
                news = [self._news(output) for output in self._runner.outputs(timeout=_BEAT_SECONDS)]
                # One message for all answers of a step: each wakes the other side.
                if written := [one for one in news if one]:
                    self._connection.send(written)
                if not self._runner.alive:
                    self._connection.send(Failed(f"the model failed: {self._runner.fault}", "see the message"))
                    return
                if time.monotonic() - last >= _BEAT_SECONDS:
                    last = time.monotonic()
                    self._connection.send(self._runner.beat())
        except (BrokenPipeError, ConnectionResetError):
            return

    def _listen(self) -> None:
        try:
            while True:
                message = self._connection.recv()
                match message:
                    case Add():
                        with self._guard:
                            self._sent[message.id] = 0
                        self._runner.add(message)
                    case Cancel():
                        with self._guard:
                            self._sent.pop(message.id, None)
                        self._runner.cancel(message.id)
        except (EOFError, OSError):
            # The server is gone, perhaps killed; no thread of the model needs an orderly end.
            os._exit(0)

    def _news(self, output: Any) -> Written | None:
        with self._guard:
            before = self._sent.get(output.request_id)
            if before is None:
                return None
            finished = output.is_finished()
            if finished:
                del self._sent[output.request_id]
            else:
                self._sent[output.request_id] = len(output.generated_tokens)
        return Written(output.request_id, output.generated_tokens[before:], finished, output.error)


if __name__ == "__main__":
    main(int(sys.argv[1]))
    # Threads of the model may still run: they hold nothing that must be closed.
    sys.stdout.flush()
    os._exit(0)
