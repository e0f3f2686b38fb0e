"""Cuts a book into chunks along its sections, blocks, paragraphs and sentences."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from core.settings import ChunkSettings
from core.text import heading_title
from core.types import Block, BlockKind, Chunk, ExtractedBook, Span
from ingest.contents import body_blocks
from ingest.cuts import TokenCount
from ingest.groups import groups_of
from ingest.packing import Room
from ingest.pieces import Piece, pieces_of
from vector_db.writer import heading_of

# Raised whenever the same book and settings would give other chunks than before.
VERSION = 2


@dataclass(frozen=True, slots=True)
class _Section:
    """Blocks under one heading with nothing between them. goes_on: the same heading as the section before."""

    heading_path: tuple[str, ...]
    blocks: tuple[Block, ...]
    goes_on: bool


def split_book(
    book: ExtractedBook, book_id: str, settings: ChunkSettings, count: TokenCount, reads: int | None = None
) -> list[Chunk]:
    """Chunks in reading order; each lies in one section, and `text == book.text[start:end]`.

    count: tokens of texts; reads: most tokens that the embedder reads of a chunk and its headings. Lists, code and
    formulas stay whole, tables are cut between rows, and what announces or captions a block stays with it, all within
    the limits of `ChunkSettings`. The same book and settings give the same chunk ids.
    """
    sections = list(_sections(book))
    headings = count([heading_of(book.title or "", section.heading_path) for section in sections])
    sizes = iter(count([book.text[block.start : block.end] for section in sections for block in section.blocks]))
    chunks: list[Chunk] = []
    part = -1
    for section, heading in zip(sections, headings, strict=True):
        room = _room(settings, reads).without(heading)
        pieces = pieces_of(book.text, section.blocks, [next(sizes) for _ in section.blocks], room, count)
        part = part if section.goes_on else -1
        for group in groups_of(book.text, pieces, room):
            part += 1
            chunks.append(_chunk(book, book_id, (len(chunks), part), section.heading_path, group))
    return chunks


def _room(settings: ChunkSettings, reads: int | None) -> Room:
    """The settings' lengths, less where the embedder reads less."""
    limit = settings.limit if reads is None else min(settings.limit, reads)
    return Room(min(settings.target, limit), limit)


def _sections(book: ExtractedBook) -> Iterator[_Section]:
    path, body, goes_on = list[tuple[int, str]](), list[Block](), False
    kept, title = {block.start for block in body_blocks(book)}, _title_start(book)
    for block in book.blocks:
        if block.start == title:
            continue
        if block.start in kept and block.kind is not BlockKind.heading:
            body.append(block)
            continue
        if body:
            yield _Section(tuple(name for _, name in path), tuple(body), goes_on)
            body, goes_on = [], True
        if block.start in kept:
            name = heading_title(book.text[block.start : block.end])
            path = [(level, above) for level, above in path if level < block.level] + [(block.level, name)]
            goes_on = False
    if body:
        yield _Section(tuple(name for _, name in path), tuple(body), goes_on)


def _title_start(book: ExtractedBook) -> int | None:
    """Where the first heading begins, if it repeats the book's title: it is no section."""
    first = next((block for block in book.blocks[:20] if block.kind is BlockKind.heading), None)
    if first and heading_title(book.text[first.start : first.end]) == heading_title(book.title or ""):
        return first.start
    return None


def _chunk(
    book: ExtractedBook, book_id: str, place: tuple[int, int], path: tuple[str, ...], pieces: list[Piece]
) -> Chunk:
    start, end = pieces[0].start, pieces[-1].end
    text = book.text[start:end]
    page = book.page_at(start)
    digest = hashlib.sha256("\x1f".join((*path, str(start), text)).encode("utf-8", "surrogatepass")).hexdigest()
    return Chunk(
        id=f"{book_id}-{digest[:16]}",
        book_id=book_id,
        ordinal=place[0],
        part=place[1],
        heading_path=path,
        page=page.number,
        page_label=page.label,
        start=start,
        end=end,
        text=text,
        spans=tuple(_spans(book, pieces, start)),
    )


def _spans(book: ExtractedBook, pieces: list[Piece], start: int) -> Iterator[Span]:
    """One for each block, shifted by `start`."""
    for _, parts in groupby(pieces, key=lambda piece: piece.block.start):
        first, *rest = parts
        end = rest[-1].end if rest else first.end
        block, page = first.block, book.page_at(first.start)
        continues = block.continues and first.begins
        yield Span(block.kind, first.start - start, end - start, page.number, page.label, continues, first.lead)
