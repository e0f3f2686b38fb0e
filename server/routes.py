"""The routes. Answers are awaited, so that many clients wait without a thread each; the rest are plain functions."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from sse_starlette import EventSourceResponse, ServerSentEvent

from core.errors import KebenError
from core.types import Answer
from rag.answer import Done, Event, Piece, Restart, Retrieved
from server.problems import problem_of
from server.schemas import (
    AnswerBody,
    AskRequest,
    Health,
    KnowledgeBaseBody,
    KnowledgeBaseName,
    KnowledgeBasesResponse,
    Problem,
    Readiness,
    RestartBody,
    RetrievalBody,
    SearchRequest,
    SearchResponse,
    TokenBody,
)
from server.service import Service, ServiceDep

_PROBLEM_CONTENT = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    404: {"description": "No such knowledge base", "model": Problem, "content": _PROBLEM_CONTENT},
    422: {"description": "A value in the request is not usable", "model": Problem, "content": _PROBLEM_CONTENT},
    503: {"description": "The index or the model cannot be used now", "model": Problem, "content": _PROBLEM_CONTENT},
}
# How often a request without a stream looks whether its client still waits.
_LOOK_SECONDS = 0.5
_GONE = 499  # nginx's number for a client that closed the request; nobody reads it
router = APIRouter()


@router.post(
    "/ask",
    response_model=AnswerBody,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        429: {
            "description": "The language model is busy; see Retry-After",
            "model": Problem,
            "content": _PROBLEM_CONTENT,
        },
        **_PROBLEMS,
    },
    summary="Answer a question from the textbooks",
)
async def ask(
    request: Request, body: AskRequest, service: ServiceDep, accept: Annotated[str, Header()] = ""
) -> Response:
    """An answer with citations. With `stream`, or `Accept: text/event-stream`, server-sent events:
    `retrieval` with the passages, `token` with pieces of text, `done` with the whole answer, which replaces the
    pieces; `restart` when the model failed and the answer begins anew; `error` with a problem document."""
    kb = service.knowledge_base(body.kb)
    question = body.question_for_rag(request.client.host if request.client else "")
    if body.stream or "text/event-stream" in accept:
        events = service.answerer.stream(kb, question)
        return EventSourceResponse(_events(await anext(events), events))
    answer = await _while_connected(request, service.answerer.answer(kb, question))
    return Response(status_code=_GONE) if answer is None else JSONResponse(AnswerBody.of(answer).model_dump())


@router.post("/search", responses=_PROBLEMS, summary="Find passages")
def search(body: SearchRequest, service: ServiceDep) -> SearchResponse:
    """The best passages for a question, without an answer."""
    passages = service.answerer.search(service.knowledge_base(body.kb), body.question, body.top_k, body.scope())
    return SearchResponse.of(passages)


@router.get("/kbs", responses={503: _PROBLEMS[503]}, summary="List the knowledge bases")
def kbs(service: ServiceDep) -> KnowledgeBasesResponse:
    """Every knowledge base with its books, as served now."""
    bodies: list[KnowledgeBaseBody] = []
    for name in service.library.names():
        with service.library.get(name).generation() as generation:
            bodies.append(KnowledgeBaseBody.of(generation.manifest))
    return KnowledgeBasesResponse(kbs=bodies)


@router.get("/kbs/{kb}", responses=_PROBLEMS, summary="Look at a knowledge base")
def one_kb(kb: KnowledgeBaseName, service: ServiceDep) -> KnowledgeBaseBody:
    """A knowledge base with its books and the certificate of its refusals, as served now."""
    with service.knowledge_base(kb).generation() as generation:
        return KnowledgeBaseBody.of(generation.manifest)


@router.get("/healthz", summary="Is the process alive?")
async def healthz() -> Health:
    """Answers as long as the process runs."""
    return Health(status="ok")


@router.get("/readyz", responses={503: {"model": Readiness}}, summary="Can questions be answered?")
async def readyz(request: Request, response: Response) -> Readiness:
    """200 when knowledge bases and models are loaded, 503 before, and while the language model is down.

    `problems` tells what is served from before, and what is wrong with the model."""
    service: Service | None = request.app.state.startup.service
    if service is None:
        response.status_code = 503
        return Readiness(status="starting")
    can_write, faults = service.writing.faults()
    problems = {name: str(fault) for name, fault in service.library.faults().items()} | dict(faults)
    if not can_write:
        response.status_code = 503
    return Readiness(status="ok" if can_write else "starting", problems=problems)


@router.get("/", include_in_schema=False)
async def root() -> RedirectResponse:
    """The interactive documentation."""
    return RedirectResponse("/docs")


async def _while_connected(request: Request, work: Coroutine[Any, Any, Answer]) -> Answer | None:
    """The outcome of `work`; None, and the work is stopped, when the client has gone."""
    task = asyncio.create_task(work)
    try:
        while not task.done():
            await asyncio.wait([task], timeout=_LOOK_SECONDS)
            if not task.done() and await request.is_disconnected():
                return None
        return task.result()
    finally:
        task.cancel()


async def _events(first: Event, others: AsyncIterator[Event]) -> AsyncIterator[ServerSentEvent]:
    yield _sse(first)
    try:
        async for event in others:
            yield _sse(event)
    except KebenError as error:
        # The status line is long gone: the error has to travel as an event.
        yield ServerSentEvent(problem_of(error).model_dump_json(), event="error")


def _sse(event: Event) -> ServerSentEvent:
    match event:
        case Retrieved(passages, search_query):
            found = RetrievalBody(passages=SearchResponse.of(passages).passages, search_query=search_query)
            return ServerSentEvent(found.model_dump_json(), event="retrieval")
        case Piece(text):
            return ServerSentEvent(TokenBody(text=text).model_dump_json(), event="token")
        case Restart(reason):
            return ServerSentEvent(RestartBody(reason=reason).model_dump_json(), event="restart")
        case Done(answer):
            return ServerSentEvent(AnswerBody.of(answer).model_dump_json(), event="done")
