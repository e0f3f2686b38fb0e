"""Questions: answers and passages. Answers are awaited, so that many clients wait without a thread each."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Header, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import AppStatus

from core.errors import KebenError
from rag.answer import Done, Event, Piece, Restart, Retrieved
from rag.threads import run_in
from server import logs
from server.access import LOCAL, Principal
from server.answering import answer_to, events_of
from server.problems import problem_of
from server.routes.problems import problems
from server.schemas.answers import (
    AnswerBody,
    AskRequest,
    BatchItem,
    BatchRequest,
    BatchResponse,
    QuestionRequest,
    RestartBody,
    RetrievalBody,
    SearchRequest,
    SearchResponse,
    TokenBody,
)
from server.schemas.base import Body, event_stream
from server.service import PrincipalDep, ServiceDep

# How often a request without a stream looks whether its client still waits.
_LOOK_SECONDS = 0.5
GONE = 499  # nginx's number for a client that closed the request; nobody reads it
_BATCHED = 4  # questions of one batch that are answered at a time
T = TypeVar("T")
router = APIRouter()
# By itself the library ends every stream as soon as the server is told to stop; here they have a while: `Drain`.
AppStatus.enable_automatic_graceful_drain = False


@router.post(
    "/ask",
    response_model=AnswerBody,
    responses={
        200: {"content": event_stream("retrieval", "token", "restart", "done", "error")},
        **problems(404, 422, 503),
    },
    summary="Answer a question from the textbooks",
)
async def ask(
    request: Request,
    body: AskRequest,
    service: ServiceDep,
    principal: PrincipalDep,
    accept: Annotated[str, Header()] = "",
) -> Response:
    """An answer with citations. With `stream`, or `Accept: text/event-stream`, server-sent events:
    `retrieval` with the passages, `token` with pieces of text, `done` with the whole answer, which replaces the
    pieces; `restart` when the model failed and the answer begins anew; `error` with a problem document."""
    question = body.question_for_rag(client_of(request, principal))
    if body.stream or "text/event-stream" in accept:
        events = events_of(service, principal, body.kb, question)
        return EventSourceResponse(_events(await anext(events), events))
    answer = await while_connected(request, answer_to(service, principal, body.kb, question))
    return Response(status_code=GONE) if answer is None else _json(AnswerBody.of(answer))


@router.post(
    "/ask/batch", response_model=BatchResponse, responses=problems(422, 503), summary="Answer several questions"
)
async def ask_batch(
    request: Request, body: BatchRequest, service: ServiceDep, principal: PrincipalDep
) -> BatchResponse | Response:
    """Up to 32 questions, four at a time, or as many as the key may have answered now, each of any knowledge base that
    it may see. A question that cannot be answered gives a problem in its place and spoils no other. Each counts as a
    request."""
    client, waiting = client_of(request, principal), iter(enumerate(body.questions))
    results = dict[int, BatchItem]()

    async def one(number: int, asked: QuestionRequest) -> BatchItem:
        try:
            if number:  # the first was counted at the gate
                service.usage.request(principal)
                service.usage.require_tokens(principal)
            answer = await answer_to(service, principal, asked.kb, asked.question_for_rag(client))
        except KebenError as error:
            return BatchItem(answer=None, problem=problem_of(error))
        return BatchItem(answer=AnswerBody.of(answer), problem=None)

    async def in_turn() -> None:
        for number, asked in waiting:
            results[number] = await one(number, asked)

    async def beside() -> None:
        # Where there is no room for another answer, those under way go on alone.
        with suppress(KebenError), request.state.slot():
            await in_turn()

    async def all_of_them() -> list[BatchItem]:
        async with asyncio.TaskGroup() as group:
            group.create_task(in_turn())
            for _ in range(min(_BATCHED, len(body.questions)) - 1):
                group.create_task(beside())
        return [results[number] for number in range(len(body.questions))]

    answered = await while_connected(request, all_of_them())
    return Response(status_code=GONE) if answered is None else BatchResponse(results=answered)


@router.post("/search", response_model=SearchResponse, responses=problems(404, 422, 503), summary="Find passages")
async def search(body: SearchRequest, service: ServiceDep, principal: PrincipalDep) -> Response:
    """The best passages for a question, without an answer."""
    kb = service.knowledge_base(principal, body.kb)
    logs.current().kb = kb.name
    search = service.answerer.search
    passages = await run_in(service.threads, search, kb, body.question, body.top_k, body.scope())
    return _json(SearchResponse.of(passages))


def _json(body: Body) -> Response:
    # What a model has made is not validated once more, as FastAPI does with what a route returns.
    return Response(body.model_dump_json(), media_type="application/json")


def client_of(request: Request, principal: Principal) -> str:
    """Who takes turns with others where a model is busy: the key, or without keys the address."""
    return principal.id if principal is not LOCAL or not request.client else request.client.host


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T | None:
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
