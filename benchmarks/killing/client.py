"""Asks a server without pause, and judges every answer."""

import threading
import time
from dataclasses import dataclass, field, replace
from itertools import cycle
from typing import Any

import httpx

from killing.books import EVERYTHING, QUESTIONS, Known, editions

_PAUSE, _PATIENCE, _PASSAGES, _MOST_FAULTS = 0.01, 20.0, 20, 20


@dataclass(slots=True)
class Counts:
    """Answers so far. slowest: milliseconds."""

    answers: int = 0
    wrong: int = 0
    mixed: int = 0
    failed: int = 0
    slowest: float = 0.0

    def since(self, before: "Counts") -> "Counts":
        """What was added; the slowest is reset with every snapshot."""
        added = (getattr(self, name) - getattr(before, name) for name in ("answers", "wrong", "mixed", "failed"))
        return Counts(*added, self.slowest)


@dataclass(slots=True)
class _Seen:
    edition: int = 0
    of_generation: dict[str, int] = field(default_factory=dict)


class Client(threading.Thread):
    """Asks one question after the other until it is stopped."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.newest = 0  # Edition that was written last: none can be newer.
        self.faults: list[str] = []
        self.asking = threading.Event()
        self.asking.set()
        self._turn = threading.Lock()
        self._counts = Counts()
        self._seen = _Seen()
        self._done = threading.Event()
        self._guard = threading.Lock()
        self.port = httpx.URL(url).port
        self._http = httpx.Client(base_url=url, timeout=_PATIENCE, trust_env=False)

    def run(self) -> None:
        with self._http:
            for known in cycle((*QUESTIONS, EVERYTHING)):
                self.asking.wait()
                if self._done.wait(_PAUSE):
                    return
                with self._turn:
                    if self.asking.is_set():
                        self._ask(known)

    def stop(self) -> None:
        """Stop, and wait for the last answer."""
        self._done.set()
        self.asking.set()
        self.join()

    def pause(self) -> None:
        """Ask no more until `asking` is set; the question under way is answered first."""
        self.asking.clear()
        with self._turn:
            pass

    def snapshot(self) -> Counts:
        """The counts so far; `slowest` begins anew."""
        with self._guard:
            copy = replace(self._counts)
            self._counts.slowest = 0.0
        return copy

    def counts(self) -> Counts:
        """The counts so far."""
        with self._guard:
            return replace(self._counts)

    @property
    def edition(self) -> int:
        """The edition that was answered from last."""
        return self._seen.edition

    def wait(self, answers: int, edition: int | None = None, seconds: float = 60.0) -> bool:
        """Until so many more answers came, the last one from `edition` if it is given; False when they do not come."""
        wanted, deadline = self.counts().answers + answers, time.monotonic() + seconds
        while self.counts().answers < wanted or (edition is not None and self.edition != edition):
            if time.monotonic() > deadline or not self.is_alive():
                return False
            time.sleep(0.02)
        return True

    def _ask(self, known: Known) -> None:
        search = known is EVERYTHING
        body: dict[str, Any] = {"question": known.question} | ({"top_k": _PASSAGES} if search else {})
        newest, started = self.newest, time.monotonic()
        try:
            response = self._http.post("/search" if search else "/ask", json=body)
            verdict = f"failed: HTTP {response.status_code}" if response.status_code != 200 else ""
            verdict = verdict or self._judge(known, response.json(), max(newest, self.newest))
        except httpx.HTTPError as error:
            verdict = f"failed: {error!r}"
        took = 1000 * (time.monotonic() - started)
        with self._guard:
            self._counts.answers += 1
            self._counts.slowest = max(self._counts.slowest, took)
            if verdict:
                kind = verdict.partition(":")[0]
                setattr(self._counts, kind, getattr(self._counts, kind) + 1)
                self.faults[_MOST_FAULTS:] = []
                self.faults.append(f"{known.question[:20]}… {verdict}")

    def _judge(self, known: Known, body: dict[str, Any], newest: int) -> str:
        """Empty when the answer is right, from one edition, and not from an older one than before."""
        parts = [part["text"] for part in body["passages"]] if "passages" in body else _parts(body)
        text = "\n".join(parts)
        found = editions(text)
        if len(found) > 1:
            return f"mixed: editions {sorted(found)}"
        if known.words not in text or not found:
            return f"wrong: {text[:80]!r}"
        (edition,) = found
        if not self._seen.edition <= edition <= newest:
            return f"wrong: edition {edition} after {self._seen.edition}, the newest is {newest}"
        self._seen.edition = edition
        generation = body.get("generation")
        if generation and self._seen.of_generation.setdefault(generation, edition) != edition:
            return f"mixed: generation {generation} answers from edition {edition}"
        return ""


def _parts(body: dict[str, Any]) -> list[str]:
    return [body["answer"], *(citation["quote"] for citation in body["citations"])]
