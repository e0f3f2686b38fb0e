"""One worker process: `python -m server.worker LISTENER CHANNEL`, two descriptors that `server.workers` hands down.

From the channel come the settings, then nothing: its end means that the supervisor has died. Back go None once
questions can be asked, or the error for which they never can.
"""

import os
import signal
import socket
import sys
import threading
from multiprocessing.connection import Connection

from core.errors import KebenError
from server.run import run


def main(listener: int, channel: int) -> int:
    """Serve until told to stop; the exit code."""
    connection = Connection(channel)
    settings = connection.recv()
    threading.Thread(target=_stop_without_supervisor, args=(connection,), daemon=True).start()
    try:
        with socket.socket(fileno=listener) as shared:
            error = run(settings, shared, lambda: connection.send(None), load_first=True)
    except KebenError as raised:
        error = raised
    if error:
        connection.send(error)
    return error.exit_code if error else 0


def _stop_without_supervisor(connection: Connection) -> None:
    try:
        connection.recv()
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
