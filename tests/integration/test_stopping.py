"""A server that is told to stop while it answers: what is under way ends, or is cut after a while."""

import json
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes import write_tiny_model
from model_servers import model_server, stream
from server_processes import eventually, process

from core.settings import Settings

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("models") / "endless-chat"
    write_tiny_model(made, endless=True, positions=60_000)
    return made


def asked(tokens: int, *, stream: bool = True) -> dict[str, Any]:
    return {"question": "什么是死锁？", "stream": stream, "options": {"max_new_tokens": tokens}}


def events(response: httpx.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    name = ""
    for line in response.iter_lines():
        if line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            yield name, json.loads(line[5:])


def test_a_stream_under_way_goes_on_to_its_end(library_settings: Settings, tmp_path: Path, endless: Path) -> None:
    with process(library_settings.data_dir, tmp_path, KEBEN_LLM__MODEL=str(endless)) as (running, url):
        idle = socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])))
        with idle, httpx.stream("POST", f"{url}/ask", json=asked(1500), timeout=60) as response:
            come = events(response)
            assert [next(come)[0] for _ in range(3)] == ["retrieval", "token", "token"]
            running.send_signal(signal.SIGTERM)
            with pytest.raises(httpx.ConnectError):
                while True:
                    # A connection that comes just before it is refused still learns that the service stops.
                    assert httpx.get(f"{url}/readyz", timeout=60).status_code in {200, 503}
            *tokens, (last, answer) = come
            assert {name for name, _ in tokens} == {"token"} and last == "done"
            assert answer["usage"]["output_tokens"] == 1500
            # The client does not close its idle connection: that must not hold up the end.
            out, err = running.communicate(timeout=60)
        assert (running.returncode, out, err) == (0, "", "")


def test_an_answer_that_takes_too_long_is_cut_and_told(
    library_settings: Settings, tmp_path: Path, endless: Path
) -> None:
    more = {"KEBEN_LLM__MODEL": str(endless), "KEBEN_SERVER__DRAIN_SECONDS": "0.2"}
    with process(library_settings.data_dir, tmp_path, **more) as (running, url):
        with httpx.stream("POST", f"{url}/ask", json=asked(8000), timeout=60) as response:
            come = events(response)
            assert [next(come)[0] for _ in range(2)] == ["retrieval", "token"]
            begun = time.monotonic()
            running.send_signal(signal.SIGTERM)
            *_, (name, problem) = come
        assert (name, problem["status"], problem["type"]) == ("error", 503, "urn:keben:server") and problem["mend"]
        assert time.monotonic() - begun < 30
        out, err = running.communicate(timeout=60)
        assert (running.returncode, out, err) == (0, "", "")


def test_workers_end_what_is_under_way(library_settings: Settings, tmp_path: Path) -> None:
    with (
        model_server(lambda handler, body: stream(handler, *("死锁。",) * 20, pause=0.1)) as (model, _),
        process(library_settings.data_dir, tmp_path, "--workers", "2", KEBEN_LLM__URLS=json.dumps([model])) as (
            running,
            url,
        ),
        httpx.stream("POST", f"{url}/ask", json=asked(100), timeout=60) as response,
    ):
        come = events(response)
        assert [next(come)[0] for _ in range(2)] == ["retrieval", "token"]
        running.send_signal(signal.SIGTERM)
        *_, (last, answer) = come
        assert last == "done" and answer["answer"].count("死锁。") == 20
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (0, "", "")


def test_an_answer_without_stream_that_takes_too_long_is_a_503(
    library_settings: Settings, tmp_path: Path, endless: Path
) -> None:
    more = {"KEBEN_LLM__MODEL": str(endless), "KEBEN_SERVER__DRAIN_SECONDS": "0.2"}
    with process(library_settings.data_dir, tmp_path, **more) as (running, url), ThreadPoolExecutor() as pool:
        waiting = pool.submit(httpx.post, f"{url}/ask", json=asked(8000, stream=False), timeout=60)
        eventually(lambda: "\nkeben_answers_running 1.0\n" in httpx.get(f"{url}/metrics", timeout=60).text)
        running.send_signal(signal.SIGTERM)
        response = waiting.result()
    assert response.status_code == 503 and response.json()["mend"]
