"""Around everything: each request is counted and told in one line of the log, also one that is refused at the gate."""

import logging
import time
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server import logs
from server.logs import REQUESTS, Note
from server.metrics import Metrics
from server.tracing import Tracing

# What supervisors ask every few seconds.
_QUIET = {"/healthz", "/readyz", "/metrics"}
_GONE = 499
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Observe:
    """Measures the requests of `app`."""

    def __init__(self, app: ASGIApp, metrics: Metrics, tracing: Tracing, questions: bool) -> None:
        """questions: whether what was asked is told too."""
        self._app = app
        self._tracing = tracing
        self._metrics = metrics
        self._questions = questions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; what is not HTTP goes on as it is."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        note, started = logs.begin(self._questions), time.perf_counter()
        # A client may call its method what it likes.
        method = scope["method"] if scope["method"] in _METHODS else "other"
        span = self._tracing.begin(Headers(scope=scope), method)
        seen = _Seen()

        async def hearing() -> Message:
            message = await receive()
            seen.gone = seen.gone or (message["type"] == "http.disconnect" and not seen.whole)
            return message

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
                seen.stream = any(
                    name == b"content-type" and value.startswith(b"text/event-stream")
                    for name, value in message["headers"]
                )
            elif seen.stream and not seen.size and message.get("body"):
                self._metrics.first_event(time.perf_counter() - started)
            seen.size += len(message.get("body", b""))
            seen.whole = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        try:
            await self._app(scope, hearing, telling)
        except Exception:
            note.code = "bug"
            raise
        finally:
            seen.status = seen.status or (_GONE if seen.gone else 500)
            self._tracing.end(span, note, method, seen.status)
            self._end(method, note, seen, time.perf_counter() - started)

    def _end(self, method: str, note: Note, seen: "_Seen", seconds: float) -> None:
        status = seen.status
        self._metrics.request(note.route, method, status, seconds, note.reason or note.code)
        level = logging.DEBUG if note.route in _QUIET else logging.WARNING if status >= 500 else logging.INFO
        if not REQUESTS.isEnabledFor(level):
            return
        fields: dict[str, Any] = {
            "method": method,
            "route": note.route,
            "status": status,
            "ms": round(seconds * 1000, 2),
            "bytes": seen.size,
            "key": note.key,
        }
        fields |= {name: value for name, value in (("kb", note.kb), ("code", note.code)) if value}
        if seen.gone:
            fields["client_gone"] = True
        if note.answers:
            last = note.answers[-1].answer
            fields |= {"model": last.model, "refused": last.refused, "cached": last.cached}
            fields |= {"answers": len(note.answers), "timings_ms": last.timings_ms}
        if self._questions and note.question:
            fields["question"] = note.question
        REQUESTS.log(level, "request", extra={"fields": fields})


class _Seen:
    """What has gone through. whole: the last piece of the response has. gone: the client went before."""

    __slots__ = ("gone", "size", "status", "stream", "whole")

    def __init__(self) -> None:
        self.gone = self.stream = self.whole = False
        self.size = self.status = 0
