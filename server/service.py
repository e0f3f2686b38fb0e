"""What the routes work with: loaded after start-up, handed to each route by FastAPI."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, FastAPI, Request

from core.errors import KebenError, ServerError
from core.settings import Settings
from finetune.background import Courses
from rag.answer import Answerer
from rag.build import Writing, build_answerer, build_cache, build_writing
from server.access import Principal, authorise, no_default, no_such
from server.answer_log import AnswerLog
from server.drain import Drain
from server.embedding import Embedding
from server.examples import Examples
from server.jobs import Jobs
from server.keys import KeyStore
from server.metrics import Metrics
from server.stock import Stock
from server.tracing import Tracing
from server.usage import Usage
from vector_db.embedder import open_embedder
from vector_db.library import Library
from vector_db.reader import LiveKnowledgeBase
from vector_db.tokenizer import warm_up

_DRAWN_AT_A_TIME = 2
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Service:
    """The open knowledge bases and what answers from them.

    threads: those that search and choose sentences; few, so that the event loop gets its turn. drain: what ends answers
    when the service stops. drawing: who may have a page drawn now.
    """

    library: Library
    answerer: Answerer
    writing: Writing
    usage: Usage
    metrics: Metrics
    log: AnswerLog
    settings: Settings
    embedding: Embedding
    examples: Examples
    threads: Executor
    drain: Drain
    drawing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_DRAWN_AT_A_TIME))

    def knowledge_base(self, principal: Principal, name: str | None) -> LiveKnowledgeBase:
        """The one named; raises KnowledgeBaseMissing, also for one that `principal` may not see.

        Without a name, the default one, or the only one of a principal who may not see that.
        """
        names = self.names(principal)
        if name is None and not principal.sees(self.settings.kb):
            if len(names) != 1:
                raise no_default(names)
            name = names[0]
        name = name or self.settings.kb
        authorise(principal, None, name)
        if name not in names:
            raise no_such(name, names)
        return self.library.get(name)

    def names(self, principal: Principal) -> list[str]:
        """The knowledge bases that exist for `principal`, sorted."""
        return [name for name in self.library.names() if principal.sees(name)]

    def numbers(self) -> Iterator[tuple[str, str, str, Mapping[str, float]]]:
        """What is looked up for the metrics: name, explanation, label, and values by it."""
        ages, passages = dict[str, float](), dict[str, float]()
        for name in self.library.names():
            with self.library.get(name).generation() as generation:
                created = datetime.fromisoformat(generation.manifest.created_at)
                ages[name] = (datetime.now(UTC) - created).total_seconds()
                passages[name] = generation.manifest.chunks
        yield "keben_generation_age_seconds", "Since the served generation was built", "kb", ages
        yield "keben_passages", "Passages that are served", "kb", passages
        yield "keben_model_requests", "Requests of the local language model", "state", self.writing.load()


@dataclass(slots=True)
class Startup:
    """Follows the loading, which goes on while `/healthz` already answers.

    on_ready is called once questions can be asked, on_failure when they never can. load_first: take no connection
    before: of several workers, those that are ready have it.
    """

    on_ready: Callable[[], None]
    on_failure: Callable[[KebenError], None]
    load_first: bool = False
    service: Service | None = None
    drain: Drain = field(default_factory=Drain)


def lifespan(
    settings: Settings, startup: Startup, usage: Usage, metrics: Metrics, tracing: Tracing
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """As `running`, for an application, which finds `startup` in its state."""

    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        app.state.startup = startup
        try:
            async with running(settings, startup, usage, metrics):
                yield
        finally:
            await asyncio.to_thread(tracing.close)

    return run


@asynccontextmanager
async def running(settings: Settings, startup: Startup, usage: Usage, metrics: Metrics) -> AsyncIterator[None]:
    """Loads knowledge bases and models, then looks for new generations until shutdown."""

    threads = ThreadPoolExecutor(settings.server.computing_threads, "keben-compute")

    async def load_and_follow(loaded: asyncio.Event) -> None:
        try:
            service = await asyncio.to_thread(_load, settings, usage, metrics, threads, startup.drain)
        except KebenError as error:
            startup.on_failure(error)
            return
        finally:
            loaded.set()
        startup.service = service
        startup.on_ready()
        while True:
            await asyncio.sleep(settings.server.poll_seconds)
            try:
                await asyncio.to_thread(service.library.refresh)
            except Exception:  # noqa: BLE001  whatever a damaged folder does to a library, following goes on
                _LOG.exception("looking for new generations failed")

    loaded = asyncio.Event()
    task = asyncio.create_task(load_and_follow(loaded))
    if startup.load_first:
        await loaded.wait()
    try:
        yield
    finally:
        task.cancel()
        if startup.service:
            startup.service.writing.close()
            startup.service.library.close()
            startup.service.log.close()
            startup.service = None
        threads.shutdown(wait=False, cancel_futures=True)
        usage.close()


def _load(settings: Settings, usage: Usage, metrics: Metrics, threads: Executor, drain: Drain) -> Service:
    library = Library(settings)
    if library.names():
        library.get(settings.kb)
    else:
        _LOG.warning("there is no knowledge base in %s yet; build one: `keben rebuild`", settings.data_dir)
    # Always loaded: a generation published later may have vectors where this one has none.
    with ThreadPoolExecutor(1) as pool:
        dictionaries = pool.submit(warm_up)
        embedder = open_embedder(settings.embedding)
        dictionaries.result()
    log = AnswerLog(settings.state_dir, settings.server.keep_answers_days)
    writing = build_writing(settings, threads)
    answerer = build_answerer(settings, embedder, writing, build_cache(settings), threads)
    for name in library.names():
        # The first search pages the index in; no student should wait for that.
        answerer.search(library.get(name), "预热 warm up")
    embedding, examples = Embedding.of(settings, embedder), Examples(answerer)
    return Service(library, answerer, writing, usage, metrics, log, settings, embedding, examples, threads, drain)


def service_of(request: Request) -> Service:
    """What is loaded; raises ServerError as long as it is not."""
    startup: Startup = request.app.state.startup
    if startup.service is None:
        raise ServerError("the models are still being loaded", mend="try again in a few seconds; /readyz tells when")
    return startup.service


async def _service(request: Request) -> Service:
    return service_of(request)


# FastAPI runs those that are not coroutines in threads, which costs more than all else that a request does.
async def _principal(request: Request) -> Principal:
    principal: Principal = request.state.principal
    return principal


async def _keys(request: Request) -> KeyStore:
    keys: KeyStore = request.app.state.keys
    return keys


async def _stock(request: Request) -> Stock:
    return Stock(_settings(request))


async def _courses(request: Request) -> Courses:
    return Courses(_settings(request))


async def _jobs(request: Request) -> Jobs:
    return Jobs(_settings(request))


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def refresh(request: Request) -> None:
    """Look for what has changed on disk now, not only at the next look."""
    service = request.app.state.startup.service
    if service is not None:
        await asyncio.to_thread(service.library.refresh)


PrincipalDep = Annotated[Principal, Depends(_principal)]
KeysDep = Annotated[KeyStore, Depends(_keys)]
StockDep = Annotated[Stock, Depends(_stock)]
CoursesDep = Annotated[Courses, Depends(_courses)]
JobsDep = Annotated[Jobs, Depends(_jobs)]
ServiceDep = Annotated[Service, Depends(_service)]
