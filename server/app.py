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
from server.gate import Gate, is_loopback
from server.keys import KeyStore
from server.mcp_http import add_mcp
from server.problems import add_problem_handlers
from server.routes import router
from server.service import Startup, lifespan
from server.usage import Usage

_ABOUT = """Keben answers questions from textbooks and shows where in the book each answer stands.

`POST /ask` for an answer, `POST /search` for passages alone. Below `/v1` are the routes that programs made for OpenAI's
interface call, with knowledge bases for models; `/mcp` speaks the Model Context Protocol."""


def create_app(settings: Settings, startup: Startup) -> FastAPI:
    """The application; knowledge bases and models are loaded when it starts, not here."""
    keys, usage = KeyStore(settings.state_dir), Usage(settings.state_dir)
    # The documentation page of plain FastAPI loads its scripts from the network.
    app: FastAPI = FastAPIOffline(
        title="Keben 课本", version=version("keben"), description=_ABOUT, lifespan=lifespan(settings, startup, usage)
    )
    app.state.keys, app.state.settings = keys, settings
    app.include_router(router)
    add_mcp(app)
    add_problem_handlers(app)
    app.add_middleware(Gate, settings=settings.server, keys=keys, usage=usage)
    return app


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until interrupted; `announce` is called with the address once questions can be asked.

    Raises ServerError when the port cannot be had, or would let everybody in, KebenError when nothing can be served.
    """
    require_keys(settings, KeyStore(settings.state_dir))
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


def require_keys(settings: Settings, keys: KeyStore) -> None:
    """Raise ServerError if whoever reaches the server could do everything, and nobody has said that this is meant."""
    host = settings.server.host
    if not is_loopback(host) and not keys.valid() and not settings.server.insecure:
        raise ServerError(
            f"{host} can be reached from other machines, and there is no valid API key",
            mend="make one with `keben keys create`, or let everybody in with --insecure",
        )


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
