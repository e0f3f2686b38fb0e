"""The Model Context Protocol with its own SDK's client: over HTTP, and with a real `keben mcp` process."""

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import httpx
import httpx2
import pytest
from fakes import write_tiny_model
from live_server import Live, live
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

from core.settings import PROJECT, LlmSettings, ServerSettings, Settings
from server.access import Limits, Role
from server.keys import KeyStore

Mode = Literal["auto", "legacy"]
# Of each answer anew, also of one that is given again.
VARIES = {"id": "", "cached": False, "timings_ms": {}}
ASKED = {"question": "死锁的四个必要条件是什么？"}


@pytest.fixture(scope="module")
def service(library_settings: Settings) -> Iterator[Live]:
    with live(library_settings) as running:
        yield running


@pytest.fixture
def keyed(library_settings: Settings, tmp_path: Path) -> Settings:
    """The same knowledge base twice, in a folder where keys can be made."""
    shutil.copytree(library_settings.data_dir / "default", tmp_path / "data" / "default")
    return library_settings.model_copy(update={"data_dir": tmp_path / "data"})


def over_http(url: str, work: Callable[[Client], Awaitable[Any]], key: str | None = None, mode: Mode = "auto") -> Any:
    """What `work` gives with a client of the service at `url`."""

    async def run() -> Any:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60) as http,
            Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=mode) as client,
        ):
            return await work(client)

    return asyncio.run(run())


def called(name: str, arguments: dict[str, Any]) -> Callable[[Client], Awaitable[CallToolResult]]:
    return lambda client: client.call_tool(name, arguments)


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_the_tools_are_listed_with_their_schemas(service: Live, mode: Mode) -> None:
    async def look(client: Client) -> Any:
        return (await client.list_tools()).tools, client.instructions

    tools, instructions = over_http(service.url, look, mode=mode)
    assert [tool.name for tool in tools] == ["ask", "search", "list_books"]
    for tool in tools:
        assert tool.description and tool.title and tool.annotations.read_only_hint
        assert tool.input_schema["type"] == tool.output_schema["type"] == "object"
    assert tools[0].input_schema["required"] == ["question"]
    assert {"kb", "books", "subjects", "history", "mode", "top_k"} < set(tools[0].input_schema["properties"])
    assert "refuses" in instructions


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_answer_is_that_of_the_route_with_its_places_in_the_text(service: Live, mode: Mode) -> None:
    result = over_http(service.url, called("ask", ASKED), mode=mode)
    wanted = httpx.post(f"{service.url}/ask", json=ASKED, timeout=60).json()
    assert not result.is_error
    assert {**result.structured_content, **VARIES} == {**wanted, **VARIES}
    text = text_of(result)
    assert text.startswith(wanted["answer"])
    assert "[1] 操作系统 › 死锁 › 死锁的必要条件\n" in text and wanted["citations"][0]["quote"] in text


def test_a_follow_up_question_is_completed_from_the_history(service: Live) -> None:
    history = [{"role": "user", "content": "什么是死锁？"}]
    result = over_http(service.url, called("ask", {"question": "那它的必要条件有哪些？", "history": history}))
    assert result.structured_content["search_query"] == "死锁的必要条件有哪些？"


def test_a_refusal_is_no_error_and_gives_the_closest_passages(service: Live) -> None:
    result = over_http(service.url, called("ask", {"question": "银行家信用卡透支利率怎么算？"}))
    told = result.structured_content
    assert not result.is_error and told["refused"] and told["closest"]
    text = text_of(result)
    assert told["reason"] in text and told["closest"][0]["text"] in text


def test_passages_and_books_are_found(service: Live) -> None:
    found = over_http(service.url, called("search", {"question": "银行家算法", "top_k": 2, "books": ["os.md"]}))
    passages = found.structured_content["passages"]
    assert 0 < len(passages) <= 2 and passages[0]["heading_path"] == ["死锁", "银行家算法"]
    assert text_of(found).startswith("[1] 操作系统 › 死锁 › 银行家算法\n") and passages[0]["text"] in text_of(found)
    listed = over_http(service.url, called("list_books", {}))
    (base,) = listed.structured_content["kbs"]
    assert base["kb"] == "default" and {book["source"] for book in base["books"]} == {
        "os.md",
        "databases.md",
        "networks.html",
    }
    assert "操作系统 (os.md)" in text_of(listed)


BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "no question": ("ask", {}, "question: Field required"),
    "blank": ("ask", {"question": " "}, "empty"),
    "long": ("search", {"question": "锁" * 2001}, "2000"),
    "unknown field": ("ask", {**ASKED, "topk": 3}, "topk"),
    "unknown kb": ("search", {**ASKED, "kb": "physics"}, "no knowledge base 'physics'. use one of default"),
    "unknown kb to list": ("list_books", {"kb": "physics"}, "no knowledge base 'physics'"),
    "unknown book": ("ask", {**ASKED, "books": ["physics.md"]}, "操作系统 (os.md)"),
}


