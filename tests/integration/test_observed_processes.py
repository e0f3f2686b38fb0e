"""What real processes of the service tell: logs on stderr, counts of several workers, a collector that hangs."""

import json
import signal
import socket
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes import copy_knowledge_bases
from prometheus_client.parser import text_string_to_metric_families
from server_processes import eventually, process, workers_of

from core.settings import Settings
from server.access import Role
from server.keys import KeyStore

SECRET = "死锁的四个必要条件是什么？"
ASKED = {"question": SECRET}


@pytest.fixture
def settings(tmp_path: Path, library_settings: Settings) -> Settings:
    """Settings of a copy of the knowledge base, with a folder of its own for the service's state."""
    copy_knowledge_bases(library_settings, tmp_path / "data")
    return library_settings.model_copy(update={"data_dir": tmp_path / "data"})


def logged(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_neither_keys_nor_questions_are_on_standard_error(settings: Settings, tmp_path: Path) -> None:
    key, record = KeyStore(settings.state_dir).create("t", Role.admin)
    secret = key.removeprefix(f"keben_{record.id}_")
    bearer = {"Authorization": f"Bearer {key}"}
    with process(settings.data_dir, tmp_path, KEBEN_SERVER__LOG_LEVEL="debug") as (running, url):
        with httpx.Client(base_url=url, timeout=60) as client:
            client.post("/ask", json={**ASKED, "history": [{"role": "user", "content": key}]}, headers=bearer)
            client.post("/ask", json={**ASKED, "stream": True}, headers=bearer)
            client.post("/ask", json={"question": key, "kb": key}, headers=bearer)
            client.post("/ask", json={SECRET: key}, headers=bearer)
            client.post("/search", json=ASKED, headers={**bearer, "X-Request-ID": key})
            client.get(f"/kbs/{key}", params={SECRET: key}, headers={"X-API-Key": key, "Cookie": key})
            client.get(f"/{SECRET}/{key}", headers={"Authorization": f"Basic {key}", "traceparent": key})
            client.request(f"KEBEN_{secret}", "/ask", headers={**bearer, "User-Agent": key, "Referer": key})
            client.get("/metrics", headers=bearer)
            metrics = client.get("/metrics", headers=bearer).text
            client.get("/readyz")
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (0, "")
    for text in (err, metrics):
        assert secret not in text and "死锁" not in text and "\\u6b7b" not in text
    requests = [line for line in logged(err) if line["logger"] == "keben.request"]
    assert len(requests) >= 10 and {line["key"] for line in requests} == {record.id, ""}
    levels = {line["route"]: line["level"] for line in requests}
    assert (levels["/ask"], levels["/metrics"], levels["/readyz"]) == ("info", "debug", "debug")


def test_an_unexpected_error_is_logged_once_with_the_id_of_its_request(settings: Settings, tmp_path: Path) -> None:
    with process(settings.data_dir, tmp_path) as (running, url):
        with sqlite3.connect(settings.state_dir / "answers.sqlite") as kept:
            kept.execute("INSERT INTO feedback (id, kb) VALUES ('1', 'default')")
        answered = httpx.get(f"{url}/kbs/default/feedback", timeout=60)
        assert answered.status_code == 500 and answered.json()["type"] == "urn:keben:bug"
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=60)
    request, error = logged(err)
    assert request["level"] == "warning" and (request["status"], request["code"]) == (500, "bug")
    assert error["level"] == "error" and "TypeError" in error["traceback"] and "feedback.py" in error["traceback"]
    assert request["request_id"] == error["request_id"] == answered.headers["X-Request-ID"]


def samples(url: str) -> dict[str, float]:
    """Sums of the samples by name."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(httpx.get(f"{url}/metrics", timeout=60).text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


def test_workers_count_together_also_what_one_counted_that_has_died(settings: Settings, tmp_path: Path) -> None:
    folder = settings.state_dir / "metrics"
    with process(settings.data_dir, tmp_path, "--workers", "2") as (running, url):

        def asked() -> float:
            return samples(url).get("keben_answers_total", 0)

        for _ in range(10):
            assert httpx.post(f"{url}/ask", json=ASKED, timeout=60).status_code == 200
        # Whichever worker is asked tells the same.
        assert [asked() for _ in range(6)] == [10] * 6
        first, *_ = workers_of(running.pid)
        first.kill()
        eventually(lambda: not first.is_running())
        eventually(lambda: samples(url)["keben_workers"] == 2)
        assert asked() == 10
        assert httpx.post(f"{url}/ask", json=ASKED, timeout=60).status_code == 200
        found = samples(url)
        assert found["keben_answers_total"] == 11 and found["keben_answers_running"] == 0
        assert found["keben_info"] == 1 and found["keben_passages"] > 10
        # Two interpreters with all that a service loads.
        assert found["process_resident_memory_bytes"] > 2 * 50e6 and found["process_open_fds"] > 20
        assert list(folder.iterdir())
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=60)
    assert running.returncode == 0 and list(folder.rglob("*")) == [], err


def test_a_collector_that_takes_everything_and_says_nothing_delays_no_answer_and_no_stop(
    settings: Settings, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with process(settings.data_dir, tmp_path, KEBEN_SERVER__OTLP_ENDPOINT=endpoint) as (running, url):
            with httpx.Client(base_url=url, timeout=60) as client:
                for _ in range(1000):
                    assert client.post("/ask", json=ASKED).status_code == 200
            running.send_signal(signal.SIGTERM)
            # The library by itself waits for two seconds for each of several batches, and half a minute in all.
            _, err = running.communicate(timeout=15)
    assert running.returncode == 0, err
    assert {line["logger"].split(".")[0] for line in logged(err)} <= {"opentelemetry"}
