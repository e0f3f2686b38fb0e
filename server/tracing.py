"""OpenTelemetry traces, where a collector is named. The one module that knows its library, imported only then.

A request is a span, which goes on a trace that the caller began; the parts of an answer are spans below it. None holds
what was asked.
"""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from core.types import Answer

if TYPE_CHECKING:
    pass

_EXPORT_SECONDS = 2


class Tracing(Protocol):
    """Where traces go."""

    def begin(self, headers: Mapping[str, str], name: str) -> Any:
        """A span for a request; headers: of the request, by lower-case names."""

    def end(self, span: Any, answers: list[Answer], **attributes: str | int | float | bool) -> None:
        """The request has ended; attributes: of the request. answers: which parts become spans below it."""

    def close(self) -> None:
        """Send what waits, within a few seconds."""


class NoTracing:
    """Without a collector nothing is traced."""

    def begin(self, headers: Mapping[str, str], name: str) -> None:
        """Nothing."""

    def end(self, span: None, answers: list[Answer], **attributes: str | int | float | bool) -> None:
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

    def end(self, span: Any, answers: list[Answer], **attributes: str | int | float | bool) -> None:
        """Ends the span, with a span below it for each part of its answers, the last of which has just ended."""
        from opentelemetry.trace import set_span_in_context

        span.set_attributes(attributes)
        now, context = time.time_ns(), set_span_in_context(span)
        for answer in answers:
            about = {"keben.kb": answer.kb, "keben.generation": answer.generation, "keben.model": answer.model}
            whole = self._tracer.start_span(
                "answer", context, start_time=now - _nanoseconds(answer.timings_ms.get("total", 0)), attributes=about
            )
            whole.set_attributes({"keben.refused": answer.refused, "keben.cached": answer.cached})
            at, below = now - _nanoseconds(answer.timings_ms.get("total", 0)), set_span_in_context(whole)
            for stage in ("rewrite", "retrieve", "write"):
                if stage in answer.timings_ms:
                    part = self._tracer.start_span(stage, below, start_time=at)
                    at += _nanoseconds(answer.timings_ms[stage])
                    part.end(at)
            whole.end(now)
        span.end()

    def close(self) -> None:
        """Send what waits; gives up after a few seconds."""
        self._provider.force_flush(_EXPORT_SECONDS * 1000)
        self._provider.shutdown()


def _nanoseconds(milliseconds: float) -> int:
    return int(milliseconds * 1e6)


def tracing_to(endpoint: str | None, version: str) -> Tracing:
    """To the collector at `endpoint`, or nowhere."""
    return OpenTelemetry(endpoint, version) if endpoint else NoTracing()
