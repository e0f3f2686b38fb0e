"""The passages that a question may mean: the best of a keyword leg and of a dense leg, and what speaks for each."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.text import language_of
from rag.matching import match
from rag.search_terms import SearchTerms, search_terms
from vector_db.embedder import Embedder, bundled_embedder
from vector_db.manifest import CosineScale
from vector_db.reader import Generation

# In the order of the columns of `Candidates.features`; `Candidates` says what they are.
FEATURES = ("keywords", "evidence", "anywhere", "stretch_20", "stretch_40", "exact", "section", "cosine", "foreign")
_SECTION = 3
_FEW = 1e-9
Numbers = NDArray[np.intp]
Features = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Candidates:
    """rows: of the chunks, shape (n,). features: shape (n, len(FEATURES)).

    keywords: BM25 as a share of what a passage full of the question's words would have, about 0 to 1. evidence: BM25
    in words that stand in one passage alone: many rare words in common are no chance. anywhere,
    stretch_20, stretch_40, exact: as in `matching.Matches`. section: mean `keywords` of the three best others of the
    same top section. cosine: of the embeddings, in standard deviations from what passages at random have; 0 where the
    embedder could not read the question or the passage. foreign: 1 for a passage of a book in the other language.
    """

    terms: SearchTerms
    rows: Numbers
    features: Features


class CandidateFinder:
    """Collects candidates in a generation. embedder: of the dense leg; None: keywords alone."""

    def __init__(self, embedder: Embedder | None, each: int, max_unknown_rate: float) -> None:
        """each: how many a leg takes."""
        self._embedder = embedder
        self._each = each
        self._max_unknown_rate = max_unknown_rate

    def find(
        self,
        generation: Generation,
        question: str,
        scale: CosineScale | None,
        *,
        books: Collection[str] | None = None,
        without: Numbers | None = None,
    ) -> Candidates:
        """Those of `question`. books: ids of the only books to look in. without: rows to leave out."""
        terms = search_terms(question, generation.lexical)
        scores = generation.lexical.scores(terms.all_names).astype(np.float64)
        allowed = _allowed(generation, books, without)
        if allowed is not None:
            scores[~allowed] = 0
        vector = self._vector(generation, question) if scale else None
        rows = np.union1d(_best(scores, self._each), self._nearest(generation, vector, allowed)).astype(np.intp)
        keywords = scores[rows] / max(terms.total, _FEW)
        evidence = scores[rows] / generation.lexical.highest_idf
        foreign = generation.languages[rows] != language_of(question)
        columns = (
            keywords,
            evidence,
            *_matches(generation, terms, rows, foreign),
            _section(generation.sections[rows], keywords),
            _cosines(generation, rows, vector, scale),
            foreign,
        )
        return Candidates(terms, rows, np.column_stack(columns))

    def _vector(self, generation: Generation, question: str) -> NDArray[np.float32] | None:
        """The question's embedding; None when the embedder cannot read it, or has read no book."""
        if self._embedder is None or not generation.manifest.vectors:
            return None
        if self._embedder.unknown_rate(question) > self._max_unknown_rate:
            return None
        vector = np.asarray(self._embedder.encode_queries([question])[0], dtype=np.float32)
        return vector if vector.any() else None

    def _nearest(
        self, generation: Generation, vector: NDArray[np.float32] | None, allowed: NDArray[np.bool_] | None
    ) -> Numbers:
        if vector is None:
            return np.zeros(0, dtype=np.intp)
        if allowed is None:
            found = generation.dense.nearest(vector, self._each)
            return np.array([generation.row_of[id_] for id_, _ in found], dtype=np.intp)
        # A graph cannot be asked for some books alone; over these every vector is compared.
        rows = np.flatnonzero(allowed & (generation.vector_rows >= 0))
        cosines = generation.vectors[generation.vector_rows[rows]] @ vector
        return rows[np.argsort(-cosines, kind="stable")[: self._each]]


def _allowed(
    generation: Generation, books: Collection[str] | None, without: Numbers | None
) -> NDArray[np.bool_] | None:
    """Which rows may be found; None for all."""
    if books is None and without is None:
        return None
    allowed = np.ones(len(generation.ids), dtype=bool) if books is None else generation.rows_of(books)
    if without is not None:
        allowed[without] = False
    return allowed


def _best(scores: Features, count: int) -> Numbers:
    """The rows of the best positive scores; of equal ones the first."""
    count = min(count, len(scores))
    rows = np.argpartition(-scores, count - 1)[:count] if count else np.zeros(0, dtype=np.intp)
    return rows[scores[rows] > 0]


def _matches(generation: Generation, terms: SearchTerms, rows: Numbers, foreign: NDArray[np.bool_]) -> Features:
    """anywhere, stretch_20, stretch_40, exact of every passage, shape (4, n)."""
    result = np.zeros((4, len(rows)))
    for other in (False, True):
        places = np.flatnonzero(foreign == other)
        found = match(terms, list(rows[places]), generation.lexical, bundled_embedder(), foreign=other)
        result[:, places] = (found.anywhere, found.stretch_20, found.stretch_40, found.exact)
    return result


def _section(sections: NDArray[np.int32], keywords: Features) -> Features:
    """For each passage the mean of the three best others of its section; 0 for one that is alone."""
    result = np.zeros(len(sections))
    for section in np.unique(sections):
        members = np.flatnonzero(sections == section)
        for at in members if len(members) > 1 else ():
            others = np.sort(keywords[members[members != at]])[-_SECTION:]
            result[at] = others.mean()
    return result


def _cosines(
    generation: Generation, rows: Numbers, vector: NDArray[np.float32] | None, scale: CosineScale | None
) -> Features:
    result = np.zeros(len(rows))
    if vector is not None and scale is not None:
        read = np.flatnonzero(generation.vector_rows[rows] >= 0)
        vectors = generation.vectors[generation.vector_rows[rows[read]]]
        known = vectors.any(axis=1)
        result[read[known]] = (vectors[known] @ vector - scale.mean) / scale.deviation
    return result
