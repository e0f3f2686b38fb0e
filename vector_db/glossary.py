"""Terms in two languages, from the books' own brackets: 死锁（deadlock）."""

from collections.abc import Iterable, Sequence

from vector_db.tokenizer import tokens

Stretch = tuple[int, int]


class Glossary:
    """Finds terms of a question that a book names in the other language too."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        """pairs: a Chinese term and its English name."""
        self._other: dict[tuple[str, ...], list[list[str]]] = {}
        for chinese, english in sorted(set(pairs)):
            one, other = tokens(chinese), tokens(english)
            if one and other:
                self._other.setdefault(tuple(one), []).append(other)
                self._other.setdefault(tuple(other), []).append(one)
        self._longest = max(map(len, self._other), default=0)

    def translations(self, terms: Sequence[str]) -> dict[Stretch, list[str]]:
        """By `[start, end)` in the terms of a question, what they are called in the other language.

        The longest term that begins at a place is the one that is meant.
        """
        found: dict[Stretch, list[str]] = {}
        start = 0
        while start < len(terms):
            ends = range(min(start + self._longest, len(terms)), start, -1)
            end = next((end for end in ends if tuple(terms[start:end]) in self._other), None)
            if end is None:
                start += 1
                continue
            named = self._other[tuple(terms[start:end])]
            found[start, end] = list(dict.fromkeys(term for name in named for term in name))
            start = end
        return found
