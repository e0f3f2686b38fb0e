"""OpenTelemetry traces, where a collector is named. The one module that knows its library, imported only then.

A request is a span, which goes on a trace that the caller began; the parts of an answer are spans below it. None holds
what was asked.
"""

import threading
from collections.abc import Mapping
from typing import Any, Protocol

from server.logs import Given, Note

_EXPORT_SECONDS = 2
_CLOSE_SECONDS = 3


class Tracing(Protocol):
    """Where traces go."""

    def begin(self, headers: Mapping[str, str], name: str) -> Any:
        """A span for a request; headers: of the request, by lower-case names."""

    def end(self, span: Any, note: Note, method: str, status: int) -> None:
        """The request has ended; the parts of the answers in its note become spans below it."""

    def close(self) -> None:
        """Send what waits, within a few seconds."""


class NoTracing:
    """Without a collector nothing is traced."""

    def begin(self, headers: Mapping[str, str], name: str) -> None:
        """Nothing."""

    def end(self, span: None, note: Note, method: str, status: int) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class OpenTelemetry:
    """Sends to a collector over HTTP, some spans at a time, in a thread of its own; a collector that is away is waited
    for by nobody."""

    def __init__(self, endpoint: str, version: str) -> None:
        """endpoint: of the collector, as http://collector:4318."""
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        resource = Resource.create({"service.name": "keben", "service.version": version})
        self._provider: TracerProvider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter, export_timeout_millis=_EXPORT_SECONDS * 1000))
        self._tracer = self._provider.get_tracer("keben")
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, headers: Mapping[str, str], name: str) -> Any:
        """A span that goes on the trace of the request's `traceparent`."""
        from opentelemetry.trace import SpanKind

        return self._tracer.start_span(name, self._propagator.extract(headers), kind=SpanKind.SERVER)

    def end(self, span: Any, note: Note, method: str, status: int) -> None:
        """Ends the span, with a span below it for each part of its answers."""
        from opentelemetry.trace import StatusCode, set_span_in_context

        span.update_name(f"{method} {note.route}")
        span.set_attributes(
            {
                "http.request.method": method,
                "http.route": note.route,
                "http.response.status_code": status,
                "keben.request_id": note.request_id,
            }
        )
        if note.code:
            span.set_attribute("error.type", note.code)
        if status >= 500:
            span.set_status(StatusCode.ERROR)
        context = set_span_in_context(span)
        for given in note.answers:
            self._parts(given, context)
        span.end()

    def _parts(self, given: Given, context: Any) -> None:
        from opentelemetry.trace import set_span_in_context

        answer = given.answer
        at = given.at - _nanoseconds(answer.timings_ms["total"])
        about: dict[str, str | int] = {
            "keben.kb": answer.kb,
            "keben.generation": answer.generation,
            "keben.model": answer.model,
            "keben.passages": given.passages,
            "keben.refused": answer.refused,
            "keben.cached": answer.cached,
        }
        whole = self._tracer.start_span("answer", context, start_time=at, attributes=about)
        below = set_span_in_context(whole)
        for stage in ("rewrite", "retrieve", "write"):
            if stage in answer.timings_ms:
                part = self._tracer.start_span(stage, below, start_time=at)
                at += _nanoseconds(answer.timings_ms[stage])
                part.end(at)
        whole.end(given.at)

    def close(self) -> None:
        """Send what waits; gives up after a few seconds."""
        # By itself the library waits half a minute for each collector that is away.
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)


def _nanoseconds(milliseconds: float) -> int:
    return int(milliseconds * 1e6)


def tracing_to(endpoint: str | None, version: str) -> Tracing:
    """To the collector at `endpoint`, or nowhere."""
    return OpenTelemetry(endpoint, version) if endpoint else NoTracing()
