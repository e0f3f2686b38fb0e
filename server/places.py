"""A place in a book, and the section around it."""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from textwrap import dedent

from core.errors import BookMissing
from core.types import BlockKind, Book, Chunk
from rag.draft import fenced
from vector_db.reader import Generation

# Characters shown, the quote included: about three printed pages.
SECTION = 6000


@dataclass(frozen=True, slots=True)
class Place:
    """before + quote + after is the book's text, inside one section.

    markdown: all of it, quote_markdown: the quote, both with programs in fences.
    """

    book: Book
    heading_path: tuple[str, ...]
    before: str
    quote: str
    after: str
    markdown: str
    quote_markdown: str


def place_in(generation: Generation, source: str, start: int, end: int) -> Place:
    """`[start, end)` of a book's text, offsets in characters, with the rest of its section, SECTION characters at most.

    Raises BookMissing for a book that is not there, and for a place that it does not have.
    """
    book = next((book for book in generation.books.values() if book.source == source), None)
    if book is None:
        raise BookMissing(f"there is no book '{source}'", mend="GET /kbs lists the books that there are")
    stretches = generation.store.stretches(book.id)
    first = max(bisect_right([stretch[1] for stretch in stretches], start) - 1, 0)
    last = max(bisect_left([stretch[1] for stretch in stretches], end) - 1, first)
    quote = generation.store.text(book.id, start, end)
    if len(quote) != end - start:
        raise BookMissing(
            f"'{source}' has no text at [{start}, {end})", mend="the book has changed: ask the question again"
        )
    chunks = _section(generation, book.id, first, last)
    left, right = min(chunks[0].start, start), max(chunks[-1].end, end)
    text = generation.store.text(book.id, left, right)
    before, after = text[: start - left], text[end - left :]
    markdown, alone = (_markdown(text, left, chunks, *bounds) for bounds in ((left, right), (start, end)))
    return Place(book, chunks[0].heading_path, before, quote, after, markdown, alone)


def _markdown(text: str, left: int, chunks: Iterable[Chunk], start: int, end: int) -> str:
    """`[start, end)` of the book, programs in fences as their line breaks count. text: of the book from `left` on."""
    parts: list[str] = []
    for chunk in chunks:
        for span in chunk.spans:
            first, last = max(chunk.start + span.start, start), min(chunk.start + span.end, end)
            if span.kind is BlockKind.code and first < last:
                code = fenced(dedent(text[first - left : last - left]))
                parts += [text[start - left : first - left], "\n\n", code, "\n\n"]
                start = last
    return "".join((*parts, text[start - left : end - left]))


def _section(generation: Generation, book_id: str, first: int, last: int) -> list[Chunk]:
    """The chunks from `first` to `last` and those around them under the same headings, as far as there is room."""
    found = [generation.store.at(book_id, ordinal) for ordinal in range(first, last + 1)]
    chunks = deque(chunk for chunk in found if chunk)
    path = chunks[0].heading_path
    before, after = _near(generation, book_id, first - 1, path), _near(generation, book_id, last + 1, path)
    while before or after:
        if before and chunks[-1].end - before.start <= SECTION:
            chunks.appendleft(before)
            before = _near(generation, book_id, before.ordinal - 1, path)
        else:
            before = None
        if after and after.end - chunks[0].start <= SECTION:
            chunks.append(after)
            after = _near(generation, book_id, after.ordinal + 1, path)
        else:
            after = None
    return list(chunks)


def _near(generation: Generation, book_id: str, ordinal: int, path: tuple[str, ...]) -> Chunk | None:
    """The chunk at a place in the book, if it stands under `path`."""
    chunk = generation.store.at(book_id, ordinal)
    return chunk if chunk and chunk.heading_path == path else None
