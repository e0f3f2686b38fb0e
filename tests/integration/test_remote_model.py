"""Models that other processes serve: a real `transformers serve`, and servers that misbehave."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes import TINY_REPLY, serving, write_tiny_model
from langchain_core.messages import HumanMessage
from model_servers import Reply, model_server, say, stream
from pydantic import SecretStr

from core.errors import ConfigError, ModelError, Overloaded
from core.settings import LlmSettings, Settings, load_settings
from rag.remote import RemoteChat

ASKED = [HumanMessage("什么是死锁？")]
SHORT = {"max_new_tokens": 17}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("models") / "tiny-chat"
    write_tiny_model(made)
    return made


class Served:
    """A `transformers serve` of its own on a free port."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._command = [
            *(sys.executable, "-m", "transformers.cli.transformers", "serve", str(folder)),
            *("--host", "127.0.0.1", "--port", str(self.port), "--device", "cpu"),
        ]
        self._environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(scratch)}
        self._log = scratch / f"serve-{self.port}.log"
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)
        end = time.monotonic() + 120
        while True:
            assert self.process.poll() is None and time.monotonic() < end, self._log.read_text()[-2000:]
            try:
                if httpx.get(f"{self.url[:-3]}/health", trust_env=False).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.2)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def pair(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Served]]:
    scratch = tmp_path_factory.mktemp("scratch")
    first, second = Served(folder, scratch), Served(folder, scratch)
    yield first, second
    first.stop()
    second.stop()


