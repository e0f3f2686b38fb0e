"""What Prometheus reads at `/metrics`. The only module that knows its library.

With several workers each writes its counts into files that they share, and whichever is asked adds them up.
"""

import os
import shutil
import socket
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from core.types import Answer

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SHARED = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120)


class SharedCounts:
    """The folder in which the workers of one service count together."""

    def __init__(self, state_dir: Path, address: str) -> None:
        """Empty it. address: of the service; others, also on other machines, may have the same `state_dir`."""
        self._folder = state_dir / "metrics" / f"{socket.gethostname()}-{address}"
        self.remove()
        self._folder.mkdir(parents=True)
        self.environment: Mapping[str, str] = {_SHARED: str(self._folder)}

    def forget(self, process: int) -> None:
        """What a worker that has died was doing is not counted any more; what it has done is."""
        multiprocess.mark_process_dead(process, str(self._folder))  # type: ignore[no-untyped-call]

    def remove(self) -> None:
        """The service has ended, or begins anew."""
        shutil.rmtree(self._folder, ignore_errors=True)


class _Processes(Collector):
    """Memory and open files of the workers that live, added up; without them the library tells those of one process."""

    _NAMES = ("process_resident_memory_bytes", "process_open_fds")

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """A family for each name, and how many workers there are."""
        ids = {path.stem.rpartition("_")[2] for path in self._folder.glob("gauge_livesum_*.db")}
        found = [list(ProcessCollector(pid=partial(str, id), registry=None).collect()) for id in sorted(ids)]
        for name in self._NAMES:
            told = [family for families in found for family in families if family.name == name]
            value = sum(sample.value for family in told for sample in family.samples)
            yield GaugeMetricFamily(name, told[0].documentation if told else name, value=value)
        yield GaugeMetricFamily("keben_workers", "Workers that live", value=sum(map(bool, found)))


class _Served(Collector):
    """Numbers that are looked up when they are asked for."""

    def __init__(self, look: Callable[[], Iterable[GaugeMetricFamily]]) -> None:
        self._look = look

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Each family as it is now."""
        return self._look()


class Metrics:
    """The counts of one process, or with workers of all."""

    def __init__(self, version: str) -> None:
        """version: of Keben."""
        self._registry = CollectorRegistry()
        shared = _SHARED in os.environ
        if shared:
            # They are read from the files; registered too, this worker's would be counted twice.
            multiprocess.MultiProcessCollector(self._registry)  # type: ignore[no-untyped-call]
            self._registry.register(_Processes(Path(os.environ[_SHARED])))
        else:
            ProcessCollector(registry=self._registry)
        own = None if shared else self._registry
        self._requests = Counter("keben_requests", "Requests", ("route", "method", "status"), registry=own)
        self._latency = Histogram(
            "keben_request_seconds", "Until a request has ended", ("route",), buckets=_SECONDS, registry=own
        )
        self._first = Histogram(
            "keben_first_event_seconds", "Until the first event of a stream", buckets=_SECONDS, registry=own
        )
        self._stages = Histogram(
            "keben_answer_stage_seconds", "Parts of an answer", ("stage",), buckets=_SECONDS, registry=own
        )
        self._answers = Counter("keben_answers", "Answers", ("outcome", "cached"), registry=own)
        self._tokens = Counter("keben_tokens", "Tokens of the language model", ("direction",), registry=own)
        self._rejected = Counter("keben_rejected", "Requests that were turned away", ("reason",), registry=own)
        self._running = Gauge(
            "keben_answers_running", "Answers being written", multiprocess_mode="livesum", registry=own
        )
        self._info = Gauge("keben_info", "Version", ("version",), multiprocess_mode="livemax", registry=own)
        self._info.labels(version).set(1)

    def request(self, route: str, method: str, status: int, seconds: float, reason: str) -> None:
        """A request has ended. route: the template of its path. reason: the limit that it met, or its error's code."""
        self._requests.labels(route, method, str(status)).inc()
        self._latency.labels(route).observe(seconds)
        if status in {401, 403, 408, 413, 429}:
            self._rejected.labels(reason or str(status)).inc()

    def first_event(self, seconds: float) -> None:
        """A stream has begun."""
        self._first.observe(seconds)

    def answer(self, answer: Answer) -> None:
        """An answer was given."""
        outcome = "refused" if answer.refused else "fallback" if answer.fallback else "answered"
        self._answers.labels(outcome, str(answer.cached).lower()).inc()
        for stage, milliseconds in answer.timings_ms.items():
            self._stages.labels(stage).observe(milliseconds / 1000)
        if answer.usage:
            self._tokens.labels("read").inc(answer.usage.input_tokens)
            self._tokens.labels("written").inc(answer.usage.output_tokens)

    def failed(self) -> None:
        """An answer could not be given, through no fault of who asked."""
        self._answers.labels("failed", "false").inc()

    def running(self, change: int) -> None:
        """More or fewer answers are being written."""
        self._running.inc(change)

    def watch(self, look: Callable[[], Iterable[tuple[str, str, str, Mapping[str, float]]]]) -> None:
        """Have numbers looked up whenever they are asked for: name, explanation, a label, and values by that label."""

        def families() -> Iterable[GaugeMetricFamily]:
            for name, explanation, label, values in look():
                family = GaugeMetricFamily(name, explanation, labels=(label,))
                for of, value in values.items():
                    family.add_metric((of,), value)
                yield family

        self._registry.register(_Served(families))

    def exposition(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self._registry)
