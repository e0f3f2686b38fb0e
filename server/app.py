"""The FastAPI application, and how it is served."""

import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version

import uvicorn
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from core.errors import KebenError, ServerError
from core.settings import Settings
from server.problems import add_problem_handlers
from server.routes import router
from server.service import Startup, lifespan

_ABOUT = """Keben answers questions from textbooks and shows where in the book each answer stands.

`POST /ask` for an answer, `POST /search` for passages alone."""


def create_app(settings: Settings, startup: Startup) -> FastAPI:
    """The application; knowledge bases and models are loaded when it starts, not here."""
    # The documentation page of plain FastAPI loads its scripts from the network.
    app: FastAPI = FastAPIOffline(
        title="Keben 课本", version=version("keben"), description=_ABOUT, lifespan=lifespan(settings, startup)
    )
    app.include_router(router)
    add_problem_handlers(app)
    return app


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until interrupted; `announce` is called with the address once questions can be asked.

    Raises ServerError when the port cannot be had, KebenError when nothing can be served.
    """
    listener = _listen(settings.server.host, settings.server.port)
    host = f"[{settings.server.host}]" if ":" in settings.server.host else settings.server.host
    failures: list[KebenError] = []

    def fail(error: KebenError) -> None:
        failures.append(error)
        server.should_exit = True

    startup = Startup(on_ready=lambda: announce(f"http://{host}:{listener.getsockname()[1]}"), on_failure=fail)
    app = create_app(settings, startup)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=10))
    # Once it has stopped, uvicorn raises the signal again: a stop that was asked for is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # Ctrl-C is how one stops a server; uvicorn has shut down in order before it raises.
    with listener, suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    if failures:
        raise failures[0]


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ServerError(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            mend="stop the program that uses the port, or choose another with --port",
        ) from error
    return listener
