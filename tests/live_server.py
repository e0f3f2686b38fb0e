"""The real application behind a real HTTP server on a port of its own, in this process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from starlette.types import Message, Receive, Scope, Send

from core.errors import KebenError
from core.settings import Settings
from server.app import create_app
from server.service import Startup


@dataclass
class Live:
    """url: without a path. statuses: by path, of the responses so far, in order."""

    url: str = ""
    statuses: dict[str, list[int]] = field(default_factory=dict)


@contextmanager
def live(settings: Settings) -> Iterator[Live]:
    """Serves until left; questions can be asked at once."""
    ready, failures, running = threading.Event(), list[KebenError](), Live()

    def fail(error: KebenError) -> None:
        failures.append(error)
        ready.set()

    app = create_app(settings, Startup(ready.set, fail))

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                running.statuses.setdefault(scope["path"], []).append(message["status"])
            await send(message)

        await app(scope, receive, sending)

    server = uvicorn.Server(uvicorn.Config(watched, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert ready.wait(300) and not failures, failures
        running.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        yield running
    finally:
        server.should_exit = True
        thread.join()
