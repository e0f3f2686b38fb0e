"""What an operator sees of a service: logs, metrics, traces."""

import contextvars
import json
import logging
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes import serving
from fastapi.testclient import TestClient
from live_server import live
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families
from server_processes import eventually

from core.settings import LlmSettings, ServerSettings, Settings
from server import logs
from server.access import Limits, Role
from server.keys import KeyStore
from server.usage import Usage

SECRET = "死锁的四个必要条件是什么？"
KEY = "keben_0123abcd_" + 43 * "x"


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """What is logged, in the form in which it is written."""
    found: list[dict[str, Any]] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = logs.JsonFormatter().format(record)
            assert "\n" not in text
            found.append(json.loads(text))

    handler, root = Kept(), logging.getLogger()
    level = logs.REQUESTS.level
    root.addHandler(handler)
    logs.REQUESTS.setLevel(logging.INFO)
    yield found
    logs.REQUESTS.setLevel(level)
    root.removeHandler(handler)


def told(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["logger"] == "keben.request"]


def numbers(client: TestClient, **headers: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = client.get("/metrics", headers=headers).text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_each_request_is_one_line_with_its_id_and_without_what_was_asked(
    library_settings: Settings, lines: list[dict[str, Any]]
) -> None:
    with serving(library_settings) as client:
        client.post("/ask", json={"question": SECRET}, headers={"X-Request-ID": "abc-1"})
        client.post("/ask", json={"question": SECRET, "stream": True})
        client.get("/kbs/nowhere")
        client.get(f"/no/such/{SECRET}?key=keben_secret")
        client.get("/healthz")
    asked, streamed, missing, unknown = told(lines)
    assert (asked["request_id"], asked["route"], asked["status"], asked["kb"]) == ("abc-1", "/ask", 200, "default")
    assert asked["model"] == "extractive" and asked["refused"] is False and asked["ms"] > 0 and asked["bytes"] > 0
    assert streamed["route"] == "/ask" and streamed["kb"] == "default" and len(streamed["request_id"]) == 32
    assert (missing["route"], missing["status"], missing["code"]) == ("/kbs/{kb}", 404, "knowledge-base-missing")
    assert (unknown["route"], unknown["status"]) == ("unknown", 404)
    assert "死锁" not in json.dumps(lines, ensure_ascii=False) and "keben_secret" not in json.dumps(lines)


def test_questions_are_told_where_that_is_asked_for(library_settings: Settings, lines: list[dict[str, Any]]) -> None:
    settings = library_settings.model_copy(update={"server": ServerSettings(log_questions=True)})
    with serving(settings) as client:
        client.post("/ask", json={"question": SECRET})
    assert told(lines)[0]["question"] == SECRET


def test_no_key_is_ever_told(settings: Settings, lines: list[dict[str, Any]]) -> None:
    key, record = KeyStore(settings.state_dir).create("t", Role.ask)
    with serving(settings) as client:
        client.post("/ask", json={"question": key}, headers={"Authorization": f"Bearer {key}"})
        client.get(f"/kbs?key={key}", headers={"Authorization": f"Basic {key}", "X-API-Key": key, "X-Request-ID": key})
    assert told(lines)[0]["key"] == record.id and told(lines)[1]["code"] == "unauthorised"
    assert key.removeprefix(f"keben_{record.id}_") not in json.dumps(lines, ensure_ascii=False)


def raised(frank: bool) -> logging.LogRecord:
    """What is logged of an unexpected error whose message, and that of its cause, hold a question and a key."""
    logs.begin(frank)
    try:
        try:
            raise ExceptionGroup(SECRET, [KeyError(SECRET)])
        except ExceptionGroup as error:
            raise ValueError(f"{SECRET} {KEY}") from error
    except ValueError:
        return logging.LogRecord("keben", logging.ERROR, "", 0, "failed", (), sys.exc_info())


def test_an_unexpected_error_is_told_with_its_place_and_without_what_it_quotes() -> None:
    context = contextvars.copy_context()
    text = context.run(lambda: logs.JsonFormatter().format(raised(frank=False)))
    told = json.loads(text)["traceback"]
    assert "死锁" not in text and KEY not in text
    assert told.index("KeyError") < told.index("ValueError") and "in raised" in told and "LOG_QUESTIONS" in told


def test_where_questions_are_told_errors_say_what_they_say_but_never_a_key() -> None:
    text = contextvars.copy_context().run(lambda: logs.JsonFormatter().format(raised(frank=True)))
    assert f"ValueError: {SECRET} keben_0123abcd_…" in json.loads(text)["traceback"] and KEY not in text


def test_a_model_that_fails_is_told_also_in_the_middle_of_a_stream(
    library_settings: Settings, lines: list[dict[str, Any]]
) -> None:
    model = LlmSettings(urls=("http://127.0.0.1:9/v1",), served_name="course", retries=0)
    with serving(library_settings.model_copy(update={"llm": model})) as client:
        client.post("/ask", json={"question": SECRET})
        assert "event: error" in client.post("/ask", json={"question": SECRET, "stream": True}).text
        client.post("/ask", json={"question": SECRET, "kb": "nowhere"})
        found = numbers(client)
    whole, streamed, missing = told(lines)
    assert (whole["status"], whole["level"], whole["code"], whole["kb"]) == (503, "warning", "model", "default")
    assert (streamed["status"], streamed["code"], streamed["kb"]) == (200, "model", "default")
    assert missing["status"] == 404 and "kb" not in missing
    assert found["keben_answers_total", (("cached", "false"), ("outcome", "failed"))] == 2
    assert "死锁" not in json.dumps(lines, ensure_ascii=False)


def test_a_client_that_leaves_is_told(library_settings: Settings, lines: list[dict[str, Any]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        model = LlmSettings(urls=(address,), served_name="course", retries=0)
        with live(library_settings.model_copy(update={"llm": model})) as server:
            for stream in (False, True):
                with pytest.raises(httpx.ReadTimeout):
                    httpx.post(f"{server.url}/ask", json={"question": SECRET, "stream": stream}, timeout=1)
            eventually(lambda: len(told(lines)) == 2)
    assert [(line["status"], line["client_gone"]) for line in told(lines)] == [(499, True), (200, True)]


def test_control_characters_cannot_break_a_line(caplog: pytest.LogCaptureFixture) -> None:
    record = logging.LogRecord("keben", logging.INFO, "", 0, "a\nb\x1b[31m\u2028c\u202ed\x9b", (), None)
    text = logs.JsonFormatter().format(record)
    assert json.loads(text)["message"] == "a\nb\x1b[31m\u2028c\u202ed\x9b"
    assert text.isprintable()


def test_metrics_count_requests_answers_and_what_is_served(library_settings: Settings) -> None:
    settings = library_settings.model_copy(update={"server": ServerSettings(cache_answers=10)})
    with serving(settings) as client:
        for question in ("什么是线程？", "什么是线程？", "量子纠缠如何用于隐形传态？"):
            client.post("/ask", json={"question": question})
        client.post("/ask", json={"question": "什么是进程？", "stream": True})
        client.get("/nowhere")
        found = numbers(client)
    route = (("method", "POST"), ("route", "/ask"), ("status", "200"))
    assert found["keben_requests_total", route] == 4
    assert found["keben_requests_total", (("method", "GET"), ("route", "unknown"), ("status", "404"))] == 1
    assert found["keben_answers_total", (("cached", "false"), ("outcome", "answered"))] == 2
    assert found["keben_answers_total", (("cached", "true"), ("outcome", "answered"))] == 1
    assert found["keben_answers_total", (("cached", "false"), ("outcome", "refused"))] == 1
    assert found["keben_answer_stage_seconds_count", (("stage", "retrieve"),)] == 3
    assert found["keben_first_event_seconds_count", ()] == 1
    assert found["keben_answers_running", ()] == 0
    assert found["keben_generation_age_seconds", (("kb", "default"),)] > 0
    assert found["keben_passages", (("kb", "default"),)] > 10


def test_what_is_turned_away_is_counted_by_its_reason(settings: Settings) -> None:
    keys = KeyStore(settings.state_dir)
    admin, _ = keys.create("admin", Role.admin)
    with serving(settings) as client:
        client.post("/ask", json={})
        client.post("/ask", content=b"x" * 70_000, headers={"Authorization": f"Bearer {admin}"})
        found = numbers(client, Authorization=f"Bearer {admin}")
    assert found["keben_rejected_total", (("reason", "unauthorised"),)] == 1
    assert found["keben_rejected_total", (("reason", "too-large"),)] == 1


def test_each_limit_of_a_key_has_its_own_count(library_settings: Settings, tmp_path: Path) -> None:
    shutil.copytree(library_settings.data_dir, tmp_path / "data")
    settings = library_settings.model_copy(update={"data_dir": tmp_path / "data"})
    keys, usage = KeyStore(settings.state_dir), Usage(settings.state_dir)
    admin, _ = keys.create("admin", Role.admin)
    often, _ = keys.create("often", Role.ask, limits=Limits(requests_per_minute=1))
    busy, first = keys.create("busy", Role.ask, limits=Limits(concurrent=1))
    much, second = keys.create("much", Role.ask, limits=Limits(tokens_per_day=10))
    with serving(settings) as client:
        # Taken by hand: an answer that is being written, and tokens of a model.
        usage.start(first.principal(Limits()))
        usage.spend(second.principal(Limits()), 10)
        for key in (often, often, busy, much):
            client.post("/ask", json={"question": SECRET}, headers={"Authorization": f"Bearer {key}"})
        found = numbers(client, Authorization=f"Bearer {admin}")
    usage.close()
    rejected = {labels[0][1]: value for (name, labels), value in found.items() if name == "keben_rejected_total"}
    assert rejected == {"rate": 1, "concurrent": 1, "tokens": 1}


def test_no_client_can_make_labels(library_settings: Settings) -> None:
    with serving(library_settings) as client:
        for number in range(3):
            client.request(f"BREW{number}", "/ask")
            client.get(f"/kbs/kb{number}")
            client.get(f"/{number}")
        found = numbers(client)
    routes = {labels for name, labels in found if name == "keben_requests_total"}
    assert {dict(labels)["method"] for labels in routes} == {"other", "GET"}
    assert {dict(labels)["route"] for labels in routes} == {"unknown", "/kbs/{kb}"}


@pytest.fixture
def collector() -> Iterator[tuple[str, list[Any]]]:
    """A collector's address, and the spans that it was sent."""
    spans: list[Any] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["content-length"])))
            spans.extend(
                span for resource in sent.resource_spans for scope in resource.scope_spans for span in scope.spans
            )
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", spans
        server.shutdown()


