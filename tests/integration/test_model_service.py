"""The service with a language model, as clients see it: streams, those who leave, a full, a killed and a hung model."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import uvicorn
from fakes import TINY_REPLY, write_tiny_model

from core.errors import KebenError
from core.settings import LlmSettings, Settings
from server.app import create_app
from server.service import Startup

pytestmark = pytest.mark.alone

ASKED = {"question": "什么是死锁？"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("models") / "tiny-chat"
    write_tiny_model(made)
    return made


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("models") / "endless-chat"
    write_tiny_model(made, endless=True, positions=60_000)
    return made


@contextmanager
def served(settings: Settings, **llm: Any) -> Iterator[httpx.Client]:
    """A client of the application, served by a real HTTP server in this process."""
    ready = threading.Event()
    failures: list[KebenError] = []

    def fail(error: KebenError) -> None:
        failures.append(error)
        ready.set()

    app = create_app(settings.model_copy(update={"llm": LlmSettings(**llm)}), Startup(ready.set, fail))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert ready.wait(300) and not failures, failures
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


def model_process() -> psutil.Process:
    """The one process that holds a model."""
    (process,) = (child for child in psutil.Process().children() if "rag.engine.worker" in " ".join(child.cmdline()))
    return process


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


def events(response: httpx.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    name = ""
    for line in response.iter_lines():
        if line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            yield name, json.loads(line[5:])


def test_an_answer_is_streamed_token_by_token(library_settings: Settings, folder: Path) -> None:
    with served(library_settings, model=folder) as client:
        with client.stream("POST", "/ask", json={**ASKED, "stream": True}) as response:
            first, *tokens, last = events(response)
        assert first[0] == "retrieval" and last[0] == "done"
        assert len(tokens) > 5 and {name for name, _ in tokens} == {"token"}
        assert "".join(data["text"] for _, data in tokens).strip() == TINY_REPLY
        whole = client.post("/ask", json=ASKED).json()
        # What was answered is given again, and nothing is written for it.
        given_again = {"id": whole["id"], "cached": True, "usage": None, "timings_ms": {}}
        assert {**last[1], **given_again} == {**whole, "timings_ms": {}}
        assert last[1]["cached"] is False and last[1]["usage"]["output_tokens"] > 0
        assert client.get("/readyz").json() == {"status": "ok", "problems": {}}


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_makes_room_within_a_second(
    library_settings: Settings, endless: Path, stream: bool
) -> None:
    with served(
        library_settings, model=endless, max_running=1, max_waiting=0, max_new_tokens=8000, cache_tokens=30_000
    ) as client:
        if stream:
            with client.stream("POST", "/ask", json={**ASKED, "stream": True}) as response:
                come = events(response)
                assert [next(come)[0] for _ in range(3)] == ["retrieval", "token", "token"]
                full = client.post("/ask", json=ASKED)
                assert full.status_code == 429 and int(full.headers["Retry-After"]) >= 1
                assert full.json()["type"] == "urn:keben:overloaded"
                assert client.post("/ask", json={**ASKED, "stream": True}).status_code == 429
        else:
            with pytest.raises(httpx.ReadTimeout):
                client.post("/ask", json=ASKED, timeout=0.5)
        left = time.monotonic()
        until(lambda: "\nkeben_answers_running 0.0\n" in client.get("/metrics").text)
        assert time.monotonic() - left < 1
        short = {**ASKED, "options": {"max_new_tokens": 2}}
        assert client.post("/ask", json=short).status_code == 200


def test_a_killed_model_is_told_by_the_stream_and_by_readyz_and_comes_back(
    library_settings: Settings, endless: Path
) -> None:
    with served(library_settings, model=endless, max_new_tokens=8000) as client:
        with client.stream("POST", "/ask", json={**ASKED, "stream": True}) as response:
            come = events(response)
            assert [next(come)[0] for _ in range(2)] == ["retrieval", "token"]
            model_process().kill()
            *_, (name, problem) = come
        assert (name, problem["status"]) == ("error", 503) and "SIGKILL" in problem["detail"] and problem["mend"]
        told = client.get("/readyz")
        assert told.status_code == 503 and "SIGKILL" in told.json()["problems"][str(endless)]
        until(lambda: client.get("/readyz").status_code == 200)
        assert client.post("/ask", json={**ASKED, "options": {"max_new_tokens": 2}}).status_code == 200


def test_a_hung_model_is_a_503_in_time(library_settings: Settings, folder: Path) -> None:
    with served(library_settings, model=folder, timeout_seconds=2) as client:
        os.kill(model_process().pid, signal.SIGSTOP)
        asked = time.monotonic()
        response = client.post("/ask", json=ASKED)
        assert response.status_code == 503 and "2 seconds" in response.json()["detail"]
        assert time.monotonic() - asked < 4
        until(lambda: client.get("/readyz").status_code == 200)
        assert client.post("/ask", json=ASKED).json()["answer"] == TINY_REPLY


def test_sentences_of_the_books_answer_where_the_model_fails_and_the_setting_allows(
    library_settings: Settings, endless: Path
) -> None:
    with served(library_settings, model=endless, max_new_tokens=8000, fallback=True) as client:
        with client.stream("POST", "/ask", json={**ASKED, "stream": True}) as response:
            come = events(response)
            assert [next(come)[0] for _ in range(2)] == ["retrieval", "token"]
            model_process().kill()
            rest = [(name, data) for name, data in come if name != "token" or started(data)]
        names = [name for name, _ in rest]
        assert names.count("restart") == 1 and names[-1] == "done"
        answer = rest[-1][1]
        assert answer["model"] == "extractive" and "SIGKILL" in answer["fallback"]
        assert answer["citations"] and "死锁是指" in answer["answer"]


def started(data: dict[str, Any]) -> bool:
    """Every token event holds text."""
    assert data["text"]
    return True
