"""Runs the application: socket, signals, and one process or several."""

import socket
from collections.abc import Callable

from core.errors import ConfigError, ServerError
from core.settings import Settings
from server.gate import is_loopback
from server.keys import KeyStore
from server.workers import Workers


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until interrupted; `announce` is called with the address once questions can be asked.

    Raises ServerError when the port cannot be had, or would let everybody in, ConfigError for settings that do not go
    together, KebenError when nothing can be served.
    """
    require_keys(settings, KeyStore(settings.state_dir))
    require_one_model(settings)
    listener = listen(settings.server.host, settings.server.port)
    host = f"[{settings.server.host}]" if ":" in settings.server.host else settings.server.host
    address = f"http://{host}:{listener.getsockname()[1]}"
    with listener:
        if settings.server.workers > 1:
            Workers(settings, listener, lambda: announce(address)).run()
            return
        # Imported here: a process that only looks after others needs no application.
        from server.run import run

        if error := run(settings, listener, lambda: announce(address)):
            raise error


def require_keys(settings: Settings, keys: KeyStore) -> None:
    """Raise ServerError if whoever reaches the server could do everything, and nobody has said that this is meant."""
    host = settings.server.host
    if not is_loopback(host) and not keys.valid() and not settings.server.insecure:
        raise ServerError(
            f"{host} can be reached from other machines, and there is no valid API key",
            mend="make one with `keben keys create`, or let everybody in with --insecure",
        )


def require_one_model(settings: Settings) -> None:
    """Raise ConfigError if every worker would load a language model of its own."""
    if settings.llm.model and settings.server.workers > 1:
        raise ConfigError(
            f"{settings.server.workers} workers would each load the model {settings.llm.model}",
            mend="serve with --workers 1, or let an inference server run the model and name it: KEBEN_LLM__URLS",
        )


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address. Raises ServerError when it cannot be had."""
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
