"""What an operator sees of a service: logs, metrics, traces."""

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from fakes import serving
from fastapi.testclient import TestClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from core.settings import ServerSettings, Settings
from server import logs
from server.access import Role
from server.keys import KeyStore

SECRET = "死锁的四个必要条件是什么？"


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
    assert found["keben_rejected_total", (("code", "unauthorised"),)] == 1
    assert found["keben_rejected_total", (("code", "too-large"),)] == 1


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


def test_a_trace_goes_on_and_has_the_parts_of_the_answer(
    library_settings: Settings, collector: tuple[str, list[Any]]
) -> None:
    endpoint, spans = collector
    settings = library_settings.model_copy(update={"server": ServerSettings(otlp_endpoint=endpoint, cache_answers=0)})
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    with serving(settings) as client:
        client.post("/ask", json={"question": SECRET}, headers={"traceparent": f"00-{trace}-{parent}-01"})
    named = {span.name: span for span in spans}
    assert {"POST", "answer", "retrieve", "write"} <= set(named)
    assert all(span.trace_id.hex() == trace for span in spans)
    assert named["POST"].parent_span_id.hex() == parent
    assert named["answer"].parent_span_id == named["POST"].span_id
    assert named["retrieve"].parent_span_id == named["write"].parent_span_id == named["answer"].span_id
    assert named["retrieve"].end_time_unix_nano <= named["write"].start_time_unix_nano
    attributes = {each.key: each.value for each in named["POST"].attributes}
    assert attributes["http.route"].string_value == "/ask" and attributes["http.response.status_code"].int_value == 200
    assert not any("死锁" in str(span) or "\\346\\255\\273" in str(span) for span in spans)


def test_a_collector_that_is_away_disturbs_nothing(library_settings: Settings) -> None:
    settings = library_settings.model_copy(update={"server": ServerSettings(otlp_endpoint="http://127.0.0.1:9")})
    with serving(settings) as client:
        for _ in range(5):
            assert client.post("/ask", json={"question": SECRET}).status_code == 200
