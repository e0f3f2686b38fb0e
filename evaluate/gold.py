"""Whether a passage is what a query wants. Pure functions; one rule for every system that is measured."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from core.text import plain
from core.types import Passage
from evaluate.queries import DocGold, Gold, PidGold, SpanGold, TextGold
from vector_db.tokenizer import normalise

# Five characters are rare enough, in Chinese and in English, that two unrelated texts share few of them.
_GRAM = 5
_SHARED = 0.6
# A shorter passage lies in many answers by chance, so it must hold the gold, not be held by it.
_LEAST_PASSAGE = 20


@dataclass(frozen=True, slots=True)
class Unit:
    """A retrieved stretch of a source file: `[start, end)` in characters. id: of the chunk, or empty."""

    id: str
    source: str
    start: int
    end: int
    text: str


def unit_of(passage: Passage) -> Unit:
    """What counts of a retrieved passage."""
    chunk = passage.chunk
    return Unit(chunk.id, passage.book.source, chunk.start, chunk.end, chunk.text)


def names(source: str) -> frozenset[str]:
    """What gold may call a source file: its path below the source folder, its name, its stem; in NFC."""
    path = PurePosixPath(unicodedata.normalize("NFC", source))
    return frozenset((str(path), path.name, path.stem))


def called(source: str, name: str) -> bool:
    """Whether `name` is one of the names of `source`."""
    return unicodedata.normalize("NFC", name) in names(source)


def is_relevant(gold: Gold, unit: Unit) -> bool:
    """Whether `unit` is, or holds part of, the gold item."""
    match gold:
        case PidGold(pid):
            return pid == unit.id or called(unit.source, pid)
        case SpanGold(doc, start, end):
            return called(unit.source, doc) and unit.start < end and start < unit.end
        case DocGold(doc):
            return called(unit.source, doc)
        case TextGold(text):
            return same_words(text, unit.text)


def first_ranks(golds: Sequence[Gold], ranking: Sequence[Unit]) -> tuple[int | None, ...]:
    """For each gold item the rank, from 1, of the first relevant unit, or None."""
    return tuple(
        next((rank for rank, unit in enumerate(ranking, 1) if is_relevant(gold, unit)), None) for gold in golds
    )


def same_words(gold: str, passage: str) -> bool:
    """Whether one text holds the other, or the shorter shares at least 60 % of its runs of five characters.

    Compared are letters and digits alone, without markup, width, case and script (Traditional or Simplified). The share
    is the overlap coefficient, which lets a passage be a part of the gold or the gold a part of the passage.
    """
    wanted, found = _letters(gold), _letters(passage)
    if not wanted or not found:
        return False
    if wanted in found:
        return True
    if min(len(wanted), len(found)) < _LEAST_PASSAGE:
        return False
    left, right = _grams(wanted), _grams(found)
    return len(left & right) >= _SHARED * min(len(left), len(right))


@lru_cache(maxsize=4096)
def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, normalise(plain(text))))


@lru_cache(maxsize=4096)
def _grams(letters: str) -> frozenset[str]:
    return frozenset(letters[i : i + _GRAM] for i in range(len(letters) - _GRAM + 1))
