"""Clients that ask one question after the other, each as soon as it has its answer."""

import json
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from queue import Empty, SimpleQueue
from random import Random

import numpy as np

from core.errors import ServerError
from core.text import language_of

PATIENCE = 60.0
_SECTION = re.compile(r"^### (.+) \d+$", re.MULTILINE)
_ASKING = {"zh": "什么是{}？", "en": "What is {}?"}


@dataclass(frozen=True, slots=True)
class Took:
    """p50, p99: milliseconds for one question. rate: questions a second, of all clients together."""

    p50: float
    p99: float
    rate: float


def questions(books: Path, count: int) -> dict[str, list[str]]:
    """By language, questions for headings of invented books: every one asks for something that is there."""
    headings: dict[str, list[str]] = {language: [] for language in _ASKING}
    for path in sorted(books.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        headings[language_of(text)] += _SECTION.findall(text)
    chance = Random("questions")
    return {
        language: [_ASKING[language].format(heading) for heading in chance.choices(found, k=count)]
        for language, found in headings.items()
    }


def ask(port: int, asked: Sequence[str], clients: int) -> Took:
    """Ask all questions over HTTP, `clients` at a time; raises ServerError when one is not answered with passages."""
    waiting: SimpleQueue[str] = SimpleQueue()
    for question in asked:
        waiting.put(question)
    took: list[float] = []
    faults: list[str] = []
    threads = [threading.Thread(target=_client, args=(port, waiting, took, faults)) for _ in range(clients)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise ServerError(f"{len(faults)} of {len(asked)} questions failed: {faults[0]}")
    p50, p99 = np.quantile(took, [0.5, 0.99])
    return Took(float(p50), float(p99), len(took) / (time.monotonic() - started))


def _client(port: int, waiting: "SimpleQueue[str]", took: list[float], faults: list[str]) -> None:
    """Milliseconds go to `took`; the first fault ends this client. http.client costs less than a client of comfort."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        while True:
            body = json.dumps({"question": waiting.get_nowait()})
            started = time.perf_counter()
            connection.request("POST", "/search", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
            took.append(1000 * (time.perf_counter() - started))
            if response.status != 200 or not json.loads(answer)["passages"]:
                faults.append(f"{body}: HTTP {response.status}, {answer[:200]!r}")
                return
    except Empty:
        return
    except (OSError, HTTPException) as error:
        faults.append(repr(error))
    finally:
        connection.close()