@pytest.mark.parametrize("stream", [False, True])
def test_a_trace_goes_on_and_has_the_parts_of_the_answer(
    library_settings: Settings, collector: tuple[str, list[Any]], stream: bool
) -> None:
    endpoint, spans = collector
    settings = library_settings.model_copy(update={"server": ServerSettings(otlp_endpoint=endpoint, cache_answers=0)})
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    with serving(settings) as client:
        history = [{"role": "user", "content": SECRET}]
        body = {"question": "那它的定义呢？", "history": history, "stream": stream}
        client.post("/ask", json=body, headers={"traceparent": f"00-{trace}-{parent}-01"})
    named = {span.name: span for span in spans}
    request, answer = named["POST /ask"], named["answer"]
    parts = [named[name] for name in ("rewrite", "retrieve", "write")]
    assert len(spans) == 5 and all(span.trace_id.hex() == trace for span in spans)
    assert request.parent_span_id.hex() == parent and answer.parent_span_id == request.span_id
    assert all(part.parent_span_id == answer.span_id for part in parts)
    times = [time for part in parts for time in (part.start_time_unix_nano, part.end_time_unix_nano)]
    assert times == sorted(times) and answer.start_time_unix_nano <= times[0]
    assert answer.end_time_unix_nano <= request.end_time_unix_nano
    attributes = {each.key: each.value for each in (*request.attributes, *answer.attributes)}
    assert attributes["http.route"].string_value == "/ask" and attributes["http.response.status_code"].int_value == 200
    assert attributes["keben.kb"].string_value == "default" and attributes["keben.passages"].int_value > 0
    assert attributes["keben.model"].string_value == "extractive" and not attributes["keben.refused"].bool_value
    assert not any("死锁" in str(span) or "\\346\\255\\273" in str(span) for span in spans)


def test_a_collector_that_is_away_disturbs_nothing(library_settings: Settings) -> None:
    settings = library_settings.model_copy(update={"server": ServerSettings(otlp_endpoint="http://127.0.0.1:9")})
    with serving(settings) as client:
        for _ in range(5):
            assert client.post("/ask", json={"question": SECRET}).status_code == 200
