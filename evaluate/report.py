"""A run of retrieval as Markdown, for people and pull requests. Pure functions."""

from collections.abc import Sequence

from evaluate.compare import Move, RetrievalComparison
from evaluate.intervals import METHOD
from evaluate.markdown import against, cell, document, listing, origin, table
from evaluate.results import Group, RetrievalResult


def markdown(result: RetrievalResult, comparison: RetrievalComparison | None = None) -> str:
    """The report of `result`, and of what changed since the baseline."""
    return document(
        f"# Retrieval of `{result.served.kb}`",
        _about(result),
        _scores(result),
        *(_comparison(comparison) if comparison else ()),
        _not_found(result),
        _missing(result),
    )


def groups(result: RetrievalResult) -> list[tuple[str, Group]]:
    """All rows of the table of scores: label and group."""
    rows = [("all", result.overall)]
    rows += [(f"language {group.name}", group) for group in result.languages]
    return rows + [(f"subject {group.name}", group) for group in result.subjects]


def _about(result: RetrievalResult) -> str:
    return (
        f"{result.overall.queries} queries of `{result.query_set}`, {result.top_k} passages each.\n"
        f"{origin(result.served)}\nIn brackets: {METHOD}."
    )


def _scores(result: RetrievalResult) -> str:
    rows = [
        (label, str(group.queries), *(cell(group.scores[name]) for name in result.measures))
        for label, group in groups(result)
    ]
    return "## Scores\n\n" + table(("", "queries", *result.measures), rows)


def _comparison(comparison: RetrievalComparison) -> Sequence[str]:
    moved = f"First relevant passage higher for {len(comparison.better)}, lower for {len(comparison.worse)}."
    lower, higher = _moves("### Lower now", comparison.worse), _moves("### Higher now", comparison.better)
    return against(comparison), moved, lower, higher


def _moves(title: str, moves: Sequence[Move]) -> str:
    rows = [(move.qid, move.query, _rank(move.before), _rank(move.now)) for move in moves]
    return listing(title, ("id", "question", "rank before", "now"), rows)


def _not_found(result: RetrievalResult) -> str:
    rows = [(query.qid, query.query) for query in result.queries if query.rank is None and not query.missing]
    return listing(f"## Not among the first {result.top_k}", ("id", "question"), rows)


def _missing(result: RetrievalResult) -> str:
    """Gold that is not in the knowledge base: a fault of the set, of reading or of cutting, not of ranking."""
    rows = [(query.qid, query.query, ", ".join(query.missing)) for query in result.queries if query.missing]
    title = "## Gold that the knowledge base does not hold\n\nThese count as not found."
    return listing(title, ("id", "question", "gold"), rows)


def _rank(rank: int | None) -> str:
    return str(rank) if rank else "–"
