"""Hybrid retrieval: a keyword leg and a dense leg, fused by rank."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict

from core.settings import RetrievalSettings
from core.types import Passage, Scope
from rag.scope import books_of
from rag.shelf import Shelf, Shelves
from vector_db.embedder import SentenceEmbedder
from vector_db.lexical import LexicalIndex, index_terms
from vector_db.reader import Generation, LiveKnowledgeBase
from vector_db.tokenizer import tokens
from vector_db.writer import heading_of

# 链 is a part of many words: finding it is weak evidence beside finding 链表.
_SINGLE_CHARACTER = 0.6


def reciprocal_rank_fusion(legs: Sequence[tuple[float, Sequence[str]]], k: int) -> dict[str, float]:
    """Fused scores of ids from weighted rankings, best rank first: sum of weight / (k + rank).

    Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet", SIGIR 2009.
    """
    scores: dict[str, float] = {}
    for weight, ranking in legs:
        for rank, id_ in enumerate(ranking, 1):
            scores[id_] = scores.get(id_, 0.0) + weight / (k + rank)
    return scores


def coverage(question: Mapping[str, float], passage: Sequence[str]) -> float:
    """Share of the question's weight that the passage's terms cover, 0 to 1; 0 for no weight."""
    total = sum(question.values())
    present = set(passage)
    return sum(weight for term, weight in question.items() if term in present) / total if total else 0.0


def term_weights(question: str, lexical: LexicalIndex) -> dict[str, float]:
    """Inverse document frequency of each term of the question; a single Chinese character says less."""
    return {term: lexical.idf(term) * _character_weight(term) for term in tokens(question)}


def _character_weight(term: str) -> float:
    return _SINGLE_CHARACTER if len(term) == 1 and not term.isascii() else 1.0


class Retriever:
    """Finds passages in one generation."""

    def __init__(self, embedder: SentenceEmbedder | None, settings: RetrievalSettings, max_unknown_rate: float) -> None:
        self._embedder = embedder
        self._settings = settings
        self._max_unknown_rate = max_unknown_rate
        self._shelves = Shelves()

    def search(
        self, generation: Generation, question: str, top_k: int, books: frozenset[str] | None = None
    ) -> list[Passage]:
        """The `top_k` best passages, best first; none when no leg finds anything. books: ids of those to search."""
        shelf = None if books is None else self._shelves.of(generation, books)
        keyword = self._keyword_leg(generation, question, shelf)
        cosines = self._dense_leg(generation, question, shelf)
        legs = [(1.0, keyword), (self._settings.dense_weight, list(cosines))]
        fused = reciprocal_rank_fusion(legs, self._settings.rrf_k)
        best = sorted(fused, key=lambda id_: (-fused[id_], generation.row_of[id_]))[:top_k]
        weights = term_weights(question, generation.lexical)
        passages: list[Passage] = []
        for chunk in generation.store.get(best):
            book = generation.books[chunk.book_id]
            terms = index_terms(heading_of(book.title, chunk.heading_path), chunk.reading)
            relevance = _relevance(coverage(weights, terms), cosines.get(chunk.id))
            passages.append(Passage(chunk, book, round(fused[chunk.id], 6), round(relevance, 4)))
        return passages

    def _keyword_leg(self, generation: Generation, question: str, shelf: Shelf | None) -> list[str]:
        scores = generation.lexical.scores(tokens(question))
        if shelf is not None:
            scores = np.where(shelf.mask, scores, np.float32(0))
        count = min(self._settings.candidates, len(scores))
        rows = np.argpartition(-scores, count - 1)[:count] if count else np.zeros(0, dtype=int)
        ranked = sorted((row for row in rows if scores[row] > 0), key=lambda row: (-scores[row], row))
        return [generation.ids[row] for row in ranked]

    def _dense_leg(self, generation: Generation, question: str, shelf: Shelf | None) -> dict[str, float]:
        """Cosines by chunk id, best first; empty when the embedder cannot read the question."""
        if self._embedder is None or not generation.manifest.vectors:
            return {}
        if self._embedder.unknown_rate(question) > self._max_unknown_rate:
            return {}
        vector = self._embedder.embed_query(question)
        if shelf is not None:
            return shelf.nearest(vector, self._settings.candidates)
        return dict(generation.dense.nearest(vector, self._settings.candidates))


def _relevance(covered: float, cosine: float | None) -> float:
    """Coverage of the question's terms, helped by the cosine where the embedder could read both.

    The cosine alone proves nothing: passages on a neighbouring subject reach 0.5 without a word in common.
    """
    if cosine is None:
        return covered
    return max(covered, (covered + min(1.0, max(0.0, cosine))) / 2)


class KebenRetriever(BaseRetriever):
    """A knowledge base as a LangChain retriever, for chains of your own. books, subjects: as in `Scope`."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    knowledge_base: LiveKnowledgeBase
    retriever: Retriever
    top_k: int
    books: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        with self.knowledge_base.generation() as generation:
            books = books_of(Scope(self.books, self.subjects), generation.books.values())
            return [_document(passage) for passage in self.retriever.search(generation, query, self.top_k, books)]


def _document(passage: Passage) -> Document:
    chunk, book = passage.chunk, passage.book
    metadata: dict[str, Any] = {
        "book": book.title,
        "source": book.source,
        "heading_path": list(chunk.heading_path),
        "page": chunk.page,
        "page_label": chunk.page_label,
        "start": chunk.start,
        "end": chunk.end,
        "score": passage.score,
        "relevance": passage.relevance,
    }
    return Document(page_content=chunk.text, metadata=metadata, id=chunk.id)
