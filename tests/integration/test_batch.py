"""Batches beside the limits of a key, and for a client that leaves: over a real HTTP server, with a slow model."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes import copy_knowledge_bases
from live_server import Live, live

from core.settings import LlmSettings, Settings
from server.access import Limits, Role
from server.keys import KeyStore

QUESTIONS = [{"question": text} for text in ("什么是死锁？", "什么是进程？", "什么是线程？", "银行家算法有什么作用？")]
QUESTIONS += [{"question": text} for text in ("What is a transaction?", "What are the ACID properties?")]
DONE = "data: [DONE]\n\n"


@dataclass
class SlowModel:
    """Begins each answer at once and ends it when it may. asked, running, most, left: answers so far, being written
    now, at a time, and given up by who asked."""

    may_end: threading.Event = field(default_factory=threading.Event)
    guard: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""
    asked: int = 0
    running: int = 0
    most: int = 0
    left: int = 0

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Stream one answer of 50 tokens."""
        with self.guard:
            self.asked += 1
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            say(handler, delta={"role": "assistant", "content": "见书。[1]"})
            while not self.may_end.wait(0.02):
                handler.wfile.write(b": still here\n\n")
            say(handler, usage={"prompt_tokens": 40, "completion_tokens": 10, "total_tokens": 50})
            handler.wfile.write(DONE.encode())
        except OSError:
            self.left += 1
        finally:
            with self.guard:
                self.running -= 1


def say(handler: BaseHTTPRequestHandler, delta: dict[str, Any] | None = None, usage: Any = None) -> None:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": None}]
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}
    handler.wfile.write(f"data: {json.dumps({**chunk, 'usage': usage})}\n\n".encode())
    handler.wfile.flush()


@pytest.fixture
def model() -> Iterator[SlowModel]:
    slow = SlowModel()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            slow.answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    slow.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield slow
    slow.may_end.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def served(tmp_path: Path, library_settings: Settings, model: SlowModel) -> Iterator[tuple[Live, KeyStore]]:
    copy_knowledge_bases(library_settings, tmp_path / "data")
    llm = LlmSettings(urls=(model.url,), served_name="m", retries=0)
    settings = Settings(data_dir=tmp_path / "data", source_dir=library_settings.source_dir, llm=llm)
    with live(settings) as server:
        yield server, KeyStore(settings.state_dir)


def send(url: str, key: str) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {key}"}
    response = httpx.post(f"{url}/ask/batch", json={"questions": QUESTIONS}, headers=headers, timeout=60)
    assert response.status_code == 200, response.text
    results: list[dict[str, Any]] = response.json()["results"]
    return results


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


@pytest.mark.parametrize(("concurrent", "at_a_time"), [(1, 1), (3, 3), (16, 4)])
def test_no_more_are_written_at_a_time_than_the_key_may_have(
    served: tuple[Live, KeyStore], model: SlowModel, concurrent: int, at_a_time: int
) -> None:
    server, keys = served
    key, _ = keys.create("one", Role.ask, limits=Limits(concurrent=concurrent))
    results = list[dict[str, Any]]()
    asking = threading.Thread(target=lambda: results.extend(send(server.url, key)))
    asking.start()
    eventually(lambda: model.running == at_a_time)
    if concurrent == at_a_time:
        headers = {"Authorization": f"Bearer {key}"}
        beside = httpx.post(f"{server.url}/ask", json=QUESTIONS[0], headers=headers, timeout=60)
        assert (beside.status_code, beside.json()["type"]) == (429, "urn:keben:rate-limited")
    model.may_end.set()
    asking.join(60)
    assert model.most == at_a_time and model.asked == len(QUESTIONS)
    assert [result["answer"] is not None for result in results] == [True] * len(QUESTIONS)


def test_the_tokens_of_the_day_are_looked_at_before_each_question(
    served: tuple[Live, KeyStore], model: SlowModel
) -> None:
    server, keys = served
    key, _ = keys.create("one", Role.ask, limits=Limits(concurrent=1, tokens_per_day=100))
    model.may_end.set()
    results = send(server.url, key)
    assert [result["answer"] is not None for result in results] == [True, True, False, False, False, False]
    assert {result["problem"]["status"] for result in results[2:]} == {429}
    assert "100 tokens today" in results[2]["problem"]["detail"]
    assert model.asked == 2


def test_a_client_that_leaves_stops_its_batch(served: tuple[Live, KeyStore], model: SlowModel) -> None:
    server, keys = served
    key, _ = keys.create("one", Role.ask, limits=Limits(concurrent=4))
    body = json.dumps({"questions": QUESTIONS}).encode()
    head = f"POST /ask/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1]))) as leaving:
        leaving.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        eventually(lambda: model.running == 4)
    eventually(lambda: model.left == 4)
    assert model.asked == 4
    model.may_end.set()
    # What it held of the key's limit is given back.
    assert all(result["answer"] for result in send(server.url, key))
