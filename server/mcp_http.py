"""The Model Context Protocol at `/mcp`, by its streamable HTTP transport."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from mcp.server import ServerRequestContext
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from server.mcp_tools import Caller, mcp_server
from server.routes.asking import client_of
from server.service import service_of


def add_mcp(app: FastAPI) -> None:
    """Let `app` answer at `/mcp` as long as it runs.

    There are no sessions, so that each process of a service can take each request, and nothing is ever sent unasked:
    GET, for such messages, and DELETE, for the end of a session, are answered with 405.
    """
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(running: FastAPI) -> AsyncIterator[Any]:
        # Hosts and origins are not looked at here: the gate has done so, and knows which ones are meant to come in.
        running.state.mcp = StreamableHTTPSessionManager(mcp_server(_caller), stateless=True)
        async with running.state.mcp.run(), inner(running) as state:
            yield state

    app.router.lifespan_context = lifespan
    app.router.routes.append(Route("/mcp", _Endpoint(), methods=["POST"], include_in_schema=False))


class _Endpoint:
    """An application of its own, as the protocol's requests are read by the SDK."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await scope["app"].state.mcp.handle_request(scope, receive, send)


async def _caller(context: ServerRequestContext) -> Caller:
    request = context.request
    assert isinstance(request, Request)
    principal = request.state.principal
    return Caller(service_of(request), principal, client_of(request, principal), request.state.slot)
