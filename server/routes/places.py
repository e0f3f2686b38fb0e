"""Places in books, as a citation names them, and questions that a knowledge base answers."""

from typing import Annotated

from fastapi import APIRouter, Query

from core.errors import ConfigError
from server.places import SECTION, place_in
from server.rendering.markdown import html_of
from server.routes.problems import problems
from server.schemas.base import KnowledgeBaseName
from server.schemas.page import ExamplesResponse, PlaceBody
from server.service import PrincipalDep, ServiceDep

Offset = Annotated[int, Query(ge=0, le=10**9, description="Offset in characters into the extracted text of the book.")]
router = APIRouter()


@router.get("/kbs/{kb}/books/{source:path}/text", responses=problems(404, 422, 503), summary="Read a place in a book")
def place(
    kb: KnowledgeBaseName, source: str, start: Offset, end: Offset, service: ServiceDep, principal: PrincipalDep
) -> PlaceBody:
    """The text at `[start, end)`, as a citation gives them, with the rest of its section."""
    if not 0 < end - start <= SECTION:
        raise ConfigError(f"[{start}, {end}) is no stretch of text", mend=f"ask for 1 to {SECTION} characters")
    with service.knowledge_base(principal, kb).generation() as generation:
        found = place_in(generation, source, start, end)
        return PlaceBody(
            book=found.book.title,
            heading_path=list(found.heading_path),
            generation=generation.manifest.id,
            before=found.before,
            quote=found.quote,
            after=found.after,
            html=html_of(found.markdown),
            quote_html=html_of(found.quote_markdown),
        )


@router.get("/kbs/{kb}/examples", responses=problems(404, 422, 503), summary="Get questions to begin with")
def examples(kb: KnowledgeBaseName, service: ServiceDep, principal: PrincipalDep) -> ExamplesResponse:
    """Up to six questions made from headings of the books, each in its book's language, that are answered."""
    return ExamplesResponse(questions=list(service.examples.of(service.knowledge_base(principal, kb))))
