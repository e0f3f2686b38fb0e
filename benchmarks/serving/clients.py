"""Clients: wrk where it will do, and plain sockets for streams and for clients that go away."""

import asyncio
import json
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from core.errors import ServerError

_SCRIPT = Path(__file__).parent / "ask.lua"
_RATE, _FAILED = re.compile(r"Requests/sec:\s+([\d.]+)"), re.compile(r"Non-2xx|Socket errors")


@dataclass(slots=True)
class Outcome:
    """first: milliseconds to the first event, or to the response. ends: what became of the questions, by name."""

    first: list[float] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)


def rate(port: int, path: str, bodies: Path, clients: int, seconds: int) -> float:
    """Requests a second that wrk counts; raises ServerError when one fails."""
    address = f"http://127.0.0.1:{port}{path}"
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "60s", "-s", str(_SCRIPT), address, "--"]
    done = subprocess.run([*command, str(bodies)], capture_output=True, text=True, check=False)
    found = _RATE.search(done.stdout)
    if not found or _FAILED.search(done.stdout):
        raise ServerError(f"wrk at {path}: {done.stdout[-400:]}{done.stderr[-400:]}", mend="apt-get install wrk")
    return float(found[1])


async def asking(port: int, questions: Iterator[str], clients: int, seconds: float, *, stream: bool) -> Outcome:
    """`clients` that each ask, on a connection of its own, as soon as they have their answer."""
    outcome, end = Outcome(), time.monotonic() + seconds

    async def one() -> None:
        while time.monotonic() < end:
            await _ask(port, next(questions), outcome, stream=stream)

    await asyncio.gather(*(one() for _ in range(clients)))
    return outcome


async def at_once(port: int, questions: Iterator[str], clients: int) -> Outcome:
    """One question of each client, all at the same time."""
    outcome = Outcome()
    await asyncio.gather(*(_ask(port, next(questions), outcome, stream=False) for _ in range(clients)))
    return outcome


async def dropping(port: int, questions: Iterator[str], clients: int, at_a_time: int) -> None:
    """Clients that ask for a stream and cut the connection at a random moment."""
    chance, places = Random("dropped"), asyncio.Semaphore(at_a_time)

    async def one() -> None:
        async with places:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(_request(next(questions), stream=True))
            await asyncio.sleep(chance.expovariate(1 / 0.05))
            writer.transport.abort()

    await asyncio.gather(*(one() for _ in range(clients)))


async def _ask(port: int, question: str, outcome: Outcome, *, stream: bool) -> None:
    started = time.perf_counter()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_request(question, stream=stream))
        head = await reader.readuntil(b"\r\n\r\n")
        status = head.split(b" ", 2)[1].decode()
        if stream and status == "200":
            await reader.readuntil(b"event: ")
        outcome.first.append(1000 * (time.perf_counter() - started))
        body = await reader.read()
        writer.close()
        done = status if not stream or status != "200" else "done" if b"event: done" in body else "no end"
        outcome.ends[done] += 1
    except (OSError, EOFError) as error:
        outcome.ends[type(error).__name__] += 1


def _request(question: str, *, stream: bool) -> bytes:
    body = body_of(question, stream=stream).encode()
    head = (
        "POST /ask HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def body_of(question: str, **more: object) -> str:
    """The JSON of a request."""
    return json.dumps({"question": question, **more})


def in_turn(questions: Sequence[str]) -> Iterator[str]:
    """All, again and again."""
    while True:
        yield from questions
