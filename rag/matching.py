"""How well passages match the words of a question, words of like meaning included.

For each word of the question the most similar word of a passage counts, by the cosine of their static embeddings
(Khattab and Zaharia, "ColBERT", SIGIR 2020, with vectors of words instead of vectors in context), weighted by how much
the word says. A stretch of 20 or 40 words that holds all of them says more than a passage over which they are strewn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag.search_terms import SearchTerms
from vector_db.lexical import LexicalIndex
from vector_db.static_model import StaticEmbedder

_BLOCK = 10  # words; a stretch is made of 2 or 4 blocks
_HEADING = 0.5  # what a word in the headings counts beside the words of a stretch
Matrix = NDArray[np.float32]
Numbers = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Matches:
    """For each passage, 0 to 1: what of the question it matches anywhere, and in its best stretch.

    exact: as `stretch_40`, counting the same words alone. Shape (passages,) each.
    """

    anywhere: Matrix
    stretch_20: Matrix
    stretch_40: Matrix
    exact: Matrix


def match(
    terms: SearchTerms, rows: Sequence[int], lexical: LexicalIndex, words: StaticEmbedder, *, foreign: bool = False
) -> Matches:
    """Match the question against the chunks in `rows`.

    words: embeds single words, as the index was written with. foreign: whether the chunks are in another language.
    """
    count = len(rows)
    if not terms.terms or not count:
        return Matches(*(np.zeros(count, dtype=np.float32) for _ in range(4)))
    passages = _Passages(rows, lexical)
    alike, same = _similarity(terms, passages.vocabulary, lexical, words, foreign=foreign)
    weights = (terms.weights / terms.total).astype(np.float32)
    anywhere = weights @ np.maximum(passages.in_body(alike), passages.in_heading(alike))
    return Matches(
        anywhere,
        passages.best_stretch(alike, weights, blocks=2),
        passages.best_stretch(alike, weights, blocks=4),
        passages.best_stretch(same, weights, blocks=4),
    )


def _similarity(
    terms: SearchTerms, vocabulary: Numbers, lexical: LexicalIndex, words: StaticEmbedder, *, foreign: bool
) -> tuple[Matrix, Matrix]:
    """Between each term of the question and each word of `vocabulary`, shape (terms, words): by meaning, and exactly.

    A term under another name is as good as the term itself.
    """
    names = terms.all_names
    place = {name: at for at, name in enumerate(names)}
    forms = [terms.written.get(name, name) for name in names] if foreign else names
    asked = words.encode(forms)
    if foreign:
        # Into another language only words lead that the embedder knows: what it puts together it knows by chance.
        asked *= np.array([not form.isascii() or words.knows(form) for form in forms], dtype=np.float32)[:, None]
    cosines = np.clip(asked @ (lexical.word_vectors[vocabulary].astype(np.float32).T / 127), 0, 1)
    numbers = np.array([-1 if (number := lexical.number(name)) is None else number for name in names])
    equal = (numbers[:, None] == vocabulary[None, :]).astype(np.float32)
    groups = [[place[name] for name in (term, *others)] for term, others in zip(terms.terms, terms.names, strict=True)]
    alike, same = (np.stack([values[group].max(axis=0) for group in groups]) for values in (cosines, equal))
    return np.maximum(alike, same), same


class _Passages:
    """The words of some chunks end to end, in blocks, as numbers into `vocabulary`."""

    def __init__(self, rows: Sequence[int], lexical: LexicalIndex) -> None:
        heads, bodies = zip(*(lexical.stored.of_chunk(row) for row in rows), strict=True)
        both = np.concatenate([*heads, *bodies])
        self.vocabulary: Numbers
        self.vocabulary, numbers = np.unique(both, return_inverse=True)
        middle = sum(map(len, heads))
        self._count = len(rows)
        self._heads, self._head_starts, self._head_owner = _stretches(numbers[:middle], heads, None)
        self._bodies, self._starts, self._owner = _stretches(numbers[middle:], bodies, _BLOCK)

    def in_heading(self, values: Matrix) -> Matrix:
        """The largest value of each term in the headings, shape (terms, passages); 0 without headings."""
        return self._spread(_largest(values, self._heads, self._head_starts), self._head_owner)

    def in_body(self, values: Matrix) -> Matrix:
        """The largest value of each term in the body, shape (terms, passages)."""
        return self._spread(_largest(values, self._bodies, self._starts), self._owner)

    def best_stretch(self, values: Matrix, weights: Matrix, blocks: int) -> Matrix:
        """The largest weighted sum of the terms over `blocks` blocks in a row, shape (passages,)."""
        best = np.zeros(self._count, dtype=np.float32)
        if not len(self._starts):
            return best
        largest = _largest(values, self._bodies, self._starts)
        stretch = largest.copy()
        for step in range(1, blocks):
            same = self._owner[step:] == self._owner[:-step]
            stretch[:, :-step] = np.maximum(stretch[:, :-step], np.where(same, largest[:, step:], 0))
        headings = _HEADING * self.in_heading(values)[:, self._owner]
        np.maximum.at(best, self._owner, weights @ np.maximum(stretch, headings))
        return best

    def _spread(self, values: Matrix, owner: Numbers) -> Matrix:
        result = np.zeros((len(values), self._count), dtype=np.float32)
        for at, row in enumerate(values):
            np.maximum.at(result[at], owner, row)
        return result


def _stretches(numbers: Numbers, parts: Sequence[Numbers], block: int | None) -> tuple[Numbers, Numbers, Numbers]:
    """`numbers`, where each block of them starts, and whose it is. block: words in one; None: all of a part."""
    starts: list[int] = []
    owner: list[int] = []
    begin = 0
    for at, part in enumerate(parts):
        if len(part):
            places = range(begin, begin + len(part), block or len(part))
            starts += places
            owner += [at] * len(places)
        begin += len(part)
    return numbers, np.array(starts, dtype=np.intp), np.array(owner, dtype=np.intp)


def _largest(values: Matrix, numbers: Numbers, starts: Numbers) -> Matrix:
    """The largest value of each term in each block, shape (terms, blocks)."""
    if not len(starts):
        return np.zeros((len(values), 0), dtype=np.float32)
    return np.asarray(np.maximum.reduceat(values[:, numbers], starts, axis=1), dtype=np.float32)
