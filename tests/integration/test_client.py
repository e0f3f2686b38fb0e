"""The Python client against a real service."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes import copy_knowledge_bases
from live_server import live

from core.settings import ServerSettings, Settings
from keben_client import (
    AsyncKeben,
    Conflict,
    ConnectionFailed,
    Done,
    Invalid,
    Keben,
    KebenError,
    NotFound,
    RateLimited,
    Retrieved,
    Token,
    Unauthorised,
)
from server.access import Role
from server.keys import KeyStore

QUESTION = "死锁的四个必要条件是什么？"
PHYSICS = "# 物理\n\n## 热学\n\n### 比热容\n\n比热容是单位质量的物质升高单位温度所吸收的热量。\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, library_settings: Settings) -> Iterator[tuple[str, str]]:
    """Address and key."""
    folder = tmp_path_factory.mktemp("client")
    copy_knowledge_bases(library_settings, folder / "data")
    settings = Settings(
        data_dir=folder / "data", source_dir=library_settings.source_dir, server=ServerSettings(poll_seconds=0.1)
    )
    key, _ = KeyStore(settings.state_dir).create("client", Role.manage)
    with live(settings) as running:
        yield running.url, key


def test_questions(service: tuple[str, str]) -> None:
    with Keben(*service) as keben:
        answer = keben.ask(QUESTION, top_k=4)
        assert "循环等待" in answer.answer and answer.citations[0].source == "os.md" and not answer.refused
        assert keben.search("死锁", top_k=2)[0].text
        assert [base.name for base in keben.kbs()] == ["default"] and keben.kb("default").chunks > 10
        first, *tokens, last = keben.stream("什么是进程？")
        assert isinstance(first, Retrieved) and first.passages and isinstance(last, Done)
        text = "".join(token.text for token in tokens if isinstance(token, Token))
        assert text == last.answer.answer
        good, bad = keben.ask_batch([QUESTION, {"question": "x", "kb": "nowhere"}])
        assert isinstance(bad, NotFound) and not isinstance(good, KebenError) and good.citations
        keben.feedback(answer, "up", comment="好")
        assert keben.gaps("default") == []


def test_a_knowledge_base_from_the_first_file_to_the_last(service: tuple[str, str], tmp_path: Path) -> None:
    book = tmp_path / "物理.md"
    book.write_text(PHYSICS, encoding="utf-8")
    with Keben(*service) as keben:
        keben.create_kb("physics")
        with pytest.raises(Conflict):
            keben.create_kb("physics")
        assert keben.upload("physics", book)[0]["stored"]
        job = keben.wait(keben.rebuild("physics"))
        assert job.status == "done" and keben.report(job)["files"][0]["status"] == "indexed"
        while "physics" not in [base.name for base in keben.kbs()]:
            pass
        assert "单位质量" in keben.ask("什么是比热容？", kb="physics").answer
        assert [file["name"] for file in keben.files("physics")] == ["物理.md"]
        keben.delete_kb("physics")
        with pytest.raises(NotFound, match="physics") as caught:
            keben.ask("什么是比热容？", kb="physics")
        assert caught.value.status == 404 and caught.value.mend and caught.value.code == "knowledge-base-missing"


def test_faults_are_typed_and_the_key_is_never_shown(service: tuple[str, str]) -> None:
    url, key = service
    with Keben(url, key[:-2]) as wrong, pytest.raises(Unauthorised):
        wrong.kbs()
    with Keben(url, key) as keben:
        with pytest.raises(Invalid):
            keben.ask("")
        with pytest.raises(NotFound):
            list(keben.stream("什么是死锁？", kb="nowhere"))
        assert key not in repr(keben)
    with Keben("http://127.0.0.1:9") as nobody, pytest.raises(ConnectionFailed):
        nobody.kbs()


def test_the_async_client_does_the_same(service: tuple[str, str]) -> None:
    async def run() -> None:
        async with AsyncKeben(*service) as keben:
            answers = await asyncio.gather(*(keben.ask(f"{QUESTION}{number}") for number in range(5)))
            assert all("循环等待" in answer.answer for answer in answers)
            events = [event async for event in keben.stream("什么是线程？")]
            assert isinstance(events[0], Retrieved) and isinstance(events[-1], Done)
            with pytest.raises(NotFound):
                await keben.kb("nowhere")

    asyncio.run(run())


def answering(*responses: httpx.Response) -> tuple[list[httpx.Request], httpx.MockTransport]:
    asked: list[httpx.Request] = []
    left = list(responses)

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return left.pop(0)

    return asked, httpx.MockTransport(handle)


def problem(status: int, **headers: str) -> httpx.Response:
    body: dict[str, Any] = {"type": "urn:keben:rate-limited", "status": status, "detail": "too many", "mend": "wait"}
    return httpx.Response(status, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_a_busy_service_is_asked_again_as_it_says() -> None:
    asked, transport = answering(problem(429, retry_after="7"), problem(503), httpx.Response(200, json={"kbs": []}))
    slept: list[float] = []
    with Keben("http://keben", transport=transport, sleep=slept.append) as keben:
        assert keben.kbs() == []
    assert len(asked) == 3 and slept == [7, 1]


def test_it_gives_up_after_some_tries_and_does_not_wait_for_hours() -> None:
    asked, transport = answering(*(problem(429, retry_after="1") for _ in range(3)))
    with Keben("http://keben", transport=transport, sleep=lambda seconds: None) as keben:
        with pytest.raises(RateLimited) as caught:
            keben.kbs()
        assert len(asked) == 3 and caught.value.retry_after == 1
    asked, transport = answering(problem(429, retry_after="7200"))
    with Keben("http://keben", transport=transport) as keben, pytest.raises(RateLimited):
        keben.kbs()
    assert len(asked) == 1
