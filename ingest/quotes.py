"""A quote as it is looked for on a page: by its letters and digits alone. Pure."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from core.text import compatible
from core.types import Page


@dataclass(frozen=True, slots=True)
class Quote:
    """Text of a book. nth: how many times the same stands before it on its page."""

    text: str
    nth: int = 0


def quote_at(pages: Sequence[tuple[Page, str]], start: int, end: int, number: int) -> Quote:
    """What `[start, end)` of a book's text has on its page `number`; empty where it has nothing there.

    pages: of the book, with their texts.
    """
    for page, text in pages:
        if page.number == number:
            begin, stop = max(start - page.start, 0), max(end - page.start, 0)
            quoted = text[begin:stop]
            wanted = letters(quoted)[0]
            return Quote(quoted, letters(text[:begin])[0].count(wanted) if wanted else 0)
    return Quote("")


def letters(text: str) -> tuple[str, list[int]]:
    """The letters and digits of `text` without regard to their form, and where in it each has stood.

    What is left out differs between a page and the text that was extracted from it: spaces, ends of lines, hyphens,
    accents set apart, invisible characters, borders of tables. So do radicals, ligatures and full-width forms.
    """
    found: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        plain = _plain(char)
        found.append(plain)
        places += [place] * len(plain)
    return "".join(found), places


@lru_cache(maxsize=16384)
def _plain(char: str) -> str:
    folded = unicodedata.normalize("NFKD", compatible(char)).casefold()
    return "".join(each for each in folded if unicodedata.category(each)[0] in "LN")
