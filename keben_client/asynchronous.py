"""The client for programs with an event loop."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from keben_client import requests
from keben_client.errors import ConnectionFailed, KebenError, error_of
from keben_client.requests import Call, EventReader, Retries, checked, opened
from keben_client.types import Answer, Citation, Event, Job, Json, KnowledgeBase, Passage, event_of

T = TypeVar("T")


class AsyncKeben:
    """A service at `url`. For one event loop; close it, or use it in an `async with` statement."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        api_key: str | None = None,
        *,
        timeout: float = 120,
        retries: Retries | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """timeout: seconds that a response, or the next event of a stream, may take."""
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=timeout, transport=transport)
        self._retries = retries or Retries()
        self._sleep = sleep

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncKeben({str(self._http.base_url)!r})"

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _do(self, call: Call[T]) -> T:
        tried = 0
        while True:
            try:
                with ExitStack() as stack:
                    response = await self._http.request(
                        call.method,
                        call.path,
                        json=call.json,
                        params=dict(call.params),
                        files=opened(call.files, stack),
                    )
            except httpx.HTTPError as error:
                raise ConnectionFailed(f"{self._http.base_url}: {error}", "is the service running?") from error
            wait = self._retries.wait(response, tried)
            if wait is None:
                return call.read(checked(response))
            await self._sleep(wait)
            tried += 1

    async def stream(self, question: str, kb: str | None = None, **options: Any) -> AsyncIterator[Event]:
        """The events of an answer as they come; the last one is Done. Options as those of `ask`."""
        body = requests.question(question, {"kb": kb, "stream": True, **options})
        try:
            async with self._http.stream("POST", "/ask", json=body) as response:
                if not response.is_success:
                    await response.aread()
                checked(response)
                reader = EventReader()
                async for line in response.aiter_lines():
                    if (read := reader.feed(line)) is None:
                        continue
                    name, data = read
                    if name == "error":
                        problem = json.loads(data)
                        raise error_of(int(problem.get("status", 500)), problem)
                    if event := event_of(name, json.loads(data)):
                        yield event
        except httpx.HTTPError as error:
            raise ConnectionFailed(f"{self._http.base_url}: {error}", "is the service running?") from error

    async def wait(self, job: Job, seconds: float = 3600, every: float = 0.5) -> Job:
        """The job once it has ended; raises TimeoutError when it has not after `seconds`."""
        deadline = time.monotonic() + seconds
        while (job := await self.job(job)).status == "running":
            if time.monotonic() > deadline:
                raise TimeoutError(f"the rebuild {job.id} runs still")
            await self._sleep(every)
        return job

    async def ask(self, question: str, kb: str | None = None, **options: Any) -> Answer:
        """An answer with citations. options: what else POST /ask takes: history, books, top_k, mode, …"""
        return await self._do(requests.ask(question, kb=kb, **options))

    async def ask_batch(self, questions: Sequence[str | Json]) -> list[Answer | KebenError]:
        """Up to 32 answers, in order; an error in the place of a question that has none."""
        return await self._do(requests.ask_batch(questions))

    async def search(self, question: str, kb: str | None = None, **options: Any) -> list[Passage]:
        """The best passages, without an answer."""
        return await self._do(requests.search(question, kb=kb, **options))

    async def kbs(self) -> list[KnowledgeBase]:
        """The knowledge bases that the key may see."""
        return await self._do(requests.kbs())

    async def kb(self, name: str) -> KnowledgeBase:
        """One of them."""
        return await self._do(requests.kb(name))

    async def create_kb(self, name: str) -> None:
        """Make an empty knowledge base."""
        return await self._do(requests.create_kb(name))

    async def delete_kb(self, name: str) -> None:
        """Remove a knowledge base with its uploaded books."""
        return await self._do(requests.delete_kb(name))

    async def files(self, kb: str) -> list[dict[str, Any]]:
        """Its files, and how the last rebuild left them."""
        return await self._do(requests.files(kb))

    async def upload(self, kb: str, *paths: str | Path) -> list[dict[str, Any]]:
        """Send books; tells of each whether it was stored. Raises Invalid when none was."""
        return await self._do(requests.upload(kb, paths))

    async def rebuild(
        self, kb: str, *, force: bool = False, only: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> Job:
        """Start a rebuild; `wait` returns once it has ended."""
        return await self._do(requests.rebuild(kb, force=force, only=list(only), remove=list(remove)))

    async def job(self, job: Job | str) -> Job:
        """How far a rebuild is."""
        return await self._do(requests.job(job if isinstance(job, str) else job.id))

    async def cancel(self, job: Job | str) -> Job:
        """Stop a rebuild."""
        return await self._do(requests.cancel(job if isinstance(job, str) else job.id))

    async def report(self, job: Job | str) -> dict[str, Any]:
        """What a rebuild did with each file."""
        return await self._do(requests.report(job if isinstance(job, str) else job.id))

    async def rollback(self, kb: str, to: str | None = None) -> str:
        """Serve a generation from before; gives its name."""
        return await self._do(requests.rollback(kb, to))

    async def page(self, kb: str, citation: Citation) -> bytes:
        """The page that a citation stands on, as a PNG with the quote marked."""
        return await self._do(requests.page(kb, citation))

    async def feedback(self, answer: Answer | str, thumb: str, comment: str = "", corrected_answer: str = "") -> None:
        """Say what you think of an answer: up or down."""
        return await self._do(requests.feedback(answer, thumb, comment, corrected_answer))

    async def gaps(self, kb: str, days: int = 30) -> list[dict[str, Any]]:
        """What was asked and the books do not answer."""
        return await self._do(requests.gaps(kb, days))
