"""Measures retrieval of a published knowledge base, with the retriever that answers questions."""

from collections.abc import Callable, Iterable, Sequence

from core.errors import ConfigError
from core.settings import Settings
from evaluate.gold import first_ranks, unit_of
from evaluate.measures import measure_names, measured
from evaluate.places import Places
from evaluate.queries import Query
from evaluate.records import served
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
        places = Places(generation)
        places.require_some(queries, base.name)
        results = tuple(_ask(retriever, generation, places, query, top_k) for query in track(queries))
        manifest = generation.manifest
    measures = measure_names(top_k)
    return RetrievalResult(
        served=served(base.name, manifest, settings.retrieval.model_copy(update={"top_k": top_k})),
        query_set=query_set,
        top_k=top_k,
        measures=measures,
        overall=group("all", results, measures),
        languages=grouped(((result.language, result) for result in results), measures),
        subjects=grouped(((result.subject, result) for result in results), measures),
        queries=results,
    )


def _ask(retriever: Retriever, generation: Generation, places: Places, query: Query, top_k: int) -> QueryResult:
    passages = retriever.search(generation, query.text, top_k)
    ranks = first_ranks(query.gold, [unit_of(passage) for passage in passages])
    return QueryResult(
        qid=query.qid,
        key=query.key,
        query=query.text,
        language=query.language,
        subject=places.subject(query),
        ranks=ranks,
        relevance=passages[0].relevance if passages else 0.0,
        values=measured(ranks, top_k),
        missing=places.missing(query),
    )
