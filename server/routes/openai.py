"""The routes of OpenAI's interface, for programs that are made for it: knowledge bases are its models."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sse_starlette import EventSourceResponse, ServerSentEvent

from core.errors import ConfigError, ModelMissing
from core.types import Answer
from rag.answer import Event
from server.access import Principal
from server.answering import answer_to, events_of
from server.completion import Completion
from server.routes.asking import GONE, client_of, while_connected
from server.routes.problems import openai_problems
from server.schemas.base import event_stream
from server.schemas.openai import (
    ChatCompletion,
    EmbeddingsRequest,
    EmbeddingsResponse,
    ModelBody,
    ModelsResponse,
    TokensBody,
)
from server.schemas.openai_chat import ChatRequest
from server.service import PrincipalDep, Service, ServiceDep

router = APIRouter(prefix="/v1")


@router.post(
    "/chat/completions",
    response_model=ChatCompletion,
    responses={
        200: {"content": event_stream("message")},
        **openai_problems(404, 422, 503),
    },
    summary="Answer a question, in OpenAI's form",
)
async def chat_completions(
    request: Request, body: ChatRequest, service: ServiceDep, principal: PrincipalDep
) -> Response:
    """An answer from the knowledge base that `model` names, with its citations in the message. With `stream`, chunks:
    pieces of text as they are written, then one with the citations, and in `keben` the whole answer as it is checked.

    Messages of the system are not used; tools, images, several answers and other forms than text are refused."""
    question = body.asked(client_of(request, principal))
    completion = Completion(body.model, question.text, lambda answer: _tokens(service, body, answer))
    if not body.stream:
        answer = await while_connected(request, answer_to(service, principal, body.model, question))
        if answer is None:
            return Response(status_code=GONE)
        return JSONResponse((await completion.whole(answer)).model_dump())
    events = events_of(service, principal, body.model, question)
    # What is wrong with the question is told with a status, not in the stream.
    if await while_connected(request, _first(events)) is None:
        return Response(status_code=GONE)
    include_usage = bool(body.stream_options and body.stream_options.include_usage)
    return EventSourceResponse(_events(completion.chunks(events, include_usage)))


@router.get("/models", responses=openai_problems(503), summary="List the knowledge bases and the embedder as models")
def models(service: ServiceDep, principal: PrincipalDep) -> ModelsResponse:
    """Every knowledge base that the key may see, for `chat/completions`, and the embedder, for `embeddings`."""
    return ModelsResponse(data=_models(service, principal))


@router.get("/models/{model:path}", responses=openai_problems(404, 422, 503), summary="Look at one of the models")
def one_model(model: str, service: ServiceDep, principal: PrincipalDep) -> ModelBody:
    """A knowledge base that the key may see, or the embedder."""
    offered = _models(service, principal)
    found = next((one for one in offered if one.id == model), None)
    if found is None:
        raise _no_such(model, [one.id for one in offered])
    return found


@router.post("/embeddings", responses=openai_problems(404, 422, 503), summary="Embed texts")
def embeddings(body: EmbeddingsRequest, service: ServiceDep, principal: PrincipalDep) -> EmbeddingsResponse:
    """Unit vectors of the embedder that the knowledge bases are searched with. Texts are taken for passages, unless
    `input_type` says that they are questions."""
    embedder = service.embedding.embedder
    if body.model != embedder.name:
        raise _no_such(body.model, [embedder.name])
    if body.dimensions not in (None, embedder.dimension):
        raise ConfigError(
            f"dimensions is {body.dimensions}, and the vectors of {embedder.name} have {embedder.dimension}",
            mend="leave it out",
        )
    vectors = embedder.encode_queries(body.input) if body.input_type == "query" else embedder.encode(body.input)
    for number, vector in enumerate(vectors):
        # A vector of zeros is near to nothing, and has no cosine.
        if not vector.any():
            raise ConfigError(f"the embedder knows nothing of text {number} of the input", mend="leave it out")
    return EmbeddingsResponse.of(embedder.name, vectors, body.encoding_format, service.embedding.count(body.input))


def _models(service: Service, principal: Principal) -> list[ModelBody]:
    found: list[ModelBody] = []
    for name in service.names(principal):
        with service.knowledge_base(principal, name).generation() as generation:
            created = datetime.fromisoformat(generation.manifest.created_at)
        found.append(ModelBody(id=name, created=int(created.timestamp()), kind="knowledge-base"))
    embedding = service.embedding
    return [*found, ModelBody(id=embedding.embedder.name, created=embedding.created, kind="embedder")]


def _no_such(name: str, offered: list[str]) -> ModelMissing:
    return ModelMissing(f"there is no model '{name}' here", mend=f"use one of {', '.join(offered)}")


async def _tokens(service: Service, body: ChatRequest, answer: Answer) -> TokensBody:
    if answer.usage:
        return TokensBody.of(answer.usage.input_tokens, answer.usage.output_tokens)
    *prompt, written = await asyncio.to_thread(service.embedding.count, [*body.texts(), answer.answer])
    return TokensBody.of(sum(prompt), written)


async def _first(events: AsyncIterator[Event]) -> Event:
    return await anext(events)


async def _events(data: AsyncIterator[str]) -> AsyncIterator[ServerSentEvent]:
    async for one in data:
        yield ServerSentEvent(one)
