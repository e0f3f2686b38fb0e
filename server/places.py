"""A place in a book, and the section around it."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from core.errors import BookMissing
from core.types import Book, Chunk
from vector_db.reader import Generation

# Characters shown, the quote included: about three printed pages.
SECTION = 6000


@dataclass(frozen=True, slots=True)
class Place:
    """before + quote + after is the book's text, inside one section."""

    book: Book
    heading_path: tuple[str, ...]
    before: str
    quote: str
    after: str


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
    left, right, heading_path = _section(generation, book.id, first, last)
    before = generation.store.text(book.id, min(left, start), start)
    after = generation.store.text(book.id, end, max(right, end))
    return Place(book, heading_path, before, quote, after)


def _section(generation: Generation, book_id: str, first: int, last: int) -> tuple[int, int, tuple[str, ...]]:
    """Start and end of the chunks around `[first, last]` under the same headings, as far as there is room."""
    opening, closing = generation.store.at(book_id, first), generation.store.at(book_id, last)
    assert opening is not None and closing is not None
    path = opening.heading_path
    left, right = opening.start, closing.end
    before, after = _near(generation, book_id, first - 1, path), _near(generation, book_id, last + 1, path)
    while before or after:
        if before and right - before.start <= SECTION:
            left, first = before.start, first - 1
            before = _near(generation, book_id, first - 1, path)
        else:
            before = None
        if after and after.end - left <= SECTION:
            right, last = after.end, last + 1
            after = _near(generation, book_id, last + 1, path)
        else:
            after = None
    return left, right, path


def _near(generation: Generation, book_id: str, ordinal: int, path: tuple[str, ...]) -> Chunk | None:
    """The chunk at a place in the book, if it stands under `path`."""
    chunk = generation.store.at(book_id, ordinal)
    return chunk if chunk and chunk.heading_path == path else None
