"""Clients of ours: over HTTP against a real server, or of the chat model alone."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise

import httpx

from core.errors import ServerError
from generating.baselines import Messages, Times
from rag.llm import InternLM2Chat

PATIENCE = 3600.0


def ask_over_http(port: int, questions: list[str], tokens: int, clients: int) -> Times:
    """`POST /ask` with `stream`, `clients` at a time; raises ServerError when a question is not answered."""

    async def all_of_them() -> Times:
        limits = httpx.Limits(max_connections=clients)
        address = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=address, timeout=PATIENCE, limits=limits, trust_env=False) as http:
            return await _at_a_time(clients, [lambda asked=asked: _ask(http, asked, tokens) for asked in questions])

    return asyncio.run(all_of_them())


def ask_the_model(chat: InternLM2Chat, conversations: list[Messages], tokens: int, clients: int) -> Times:
    """`chat.astream`, `clients` at a time."""

    async def one(messages: Messages) -> tuple[list[float], int]:
        came, written = [], 0
        turns = [(message["role"], message["content"]) for message in messages]
        async for chunk in chat.astream(turns, max_new_tokens=tokens):
            if chunk.text:
                came.append(time.perf_counter())
            if chunk.usage_metadata:
                written = chunk.usage_metadata["output_tokens"]
        return came, written

    return asyncio.run(_at_a_time(clients, [lambda messages=messages: one(messages) for messages in conversations]))


async def _ask(http: httpx.AsyncClient, question: str, tokens: int) -> tuple[list[float], int]:
    body = {"question": question, "stream": True, "options": {"max_new_tokens": tokens}}
    came: list[float] = []
    async with http.stream("POST", "/ask", json=body) as response:
        async for name, data in _events(response):
            if name == "token":
                came.append(time.perf_counter())
            elif name == "error" or response.status_code != 200:
                raise ServerError(f"{question}: {data}")
            elif name == "done":
                answer = json.loads(data)
                if not answer["usage"]:
                    raise ServerError(f"{question}: {answer['reason'] or 'no tokens were counted'}")
                return came, answer["usage"]["output_tokens"]
    raise ServerError(f"{question}: HTTP {response.status_code}, no answer")


async def _events(response: httpx.Response) -> AsyncIterator[tuple[str, str]]:
    name = ""
    async for line in response.aiter_lines():
        if line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            yield name, line[5:].strip()


async def _at_a_time(clients: int, asks: list[Callable[[], Awaitable[tuple[list[float], int]]]]) -> Times:
    places = asyncio.Semaphore(clients)
    started = time.perf_counter()

    async def one(ask: Callable[[], Awaitable[tuple[list[float], int]]]) -> tuple[float, list[float], int]:
        async with places:
            asked = time.perf_counter()
            came, written = await ask()
        return came[0] - asked, [later - sooner for sooner, later in pairwise(came)], written

    answers = await asyncio.gather(*map(one, asks))
    seconds = time.perf_counter() - started
    return Times(
        seconds,
        sum(written for *_, written in answers),
        tuple(first for first, *_ in answers),
        tuple(gap for _, gaps, _ in answers for gap in gaps),
    )
