"""Cuts a book into chunks along its sections, paragraphs and sentences."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from core.settings import ChunkSettings
from core.text import heading_title, length, sentences
from core.types import Block, BlockKind, Chunk, ExtractedBook, Span
from ingest.contents import body_blocks

# Raised whenever the same book and settings would give other chunks than before.
VERSION = 1


@dataclass(frozen=True, slots=True)
class _Section:
    heading_path: tuple[str, ...]
    blocks: tuple[Block, ...]


def split_book(book: ExtractedBook, book_id: str, settings: ChunkSettings) -> list[Chunk]:
    """Chunks in reading order; each lies in one section, and `text == book.text[start:end]`.

    Lists, tables, code and formulas stay whole unless one alone is longer than the limit, and stay
    with the sentence that announces them. The same book and settings give the same chunk ids.
    """
    chunks: list[Chunk] = []
    for section in _sections(book):
        for part, group in enumerate(_groups(book.text, section.blocks, settings)):
            chunks.append(_chunk(book, book_id, (len(chunks), part), section.heading_path, group))
    return chunks


def _sections(book: ExtractedBook) -> Iterator[_Section]:
    path: list[tuple[int, str]] = []
    body: list[Block] = []
    for block in body_blocks(book):
        if _is_title(book, block):
            continue
        if block.kind is not BlockKind.heading:
            body.append(block)
            continue
        if body:
            yield _Section(tuple(title for _, title in path), tuple(body))
            body = []
        title = heading_title(book.text[block.start : block.end])
        path = [(level, name) for level, name in path if level < block.level] + [(block.level, title)]
    if body:
        yield _Section(tuple(title for _, title in path), tuple(body))


def _is_title(book: ExtractedBook, block: Block) -> bool:
    """The first heading that repeats the book's title is no section."""
    headings = [other for other in book.blocks[:20] if other.kind is BlockKind.heading]
    if not headings or block != headings[0]:
        return False
    return heading_title(book.text[block.start : block.end]) == heading_title(book.title or "")


def _groups(text: str, blocks: tuple[Block, ...], settings: ChunkSettings) -> Iterator[list[Block]]:
    """Neighbouring blocks packed up to the target length; a small rest joins the last group."""
    pieces = [piece for block in blocks for piece in _pieces(text, block, settings)]
    groups: list[list[Block]] = []
    size = 0
    for piece in pieces:
        words = length(text[piece.start : piece.end])
        fits = groups and size + words <= settings.limit
        if fits and (size < settings.target or _belongs(text, groups[-1][-1], piece)):
            groups[-1].append(piece)
            size += words
        else:
            # What announces the piece moves with it, unless it is long or would leave nothing behind.
            group, size, room = [piece], words, max(words, settings.limit) + settings.limit // 4
            while groups and len(groups[-1]) > 1 and _belongs(text, groups[-1][-1], group[0]):
                size += length(text[groups[-1][-1].start : groups[-1][-1].end])
                if size > room:
                    break
                group.insert(0, groups[-1].pop())
            groups.append(group)
            size = sum(length(text[block.start : block.end]) for block in group)
    if len(groups) > 1:
        rest = text[groups[-1][0].start : groups[-1][-1].end]
        before = text[groups[-2][0].start : groups[-2][-1].end]
        if length(rest) < settings.target // 4 and length(before) + length(rest) <= settings.limit * 5 // 4:
            last = groups.pop()
            groups[-1].extend(last)
    yield from groups


def _belongs(text: str, before: Block, block: Block) -> bool:
    """Whether `before` announces `block`: 「如下：」, a caption, the formula of a sentence."""
    announces = text[before.start : before.end].rstrip("*_ ").endswith(("：", ":"))
    caption = before.kind is BlockKind.caption and block.kind in {BlockKind.table, BlockKind.code}
    return announces or caption or block.continues or block.kind is BlockKind.formula


def _pieces(text: str, block: Block, settings: ChunkSettings) -> Iterator[Block]:
    """`block`, or its parts when it alone is longer than the limit."""
    if length(text[block.start : block.end]) <= settings.limit:
        yield block
        return
    if block.kind is BlockKind.paragraph:
        units = list(sentences(text[block.start : block.end], block.start))
    elif block.kind is BlockKind.formula:
        units = [(block.start, block.end)]
    else:
        units = list(_lines(text, block.start, block.end))
    start, end = units[0]
    for left, right in units[1:]:
        if length(text[start:right]) > settings.target:
            yield Block(block.kind, start, end, continues=block.continues and start == block.start)
            start = left
        end = right
    yield Block(block.kind, start, end, continues=block.continues and start == block.start)


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for line in text[start:end].splitlines(keepends=True):
        if line.strip():
            yield start, start + len(line.rstrip("\n"))
        start += len(line)


def _chunk(
    book: ExtractedBook, book_id: str, place: tuple[int, int], path: tuple[str, ...], blocks: list[Block]
) -> Chunk:
    start, end = blocks[0].start, blocks[-1].end
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
        spans=tuple(_span(book, block, start) for block in blocks),
    )


def _span(book: ExtractedBook, block: Block, start: int) -> Span:
    page = book.page_at(block.start)
    return Span(block.kind, block.start - start, block.end - start, page.number, page.label, block.continues)
