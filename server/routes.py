"""The routes. Handlers are plain functions: FastAPI runs them in threads, retrieval is not async."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from sse_starlette import EventSourceResponse, ServerSentEvent

from core.errors import KebenError
from rag.answer import Done, Event, Piece, Retrieved
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
router = APIRouter()


@router.post(
    "/ask",
    response_model=AnswerBody,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        **_PROBLEMS,
    },
    summary="Answer a question from the textbooks",
)
def ask(body: AskRequest, service: ServiceDep, accept: Annotated[str, Header()] = "") -> Response:
    """An answer with citations. With `stream`, or `Accept: text/event-stream`, server-sent events:
    `retrieval` with the passages, `token` with pieces of text, `done` with the whole answer."""
    kb = service.knowledge_base(body.kb)
    question = body.question_for_rag()
    if body.stream or "text/event-stream" in accept:
        return EventSourceResponse(_events(service.answerer.stream(kb, question)))
    return JSONResponse(AnswerBody.of(service.answerer.ask(kb, question)).model_dump())


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
    """200 when knowledge bases and models are loaded, 503 before. `problems` tells what is served from before."""
    service: Service | None = request.app.state.startup.service
    if service is None:
        response.status_code = 503
        return Readiness(status="starting")
    return Readiness(status="ok", problems={name: str(fault) for name, fault in service.library.faults().items()})


@router.get("/", include_in_schema=False)
async def root() -> RedirectResponse:
    """The interactive documentation."""
    return RedirectResponse("/docs")


def _events(events: Iterator[Event]) -> Iterator[ServerSentEvent]:
    try:
        for event in events:
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
        case Done(answer):
            return ServerSentEvent(AnswerBody.of(answer).model_dump_json(), event="done")