@pytest.mark.parametrize(("tool", "arguments", "telling"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_with_a_call_is_told_to_the_model(
    service: Live, tool: str, arguments: dict[str, Any], telling: str
) -> None:
    result = over_http(service.url, called(tool, arguments))
    assert result.is_error and telling in text_of(result)


def test_a_tool_that_is_not_there_is_an_error_of_the_protocol(service: Live) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        over_http(service.url, called("delete", {}))
    assert caught.group_contains(MCPError, match="no tool 'delete'", depth=None)


def test_nothing_is_kept_open_for_messages_that_are_never_sent(service: Live) -> None:
    accept = {"Accept": "text/event-stream"}
    assert httpx.get(f"{service.url}/mcp", headers=accept).status_code == 405
    assert httpx.delete(f"{service.url}/mcp").status_code == 405


def test_the_key_decides_what_there_is(keyed: Settings) -> None:
    keys = KeyStore(keyed.state_dir)
    good, _ = keys.create("app", Role.ask)
    narrow, _ = keys.create("other course", Role.ask, ["physics"])
    with live(keyed) as service:
        assert not over_http(service.url, called("ask", ASKED), good).is_error
        hidden = over_http(service.url, called("ask", ASKED), narrow)
        assert hidden.is_error and "no knowledge base is named" in text_of(hidden) and "default" not in text_of(hidden)
        assert over_http(service.url, called("list_books", {}), narrow).structured_content == {"kbs": []}
        for key in (None, "keben_00000000_wrong"):
            before = len(service.statuses["/mcp"])
            with pytest.raises(ExceptionGroup):
                over_http(service.url, called("list_books", {}), key)
            assert set(service.statuses["/mcp"][before:]) == {401}


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("models") / "endless-chat"
    write_tiny_model(made, endless=True, positions=60_000)
    return made


def running(settings: Settings) -> int:
    """Answers that are being written for keys, as all processes of the service count them."""
    with closing(sqlite3.connect(settings.state_dir / "usage.sqlite")) as usage:
        (count,) = usage.execute("SELECT count(*) FROM running").fetchone()
    return int(count)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_answer_counts_as_long_as_somebody_waits_for_it_and_a_list_does_not(
    keyed: Settings, endless: Path, mode: Mode
) -> None:
    key, _ = KeyStore(keyed.state_dir).create("one at a time", Role.ask, limits=Limits(concurrent=1))
    llm = LlmSettings(model=endless, max_new_tokens=8000, cache_tokens=30_000)
    settings = keyed.model_copy(update={"llm": llm, "server": ServerSettings(max_running=1)})
    headers = {"Authorization": f"Bearer {key}"}

    async def leave(client: Client) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await client.call_tool("ask", ASKED)

    async def work(url: str) -> None:
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60) as http,
            Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=mode) as client,
        ):
            waiting = asyncio.create_task(leave(client))
            while not running(settings):
                await asyncio.sleep(0.02)
            assert (await client.list_tools()).tools
            full = await client.call_tool("ask", ASKED)
            assert full.is_error and "as many as may at a time" in text_of(full)
            await waiting
        left = time.monotonic()
        while running(settings):
            assert time.monotonic() - left < 2, "the place was not given back"
            await asyncio.sleep(0.02)

    with live(settings) as service:
        asyncio.run(work(service.url))


def environment(settings: Settings) -> dict[str, str]:
    return {"KEBEN_DATA_DIR": str(settings.data_dir), "PYTHONPATH": str(PROJECT)}


def over_stdio(settings: Settings, cwd: Path, work: Callable[[Client], Awaitable[Any]], mode: Mode = "auto") -> Any:
    process = StdioServerParameters(
        command=sys.executable, args=["-m", "cli.main", "mcp"], env=environment(settings), cwd=cwd
    )

    async def run() -> Any:
        async with Client(process, mode=mode) as client:
            return await work(client)

    return asyncio.run(run())


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_process_answers_on_standard_input_and_output(library_settings: Settings, tmp_path: Path, mode: Mode) -> None:
    async def work(client: Client) -> Any:
        tools = (await client.list_tools()).tools
        return tools, await client.call_tool("ask", ASKED), await client.call_tool("list_books", {})

    tools, answer, books = over_stdio(library_settings, tmp_path, work, mode)
    assert [tool.name for tool in tools] == ["ask", "search", "list_books"]
    assert not answer.is_error and "循环等待条件" in text_of(answer) and answer.structured_content["citations"]
    assert [base["kb"] for base in books.structured_content["kbs"]] == ["default"]


def test_a_process_writes_nothing_but_messages_and_ends_with_its_input(
    library_settings: Settings, tmp_path: Path
) -> None:
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    messages: list[dict[str, Any]] = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "search", "arguments": ASKED}},
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "cli.main", "mcp"],
        env={**os.environ, **environment(library_settings)},
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin and process.stdout
        for message in messages:
            process.stdin.write(json.dumps(message) + "\n")
        process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in range(2)]
        out, err = process.communicate(timeout=60)
    assert [answer["id"] for answer in answers] == [1, 2] and answers[1]["result"]["structuredContent"]["passages"]
    assert (process.returncode, out, err) == (0, "", "")


def test_a_process_that_cannot_load_says_why_at_each_call(library_settings: Settings, tmp_path: Path) -> None:
    broken = tmp_path / "data"
    shutil.copytree(library_settings.data_dir, broken)
    for manifest in broken.glob("*/gens/*/manifest.json"):
        manifest.write_text("{", encoding="utf-8")
    settings = library_settings.model_copy(update={"data_dir": broken})
    result = over_stdio(settings, tmp_path, called("list_books", {}))
    assert result.is_error and "manifest.json" in text_of(result) and "keben rebuild" in text_of(result)
