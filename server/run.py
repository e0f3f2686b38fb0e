"""One process of the service: the application under uvicorn, until it is told to stop."""

import math
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import uvicorn

from core.errors import KebenError
from core.settings import Settings
from server import logs
from server.app import create_app
from server.drain import Drain
from server.protocol import bounded
from server.service import Startup

# Threads that compute give way to the event loop after this time; Python's own 5 ms add up when several compute.
_SWITCH_SECONDS = 0.001
# What must end that heeds no drain is cancelled this long after it.
_MARGIN_SECONDS = 2


def run(
    settings: Settings, listener: socket.socket, on_ready: Callable[[], None], *, load_first: bool = False
) -> KebenError | None:
    """Serve on `listener` until interrupted or told to stop; what nothing can be served for, None when all went well.

    on_ready is called once questions can be asked; load_first: as in `Startup`.
    """
    logs.set_up(settings.server.log_level)
    failures: list[KebenError] = []

    def fail(error: KebenError) -> None:
        failures.append(error)
        server.should_exit = True

    startup = Startup(on_ready, fail, load_first)
    server = _Server(settings, startup)
    sys.setswitchinterval(_SWITCH_SECONDS)
    # Once it has stopped, uvicorn raises the signal again: a stop that was asked for is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # Ctrl-C is how one stops a server; uvicorn has shut down in order before it raises.
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    return failures[0] if failures else None


class _Server(uvicorn.Server):
    """Tells the application that it stops, so that it can end what it has begun."""

    def __init__(self, settings: Settings, startup: Startup) -> None:
        self._drain: Drain = startup.drain
        self._seconds = settings.server.drain_seconds
        longest = math.ceil(self._seconds) + _MARGIN_SECONDS
        app = create_app(settings, startup)
        config = uvicorn.Config(
            app,
            http=bounded(settings.server.body_seconds),
            ws="none",
            log_config=None,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=longest,
        )
        super().__init__(config)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """From now on `/readyz` says so."""
        self._drain.begun = True
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new connections, and close those without a request; answers under way have `drain_seconds`."""
        self._drain.start(self._seconds)
        await super().shutdown(sockets)
