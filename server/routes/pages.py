"""The book itself beside an answer: pages as images, with the quote marked."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from core.errors import BookMissing
from ingest.background import PageImage, page_image, quote_at
from server.routes.problems import problems
from server.schemas.base import KnowledgeBaseName
from server.service import PrincipalDep, Service, ServiceDep
from vector_db.reader import LiveKnowledgeBase

router = APIRouter()
BookName = Annotated[str, Path(min_length=1, max_length=500, description="Source file.", examples=["physics.pdf"])]
Offset = Annotated[int | None, Query(ge=0, le=10**9, description="As in the citation.")]


@router.get(
    "/kbs/{kb}/books/{book:path}/pages/{page}.png",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}, **problems(404, 409, 422, 503)},
    summary="Look at a page of a book",
)
async def page(
    kb: KnowledgeBaseName,
    book: BookName,
    page: Annotated[int, Path(ge=1, le=100000, description="1-based page of the file.")],
    service: ServiceDep,
    principal: PrincipalDep,
    start: Offset = None,
    end: Offset = None,
) -> Response:
    """A page of a PDF or of a scan as it looks, with the text at `[start, end)` of the book marked.
    `X-Quote-Highlighted` tells whether it was found on the page. 404 in formats without pages, 409 when the file is no
    longer the one that was indexed."""
    base = service.knowledge_base(principal, kb)
    image = await _drawn(service, base, book, page, start, end)
    headers = {"X-Quote-Highlighted": str(image.highlighted).lower(), "Cache-Control": "private, max-age=3600"}
    return Response(image.png, media_type="image/png", headers=headers)


async def _drawn(
    service: Service, base: LiveKnowledgeBase, source: str, page: int, start: int | None, end: int | None
) -> PageImage:
    with base.generation() as generation:
        record = next((record for record in generation.manifest.books if record.source == source), None)
        if record is None:
            raise BookMissing(f"there is no book {source!r} in '{base.name}'", mend="GET /kbs lists the books")
        quote = None
        if start is not None and end is not None:
            pages = await asyncio.to_thread(generation.store.pages, record.id)
            quote = quote_at(pages, start, end, page)
        # Each takes a process and a core for about a second.
        async with service.drawing:
            return await asyncio.to_thread(page_image, service.settings, generation.manifest, record, page, quote)
