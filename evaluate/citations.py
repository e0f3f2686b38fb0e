"""Measures the answers of a published knowledge base: whether they are given, and their citations true and right."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing

from core.errors import ConfigError
from core.settings import Settings
from core.types import Answer, Citation
from evaluate.citation_results import AnswerResult, CitationResult, CitationsResult, Share, answer_groups
from evaluate.gold import is_relevant
from evaluate.overlap import contained, overlaps
from evaluate.places import Places
from evaluate.queries import Query
from evaluate.records import served
from rag.answer import Question
from rag.build import build_answerer, build_embedder, build_writing
from vector_db.library import open_knowledge_base

# Wraps the queries to draw progress; gives them back in order.
Track = Callable[[Sequence[Query]], Iterable[Query]]


def evaluate_citations(
    settings: Settings, kb: str, queries: Sequence[Query], *, query_set: str, track: Track = iter
) -> CitationsResult:
    """Ask every query of the knowledge base `kb`, written by the model that the settings name, and check the answers.

    query_set: what the queries are called in the result. Gold that the knowledge base does not hold counts as not
    cited, and is named in the result. Raises ConfigError when there are no queries or none of the gold is there,
    KnowledgeBaseError when `kb` cannot be served, ModelError when the model cannot.
    """
    if not queries:
        raise ConfigError(f"{query_set} holds no queries", mend="name a query set that is not empty")
    base = open_knowledge_base(settings, kb)
    try:
        with base.generation() as generation:
            places, manifest = Places(generation), generation.manifest
            places.require_some(queries, base.name)
            with closing(build_writing(settings)) as writing:
                answerer = build_answerer(settings, build_embedder(settings, [base]), writing)
                asked = [(query, answerer.ask(base, Question(query.text))) for query in track(queries)]
            answers = tuple(check(query, answer, places) for query, answer in asked)
    finally:
        base.close()
    return CitationsResult(
        served=served(base.name, manifest, settings.retrieval),
        model=asked[0][1].model,
        query_set=query_set,
        groups=answer_groups(answers),
        answers=answers,
    )


def check(query: Query, answer: Answer, places: Places) -> AnswerResult:
    """What is true of an answer and its citations, by the stored book and the query's gold."""
    citations = tuple(_check_citation(citation, query, places) for citation in answer.citations)
    return AnswerResult(
        qid=query.qid,
        key=query.key,
        query=query.text,
        language=query.language,
        refused=answer.refused,
        reason=answer.reason,
        answer=answer.answer,
        citations=citations,
        shares=_shares(query, answer, citations),
        missing=places.missing(query),
    )


def _check_citation(citation: Citation, query: Query, places: Places) -> CitationResult:
    pages = places.pages(citation.source, citation.page, citation.page_label)
    units = places.units(citation.source, citation.start, citation.end)
    if query.gold:
        holds = any(is_relevant(gold, unit) for gold in query.gold for unit in units)
    else:
        holds = any(contained(gold, unit.text) for gold in query.answers for unit in units)
    return CitationResult(
        source=citation.source,
        page=citation.page,
        page_label=citation.page_label,
        quote=citation.quote,
        verbatim=bool(citation.quote) and any(citation.quote in text for text in pages),
        gold=holds,
    )


def _shares(query: Query, answer: Answer, citations: Sequence[CitationResult]) -> dict[str, Share]:
    """Of a refusal, only that it is none; of an answer, all that the query's gold lets one say."""
    shares = {"answered": Share(part=float(not answer.refused), whole=1)}
    if answer.refused:
        return shares
    verbatim = sum(citation.verbatim for citation in citations)
    shares["with_citation"] = Share(part=float(bool(citations)), whole=1)
    shares["quote_verbatim"] = Share(part=verbatim, whole=len(citations))
    shares["gold_cited"] = Share(part=float(any(citation.gold for citation in citations)), whole=1)
    found = overlaps(answer.answer, query.answers)
    return shares | {name: Share(part=value, whole=1) for name, value in found.items()}
