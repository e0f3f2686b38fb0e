"""What every request passes first: who sends it, may it, within its limits, and is its body short enough.

Plain ASGI, around the whole application: nothing of a request that is refused is parsed.
"""

import asyncio
import ipaddress
import logging
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import Forbidden, KebenError, Overloaded, ServerError, StorageError, TooLarge, TooSlow
from core.settings import ServerSettings
from server import logs
from server.access import ANYONE, LOCAL, Limits, Principal, Role, Rule, RuleBook, authorise
from server.keys import KeyStore
from server.metrics import Metrics
from server.problems import error_response
from server.usage import Usage

# Not a key that somebody has put into the wrong header: ids are logged.
_REQUEST_ID = re.compile(r"(?!.*keben_)[A-Za-z0-9_.-]{1,64}")
_BEARER = re.compile(r"Bearer +(\S+) *", re.I)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::\d{1,5})?")
_ORIGIN = re.compile(f"https?://{_HOST.pattern}")
# What a proxy adds that sends on requests of other machines.
_BY_PROXY = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
_LOG = logging.getLogger(__name__)


# Whoever has a key learns that a route does not exist; the others learn nothing.
_UNKNOWN = Rule(Role.ask)


class Gate:
    """Lets through what may come in; refuses the rest with a problem document."""

    def __init__(self, app: ASGIApp, settings: ServerSettings, keys: KeyStore, usage: Usage, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._settings = settings
        self._keys = keys
        self._usage = usage
        self._rules = RuleBook()
        self._defaults = Limits(settings.requests_per_minute, settings.concurrent, settings.tokens_per_day)
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; what is not HTTP, such as the lifespan, goes on as it is."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
        extra = {"X-Request-ID": request_id, "X-Content-Type-Options": "nosniff"}
        answer = _with_headers(send, extra)
        note = logs.current()
        note.request_id = request_id
        try:
            found = self._rules.find(scope["method"], scope["path"])
            rule, note.route, parameters = found or (None, note.route, {})
            principal = self._principal(headers, rule)
            note.key = principal.id
            authorise(principal, rule or _UNKNOWN, parameters.get("kb"))
            extra |= self._count(principal, rule or _UNKNOWN)
            if rule is None:
                raise self._rules.missing(scope["method"], scope["path"])
            if not rule.upload:
                body = await self._whole_body(headers, receive)
                if body is None:
                    return
                receive = body
            scope.setdefault("state", {}).update(
                principal=principal, request_id=request_id, slot=partial(self._slot, principal)
            )
            await self._pass(rule, principal, scope, receive, answer)
        except KebenError as error:
            await error_response(scope["path"], error)(scope, receive, answer)

    def _principal(self, headers: Headers, rule: Rule | None) -> Principal:
        match = _BEARER.fullmatch(headers.get("authorization", ""))
        if self._settings.insecure:
            return LOCAL
        try:
            if self._keys.any() or not is_loopback(self._settings.host):
                return self._keys.principal(match[1] if match else None, self._defaults)
        except StorageError as error:
            # It names files of this machine: nothing for those of whom is not known who they are.
            _LOG.error("%s", error)
            if rule and rule.role is None:
                return ANYONE
            raise ServerError("API keys cannot be looked up", mend="the server's log says why") from error
        _require_local(headers)
        return LOCAL

    def _count(self, principal: Principal, rule: Rule) -> Mapping[str, str]:
        """Headers that tell what is left of the limit."""
        if principal.role is None or rule.role is None or not rule.counted:
            return {}
        allowance = self._usage.request(principal)
        return allowance.headers() if allowance else {}

    async def _pass(self, rule: Rule, principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
        if not rule.answers:
            await self._app(scope, receive, send)
            return
        with self._slot(principal):
            await self._app(scope, receive, send)

    @contextmanager
    def _slot(self, principal: Principal) -> Iterator[None]:
        """Counts an answer as running. In the state of each request, for routes only some of whose requests answer."""
        if self._running >= self._settings.max_running:
            raise Overloaded(
                f"{self._running} answers are being written, as many as may at a time",
                mend="wait as long as Retry-After says, or raise KEBEN_SERVER__MAX_RUNNING",
            )
        lease = self._usage.start(principal)
        self._running += 1
        self._metrics.running(1)
        try:
            yield
        finally:
            self._running -= 1
            self._metrics.running(-1)
            self._usage.end(lease)

    async def _whole_body(self, headers: Headers, receive: Receive) -> Receive | None:
        """Read the body, which is short, so that nothing behind has to guard against long or slow ones.

        None when the client has gone before it was whole.
        """
        limit = self._settings.body_kb * 1024
        declared = headers.get("content-length", "")
        if declared.isdecimal() and (len(declared) > 18 or int(declared) > limit):
            raise _too_large(self._settings.body_kb)
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._settings.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        return None
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > limit:
                        raise _too_large(self._settings.body_kb)
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            raise TooSlow(
                f"the body did not arrive within {self._settings.body_seconds:g} s", mend="send it in one go"
            ) from None
        return _replayed(b"".join(parts), receive)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address; a name other than 'localhost' is taken for one that others do."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().removesuffix(".") == "localhost"


def _require_local(headers: Headers) -> None:
    """Without keys, a page of another site that the user's browser has open must not reach the service.

    A foreign Origin is such a page; a foreign Host is one whose name was made to lead here (DNS rebinding), or a
    proxy in front, which lets others in.
    """
    host = headers.get("host", "")
    proxied = next((name for name in _BY_PROXY if name in headers), None)
    if proxied:
        raise Forbidden(
            f"without API keys only this machine is served, and a proxy sends this ('{proxied}')",
            mend="to serve others: `keben keys create`",
        )
    if not _names_loopback(_HOST, host):
        raise Forbidden(
            f"without API keys only this machine is served, not '{host}'",
            mend="ask for localhost or 127.0.0.1; to serve others: `keben keys create`",
        )
    origin = headers.get("origin")
    if origin is not None and not _names_loopback(_ORIGIN, origin):
        raise Forbidden(f"a page of '{origin}' may not use this service", mend="create a key: `keben keys create`")


def _names_loopback(form: re.Pattern[str], header: str) -> bool:
    match = form.fullmatch(header)
    return match is not None and is_loopback(match[1])


def _too_large(kb: int) -> TooLarge:
    return TooLarge(f"the body is longer than {kb} KiB", mend="send less; files are sent to /kbs/{kb}/files")


def _replayed(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


def _with_headers(send: Send, headers: Mapping[str, Any]) -> Send:
    """Adds what `headers` holds when the response starts."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(headers)
        await send(message)

    return sending
