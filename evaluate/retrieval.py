"""Measures retrieval of a published knowledge base, with the retriever that answers questions."""

from collections.abc import Callable, Iterable, Sequence

from core.errors import ConfigError
from core.settings import Settings
from core.types import Book
from evaluate.gold import called, first_ranks, unit_of
from evaluate.measures import first_rank, measure_names, measured
from evaluate.queries import Gold, PidGold, Query, SpanGold, TextGold
from evaluate.results import QueryResult, RetrievalResult, group, grouped
from rag.build import build_embedder, build_retriever
from rag.retrieve import Retriever
from vector_db.library import open_knowledge_base
from vector_db.reader import Generation, LiveKnowledgeBase

# Wraps the queries to draw progress; gives them back in order.
Track = Callable[[Sequence[Query]], Iterable[Query]]


def evaluate_retrieval(
    settings: Settings, kb: str, queries: Sequence[Query], *, query_set: str, top_k: int = 10, track: Track = iter
) -> RetrievalResult:
    """Ask every query of the knowledge base `kb` and measure the `top_k` passages that come back.

    query_set: what the queries are called in the result. All queries are asked of one generation. Gold that the
    knowledge base does not hold counts as not found, and is named in the result. Raises ConfigError when there are no
    queries or none of the gold is there, KnowledgeBaseError when `kb` cannot be served.
    """
    if not queries:
        raise ConfigError(f"{query_set} holds no queries", mend="name a query set that is not empty")
    base = open_knowledge_base(settings, kb)
    try:
        retriever = build_retriever(settings, build_embedder(settings, [base]))
        return _run(settings, base, retriever, queries, query_set=query_set, top_k=top_k, track=track)
    finally:
        base.close()


def _run(
    settings: Settings,
    base: LiveKnowledgeBase,
    retriever: Retriever,
    queries: Sequence[Query],
    *,
    query_set: str,
    top_k: int,
    track: Track,
) -> RetrievalResult:
    with base.generation() as generation:
        places = _Places(generation)
        places.require_some(queries, base.name)
        results = tuple(_ask(retriever, generation, places, query, top_k) for query in track(queries))
        manifest = generation.manifest
    measures = measure_names(top_k)
    return RetrievalResult(
        kb=base.name,
        generation=manifest.id,
        embedder=manifest.embedding.model,
        settings=settings.retrieval.model_dump(exclude={"top_k"}),
        query_set=query_set,
        top_k=top_k,
        measures=measures,
        overall=group("all", results, measures),
        languages=grouped(((result.language, result) for result in results), measures),
        subjects=grouped(((result.subject, result) for result in results), measures),
        queries=results,
    )


def _ask(retriever: Retriever, generation: Generation, places: "_Places", query: Query, top_k: int) -> QueryResult:
    passages = retriever.search(generation, query.text, top_k)
    ranks = first_ranks(query.gold, [unit_of(passage) for passage in passages])
    return QueryResult(
        qid=query.qid,
        key=query.key,
        query=query.text,
        language=query.language,
        subject=places.subject(query),
        rank=first_rank(ranks),
        values=measured(ranks, top_k),
        missing=tuple(str(gold) for gold in query.gold if places.is_missing(gold)),
    )


class _Places:
    """Where the gold stands in one generation."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self._passages: dict[str, list[tuple[int, int]]] = {}

    def subject(self, query: Query) -> str | None:
        """Of the first gold item whose book is known. Gold that is only words names no book."""
        return next((book.subject for gold in query.gold for book in self._books(gold)), None)

    def is_missing(self, gold: Gold) -> bool:
        """Whether no passage at all could be relevant; not looked into for gold that is only words."""
        if isinstance(gold, TextGold):
            return False
        books = self._books(gold)
        if isinstance(gold, SpanGold):
            spans = (span for book in books for span in self._spans(book))
            return not any(start < gold.end and gold.start < end for start, end in spans)
        return not books

    def require_some(self, queries: Sequence[Query], kb: str) -> None:
        """Raise ConfigError when all gold of all queries is missing: the set belongs to other books."""
        golds = [gold for query in queries for gold in query.gold]
        if all(self.is_missing(gold) for gold in golds):
            sources = sorted(book.source for book in self._generation.books.values())
            raise ConfigError(
                f"the knowledge base '{kb}' holds none of the gold of this set, for example {golds[0]}",
                mend=f"name the set of these books: {', '.join(sources[:5])}{', …' if len(sources) > 5 else ''}",
            )

    def _books(self, gold: Gold) -> list[Book]:
        if isinstance(gold, TextGold):
            return []
        if isinstance(gold, PidGold) and gold.pid in self._generation.row_of:
            return [self._generation.books[chunk.book_id] for chunk in self._generation.store.get([gold.pid])]
        name = gold.pid if isinstance(gold, PidGold) else gold.doc
        return [book for book in self._generation.books.values() if called(book.source, name)]

    def _spans(self, book: Book) -> list[tuple[int, int]]:
        if book.id not in self._passages:
            chunks = self._generation.store.of_book(book.id)
            self._passages[book.id] = [(chunk.start, chunk.end) for chunk, _ in chunks]
        return self._passages[book.id]
