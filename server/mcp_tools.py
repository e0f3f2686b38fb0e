"""The tools that Keben offers by the Model Context Protocol: ask, search, list_books.

Each takes a body that is checked as those of the routes are, and gives text for a model to read and the same as JSON.
What is wrong with a call is told to the model, with what to do about it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, TypeVar

from mcp.server import Server, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)
from pydantic import ValidationError

from core.errors import KebenError
from core.types import GenerationOptions
from server.access import Principal
from server.answering import answer_to
from server.schemas.answers import AnswerBody, CitationBody, ConversationRequest, SearchRequest, SearchResponse
from server.schemas.base import Body
from server.schemas.mcp import ListBooksRequest, ListBooksResponse, ListedBook, ListedKnowledgeBase
from server.service import Service

_B = TypeVar("_B", bound=Body)
_INSTRUCTIONS = (
    "Keben answers questions from textbooks and says where in the book each answer stands. Use 'ask' for an answer "
    "with citations, 'search' for passages to write from, 'list_books' for the names that 'books', 'subjects' and 'kb' "
    "take. When an answer is used, tell its book, heading and page. When Keben refuses, the books hold no answer: say "
    "so."
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls a tool. client: as in `Question`. slot: what an answer is counted in as long as it is written."""

    service: Service
    principal: Principal
    client: str
    slot: Callable[[], AbstractContextManager[None]]


CallerOf = Callable[[ServerRequestContext], Awaitable[Caller]]


async def ask(caller: Caller, body: ConversationRequest) -> tuple[str, AnswerBody]:
    """Answer a question, in Chinese or English, from the textbooks alone, with citations: book, heading, page, quote. A
    question that the books do not answer is refused, and the passages that come nearest are given."""
    with caller.slot():
        question = body.asked(caller.client, GenerationOptions())
        answer = AnswerBody.of(await answer_to(caller.service, caller.principal, body.kb, question))
    parts = [answer.answer, *([answer.reason] if answer.reason else []), *map(_cited, answer.citations)]
    parts += [f"{_place(one.book, one.heading_path, one.page_label, one.page)}\n{one.text}" for one in answer.closest]
    return "\n\n".join(parts), answer


async def search(caller: Caller, body: SearchRequest) -> tuple[str, SearchResponse]:
    """Find the passages of the textbooks that fit a question or a phrase best, without writing an answer."""
    kb = caller.service.knowledge_base(caller.principal, body.kb)
    passages = await asyncio.to_thread(caller.service.answerer.search, kb, body.question, body.top_k, body.scope())
    found = SearchResponse.of(passages)
    texts = [
        f"[{number}] {_place(one.book, one.heading_path, one.page_label, one.page)}\n{one.text}"
        for number, one in enumerate(found.passages, 1)
    ]
    return "\n\n".join(texts) or "No passage was found.", found


async def list_books(caller: Caller, body: ListBooksRequest) -> tuple[str, ListBooksResponse]:
    """List the knowledge bases with their books: titles, files, subjects, languages."""
    bases: list[ListedKnowledgeBase] = []
    for name in [body.kb] if body.kb else caller.service.names(caller.principal):
        with caller.service.knowledge_base(caller.principal, name).generation() as generation:
            books = [
                ListedBook(title=book.title, source=book.source, subject=book.subject, language=book.language)
                for book in generation.manifest.books
            ]
        bases.append(ListedKnowledgeBase(kb=name, books=books))
    lines = [f"{base.kb}: {'; '.join(f'{book.title} ({book.source})' for book in base.books)}" for base in bases]
    return "\n".join(lines) or "There is no knowledge base yet.", ListBooksResponse(kbs=bases)


@dataclass(frozen=True, slots=True)
class _Offer:
    """A tool as it is offered, and what runs it with arguments that came over the wire."""

    tool: Tool
    run: Callable[[Caller, dict[str, Any]], Awaitable[tuple[str, Body]]]


def _offer(
    work: Callable[[Caller, _B], Awaitable[tuple[str, Body]]], title: str, takes: type[_B], gives: type[Body]
) -> _Offer:
    tool = Tool(
        name=work.__name__,
        title=title,
        description=" ".join((work.__doc__ or "").split()),
        input_schema=takes.model_json_schema(),
        output_schema=gives.model_json_schema(),
        annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False),
    )

    async def run(caller: Caller, arguments: dict[str, Any]) -> tuple[str, Body]:
        return await work(caller, takes.model_validate(arguments))

    return _Offer(tool, run)


_OFFERS = {
    offer.tool.name: offer
    for offer in (
        _offer(ask, "Ask the textbooks", ConversationRequest, AnswerBody),
        _offer(search, "Search the textbooks", SearchRequest, SearchResponse),
        _offer(list_books, "List the textbooks", ListBooksRequest, ListBooksResponse),
    )
}


def mcp_server(caller_of: CallerOf) -> "Server[Any]":
    """The server of the protocol; `caller_of` tells for each call who makes it, and raises as `Service` does."""

    async def list_tools(context: ServerRequestContext, params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[offer.tool for offer in _OFFERS.values()])

    async def call_tool(context: ServerRequestContext, params: CallToolRequestParams) -> CallToolResult:
        offer = _OFFERS.get(params.name)
        if offer is None:
            raise MCPError(INVALID_PARAMS, f"there is no tool '{params.name}': use one of {', '.join(_OFFERS)}")
        try:
            text, told = await offer.run(await caller_of(context), params.arguments or {})
        except KebenError as error:
            return _failed(f"{error.message}. {error.mend}" if error.mend else error.message)
        except ValidationError as error:
            faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            return _failed(f"{'; '.join(faults)}. See the tool's input schema")
        return CallToolResult(
            content=[TextContent(text=text)], structured_content=told.model_dump(mode="json"), is_error=False
        )

    return Server(
        "keben",
        version=version("keben"),
        title="Keben 课本",
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _failed(message: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=message)], is_error=True)


def _cited(citation: CitationBody) -> str:
    place = _place(citation.book, citation.heading_path, citation.page_label, citation.page)
    return f"[{citation.id}] {place}\n{citation.quote}"


def _place(book: str, headings: Iterable[str], label: str | None, page: int | None) -> str:
    number = label or page
    return " › ".join((book, *headings)) + (f", p. {number}" if number else "")
