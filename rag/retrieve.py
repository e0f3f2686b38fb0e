"""Hybrid retrieval: candidates of a keyword leg and of a dense leg, ranked by all that speaks for each."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from numpy.typing import NDArray
from pydantic import ConfigDict

from core.errors import REBUILD, GenerationCorrupt
from core.settings import RetrievalSettings
from core.types import Passage, Scope
from rag.candidates import CandidateFinder, Candidates
from rag.relevance import probabilities, rank_scores
from rag.scope import books_of
from rag.search_terms import search_terms
from vector_db.embedder import Embedder
from vector_db.lexical import LexicalIndex
from vector_db.manifest import Calibration
from vector_db.reader import Generation, LiveKnowledgeBase

# Two passages are one and the same text to a reader from this share of common words on.
_SAME = 0.9


class Reranker(Protocol):
    """Orders a few passages anew by reading each together with the question."""

    def rerank(self, question: str, passages: Sequence[Passage]) -> list[Passage]:
        """`passages`, best first."""


def coverage(question: Mapping[str, float], passage: Sequence[str]) -> float:
    """Share of the question's weight that the passage's terms cover, 0 to 1; 0 for no weight."""
    total = sum(question.values())
    present = set(passage)
    return sum(weight for term, weight in question.items() if term in present) / total if total else 0.0


def term_weights(question: str, lexical: LexicalIndex) -> dict[str, float]:
    """How much each term of the question says, and each other name of one."""
    terms = search_terms(question, lexical)
    names = {name: weight for weight, others in zip(terms.weights, terms.names, strict=True) for name in others}
    return {**{name: float(weight) for name, weight in names.items()}, **terms.by_term()}


class Retriever:
    """Finds passages in one generation; safe to share between threads."""

    def __init__(
        self,
        embedder: Embedder | None,
        settings: RetrievalSettings,
        max_unknown_rate: float,
        reranker: Reranker | None = None,
    ) -> None:
        self._finder = CandidateFinder(embedder, settings.candidates, max_unknown_rate)
        self._settings = settings
        self._reranker = reranker

    def search(
        self, generation: Generation, question: str, top_k: int, books: Collection[str] | None = None
    ) -> list[Passage]:
        """The `top_k` best passages, best first; none when no leg finds anything.

        books: ids of the only books to look in. Of passages with the same text only the best is given.
        """
        calibration = generation.manifest.calibration
        if calibration is None:
            raise GenerationCorrupt(f"{generation.folder} says nothing of what it refuses", mend=REBUILD)
        found = self._finder.find(generation, question, calibration.cosine, books=books)
        scores = rank_scores(found.features)
        order = [int(at) for at in np.argsort(-scores, kind="stable")]
        wanted = max(top_k, self._settings.rerank) if self._reranker else top_k
        best = _distinct(order, found, generation, wanted)
        passages = _passages(best, found, scores, generation, calibration)
        return self._reranker.rerank(question, passages)[:top_k] if self._reranker else passages


def _distinct(order: Sequence[int], found: Candidates, generation: Generation, count: int) -> list[int]:
    """The first `count` candidates of `order` that do not repeat an earlier one."""
    best: list[int] = []
    seen: list[set[int]] = []
    for at in order:
        if len(best) == count:
            break
        words = set(map(int, generation.lexical.stored.of_chunk(int(found.rows[at]))[1]))
        if not any(_alike(words, other) for other in seen):
            best.append(at)
            seen.append(words)
    return best


def _alike(one: set[int], other: set[int]) -> bool:
    return len(one & other) >= _SAME * max(len(one | other), 1)


def _passages(
    best: Sequence[int],
    found: Candidates,
    scores: NDArray[np.float64],
    generation: Generation,
    calibration: Calibration,
) -> list[Passage]:
    relevance = probabilities(found.features, calibration.relevance)
    chunks = generation.store.get([generation.ids[found.rows[at]] for at in best])
    return [
        Passage(chunk, generation.books[chunk.book_id], round(float(scores[at]), 6), round(float(relevance[at]), 4))
        for at, chunk in zip(best, chunks, strict=True)
    ]


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
