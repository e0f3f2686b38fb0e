"""The Model Context Protocol on standard input and output: one user, who is on this machine and may see everything."""

import asyncio
import sys
from contextlib import nullcontext
from importlib.metadata import version

from mcp.server import ServerRequestContext
from mcp.server.stdio import stdio_server

from core.errors import KebenError
from core.settings import Settings
from server.access import LOCAL
from server.mcp_tools import Caller, mcp_server
from server.metrics import Metrics
from server.service import Startup, running
from server.usage import Usage


def serve_stdio(settings: Settings) -> None:
    """Serve until the client closes standard input. Raises StorageError.

    The client is greeted at once; its first call waits until the models are loaded. If they cannot be, each call says
    why, since what a program writes on standard error is seldom shown to anybody.
    """
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    loaded = asyncio.Event()
    failures: list[KebenError] = []

    def fail(error: KebenError) -> None:
        print(f"keben: {error}", file=sys.stderr, flush=True)
        failures.append(error)
        loaded.set()

    startup = Startup(on_ready=loaded.set, on_failure=fail)

    async def caller(context: ServerRequestContext) -> Caller:
        await loaded.wait()
        if startup.service is None:
            raise failures[0]
        return Caller(startup.service, LOCAL, LOCAL.id, nullcontext)

    server = mcp_server(caller)
    usage, metrics = Usage(settings.state_dir), Metrics(version("keben"))
    # Standard output first: what libraries print while they load must not get between the messages.
    async with stdio_server() as (read, write), running(settings, startup, usage, metrics):
        await server.run(read, write, server.create_initialization_options())
