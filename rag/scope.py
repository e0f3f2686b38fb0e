"""Which books a question is about. Pure functions."""

from collections.abc import Collection, Iterable

from core.errors import ConfigError
from core.text import compatible
from core.types import Book, Scope

_SHOWN = 10


def books_of(scope: Scope, books: Collection[Book]) -> frozenset[str] | None:
    """Ids of the books in `scope`; None where it sets no bound.

    Raises ConfigError for a name that no book has, listing those there are, and when no book fits both bounds.
    """
    if not scope.books and not scope.subjects:
        return None
    for name in scope.books:
        _require(name, (title for book in books for title in (book.title, book.source)), "book", _titles(books))
    subjects = sorted({book.subject for book in books})
    for name in scope.subjects:
        _require(name, subjects, "subject", subjects)
    titles, wanted = set(map(_folded, scope.books)), set(map(_folded, scope.subjects))
    found = frozenset(
        book.id
        for book in books
        if (not titles or titles & {_folded(book.title), _folded(book.source)})
        and (not wanted or _folded(book.subject) in wanted)
    )
    if not found:
        raise ConfigError(
            f"none of the books {_listed(scope.books)} has the subject {_listed(scope.subjects)}",
            mend="leave one of the two out",
        )
    return found


def _require(name: str, names: Iterable[str], kind: str, offered: list[str]) -> None:
    if _folded(name) not in set(map(_folded, names)):
        more = ", …" if len(offered) > _SHOWN else ""
        mend = f"use one of {_listed(offered[:_SHOWN])}{more}"
        raise ConfigError(f"there is no {kind} '{name}' in this knowledge base", mend=mend)


def _titles(books: Iterable[Book]) -> list[str]:
    return [f"{book.title} ({book.source})" for book in sorted(books, key=lambda book: book.source)]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _folded(name: str) -> str:
    return compatible(name).strip().casefold()
