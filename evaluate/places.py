"""Where gold and citations stand in one generation."""

from collections.abc import Iterable, Sequence

from core.errors import ConfigError
from core.types import Book
from evaluate.gold import Unit, called
from evaluate.queries import Gold, PidGold, Query, SpanGold, TextGold
from vector_db.reader import Generation


class Places:
    """Looks books and passages up by what gold or a citation calls them; one per run."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self._passages: dict[str, list[tuple[str, int, int]]] = {}

    def subject(self, query: Query) -> str | None:
        """Of the first gold item whose book is known. Gold that is only words names no book."""
        return next((book.subject for gold in query.gold for book in self._books(gold)), None)

    def missing(self, query: Query) -> tuple[str, ...]:
        """The gold items that no passage at all could be relevant to; gold that is only words is not looked for."""
        return tuple(str(gold) for gold in query.gold if self._is_missing(gold))

    def require_some(self, queries: Sequence[Query], kb: str) -> None:
        """Raise ConfigError when all gold of all queries is missing: the set belongs to other books."""
        golds = [gold for query in queries for gold in query.gold]
        if golds and all(map(self._is_missing, golds)):
            sources = sorted(book.source for book in self._generation.books.values())
            raise ConfigError(
                f"the knowledge base '{kb}' holds none of the gold of this set, for example {golds[0]}",
                mend=f"name the set of these books: {', '.join(sources[:5])}{', …' if len(sources) > 5 else ''}",
            )

    def units(self, source: str, start: int, end: int) -> list[Unit]:
        """The passages of the file `source` that hold a part of `[start, end)`."""
        books = [book for book in self._generation.books.values() if book.source == source]
        ids = [id_ for book in books for id_, left, right in self._spans(book) if left < end and start < right]
        return [Unit(chunk.id, source, chunk.start, chunk.end, chunk.text) for chunk in self._generation.store.get(ids)]

    def pages(self, source: str, number: int | None, label: str | None) -> Iterable[str]:
        """The stored texts of the pages of `source` that have this number and this label."""
        for book in self._generation.books.values():
            if book.source == source:
                for page, text in self._generation.store.pages(book.id):
                    if (page.number, page.label) == (number, label):
                        yield text

    def _is_missing(self, gold: Gold) -> bool:
        if isinstance(gold, TextGold):
            return False
        books = self._books(gold)
        if isinstance(gold, SpanGold):
            spans = (span for book in books for span in self._spans(book))
            return not any(start < gold.end and gold.start < end for _, start, end in spans)
        return not books

    def _books(self, gold: Gold) -> list[Book]:
        if isinstance(gold, TextGold):
            return []
        if isinstance(gold, PidGold) and gold.pid in self._generation.row_of:
            return [self._generation.books[chunk.book_id] for chunk in self._generation.store.get([gold.pid])]
        name = gold.pid if isinstance(gold, PidGold) else gold.doc
        return [book for book in self._generation.books.values() if called(book.source, name)]

    def _spans(self, book: Book) -> list[tuple[str, int, int]]:
        """Id, start and end of each passage."""
        if book.id not in self._passages:
            stretches = self._generation.store.stretches(book.id)
            self._passages[book.id] = [(id_, start, end) for id_, start, end, _ in stretches]
        return self._passages[book.id]