opened: list[RemoteChat] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Close what `chat_of` opens."""
    yield
    while opened:
        opened.pop().close()


def chat_of(folder: Path | None, *urls: str, **settings: Any) -> RemoteChat:
    opened.append(RemoteChat(settings=LlmSettings(urls=urls, served_name=folder and str(folder), **settings)))
    return opened[-1]


def test_a_real_server_answers_streams_and_counts(folder: Path, pair: tuple[Served, Served]) -> None:
    chat = chat_of(folder, pair[0].url)
    whole = chat.invoke(ASKED, **SHORT)
    assert str(whole.text).startswith(TINY_REPLY)
    assert whole.usage_metadata and whole.usage_metadata["output_tokens"] == 17
    pieces = [str(chunk.text) for chunk in chat.stream(ASKED, **SHORT)]
    assert "".join(pieces) == str(whole.text) and len([piece for piece in pieces if piece]) > 3
    # It refuses what OpenAI does not have, and is asked again without.
    assert str(chat.invoke(ASKED, top_k=5, repetition_penalty=1.1, **SHORT).text).startswith(TINY_REPLY)

    async def awaited() -> tuple[str, str]:
        streamed = "".join([str(chunk.text) async for chunk in chat.astream(ASKED, **SHORT)])
        return str((await chat.ainvoke(ASKED, **SHORT)).text), streamed

    assert asyncio.run(awaited()) == (str(whole.text), str(whole.text))


def test_a_killed_and_a_hung_server_are_passed_over_and_come_back(folder: Path, pair: tuple[Served, Served]) -> None:
    chat = chat_of(folder, pair[0].url, pair[1].url, timeout_seconds=3)
    pair[0].stop()
    for _ in range(4):
        assert str(chat.invoke(ASKED, **SHORT).text).startswith(TINY_REPLY)
    can_write, faults = chat.faults()
    assert can_write and set(faults) == {pair[0].url}
    pair[0].start()
    os.kill(pair[1].process.pid, signal.SIGSTOP)
    try:
        for _ in range(3):
            assert str(chat.invoke(ASKED, **SHORT).text).startswith(TINY_REPLY)
    finally:
        os.kill(pair[1].process.pid, signal.SIGCONT)
    assert pair[0].url not in chat.faults()[1]


def test_ask_over_a_real_server(folder: Path, pair: tuple[Served, Served], library_settings: Settings) -> None:
    llm = LlmSettings(urls=(pair[0].url,), served_name=str(folder), max_new_tokens=17)
    with serving(library_settings.model_copy(update={"llm": llm})) as client:
        answer = client.post("/ask", json={"question": "什么是死锁？"}).json()
        assert answer["answer"].startswith("死锁是指进程互相等待。[1]") and answer["model"] == str(folder)
        assert answer["citations"][0]["quote"].startswith("死锁是指") and answer["usage"]["output_tokens"] == 17
        assert client.get("/readyz").status_code == 200


def fails(status: int) -> Reply:
    return lambda handler, body: say(handler, status, {"error": {"message": f"status {status}"}})


def good(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    stream(handler, "死锁", "是", "等待。")


def test_the_models_name_the_key_and_the_options_are_sent() -> None:
    with model_server(good) as (url, bodies):
        chat = chat_of(None, url, api_key=SecretStr("sesame"), max_new_tokens=9)
        assert chat.name_there == "internlm2"
        assert str(chat.invoke(ASKED, temperature=0.5, top_p=0.9, seed=3, top_k=7, stop=["END"]).text) == "死锁是等待。"
    (body,) = bodies
    assert body["authorization"] == "Bearer sesame"
    wanted = {"model": "internlm2", "temperature": 0.5, "top_p": 0.9, "seed": 3, "top_k": 7, "stop": ["END"]}
    assert {name: body[name] for name in wanted} == wanted
    assert body.get("max_tokens") or body.get("max_completion_tokens") == 9
    assert "client" not in body


@pytest.mark.parametrize(("status", "mend"), [(401, "API_KEY"), (403, "API_KEY"), (404, "SERVED_NAME")])
def test_what_another_server_would_refuse_too_is_told_at_once(status: int, mend: str) -> None:
    with model_server(fails(status)) as (url, bodies):
        with pytest.raises(ModelError, match=f"status {status}") as caught:
            chat_of(Path("m"), url, url.replace("127.0.0.1", "localhost")).invoke(ASKED)
        assert url.split(":")[2] in caught.value.message and mend in caught.value.mend
        assert len(bodies) == 1


def test_a_server_that_recovers_is_asked_again() -> None:
    answers = iter([fails(500), fails(503), good])
    with model_server(lambda handler, body: next(answers)(handler, body)) as (url, bodies):
        assert str(chat_of(Path("m"), url).invoke(ASKED).text) == "死锁是等待。"
        assert len(bodies) == 3


def test_full_servers_are_overloaded_and_dead_ones_are_named() -> None:
    with model_server(fails(429)) as (url, _), pytest.raises(Overloaded) as full:
        chat_of(Path("m"), url, retries=0).invoke(ASKED)
    assert full.value.retry_after >= 1
    with pytest.raises(ModelError, match=r"127\.0\.0\.1:9") as dead:
        chat_of(Path("m"), "http://127.0.0.1:9/v1", retries=0).invoke(ASKED)
    assert "KEBEN_LLM__URLS" in dead.value.mend
    with pytest.raises(ModelError, match=r"127\.0\.0\.1:9") as nameless:
        RemoteChat(settings=LlmSettings(urls=("http://127.0.0.1:9/v1",)))
    assert "SERVED_NAME" in nameless.value.mend


@pytest.mark.parametrize(
    "sent",
    [b"data: {broken\n\n", b"data: [1]\n\n", b'data: {"choices": "x"}\n\n', b"\xff\xfe", b"<html>log in</html>", b""],
)
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_what_is_no_chat_is_told_and_another_server_asked(sent: bytes) -> None:
    def garbage(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        handler.wfile.write(sent)

    with model_server(garbage) as (bad, _), model_server(good) as (well, _):
        with pytest.raises(ModelError, match="it sends no chat: "):
            chat_of(None, bad).invoke(ASKED)
        with pytest.raises(ModelError, match="it sends no chat: "):
            asyncio.run(chat_of(None, bad).ainvoke(ASKED))
        assert str(chat_of(None, bad, well).invoke(ASKED).text)


def test_variables_for_openais_own_service_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("LC_OUTPUT_VERSION", "responses/v1")
    with model_server(good) as (url, _):
        assert str(chat_of(None, url).invoke(ASKED).text)


def test_an_answer_that_breaks_off_is_not_begun_again_by_another_server() -> None:
    def broken(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        stream(handler, "死锁", end=False)
        handler.connection.shutdown(socket.SHUT_RDWR)

    def silent(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        stream(handler, "死锁", end=False)
        time.sleep(3)

    for misbehaviour in (silent,):
        with model_server(misbehaviour) as (url, bodies):
            chat, come = chat_of(Path("m"), url, timeout_seconds=1), []
            with pytest.raises(ModelError, match="broke off"):
                for chunk in chat.stream(ASKED):
                    come.append(str(chunk.text))
            assert "".join(come) == "死锁" and len(bodies) == 1
    with model_server(broken) as (url, bodies):
        assert "".join(str(chunk.text) for chunk in chat_of(Path("m"), url).stream(ASKED)) == "死锁"
        assert len(bodies) == 1


@pytest.mark.parametrize("url", ["gpu1:8000", "ftp://gpu1/v1", "http:///v1", ""])
def test_an_address_that_is_none_is_named(url: str) -> None:
    with pytest.raises(ConfigError, match="no address") as caught:
        load_settings(llm={"urls": [url]})
    assert repr(url) in caught.value.message
    with pytest.raises(ConfigError, match="name one"):
        load_settings(llm={"urls": ["http://gpu1/v1"], "model": "m"})


def test_a_cancelled_answer_closes_its_connection() -> None:
    gone = threading.Event()

    def endless(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        stream(handler, "死锁", end=False)
        try:
            while True:
                handler.wfile.write(b": still here\n\n")
                handler.wfile.flush()
                time.sleep(0.02)
        except OSError:
            gone.set()

    async def leave(url: str) -> None:
        task = asyncio.create_task(chat_of(Path("m"), url).ainvoke(ASKED))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with model_server(endless) as (url, _):
        asyncio.run(leave(url))
        assert gone.wait(5)
