"""A run as Markdown, for people and pull requests. Pure functions."""

from collections.abc import Iterable, Sequence

from evaluate.compare import Comparison, Move
from evaluate.measures import LEVEL, RESAMPLES, SEED
from evaluate.results import Group, QueryResult, RetrievalResult, Score

_MOST_ROWS = 20


def markdown(result: RetrievalResult, comparison: Comparison | None = None) -> str:
    """The report of `result`, and of what changed since the baseline."""
    parts = [
        f"# Retrieval of `{result.kb}`",
        _about(result),
        _scores(result),
        *([_comparison(comparison)] if comparison else []),
        _not_found(result),
        _missing(result),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def cell(score: Score) -> str:
    """`0.612 (0.581–0.640)`: mean and interval."""
    return f"{score.mean:.3f} ({score.low:.3f}–{score.high:.3f})"


def signed(score: Score) -> str:
    """`+0.012 (-0.003 to +0.027)`: difference and interval."""
    return f"{score.mean:+.3f} ({score.low:+.3f} to {score.high:+.3f})"


def groups(result: RetrievalResult) -> list[tuple[str, Group]]:
    """All rows of the table of scores: label and group."""
    rows = [("all", result.overall)]
    rows += [(f"language {group.name}", group) for group in result.languages]
    return rows + [(f"subject {group.name}", group) for group in result.subjects]


def _about(result: RetrievalResult) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in result.settings.items())
    return (
        f"{result.overall.queries} queries of `{result.query_set}`, {result.top_k} passages each.\n"
        f"Generation `{result.generation}`, embedder `{result.embedder}`; {settings}.\n"
        f"In brackets: {LEVEL:.0%} percentile bootstrap interval over queries ({RESAMPLES:,} resamples, seed {SEED})."
    )


def _scores(result: RetrievalResult) -> str:
    rows = [
        (label, str(group.queries), *(cell(group.scores[name]) for name in result.measures))
        for label, group in groups(result)
    ]
    return "## Scores\n\n" + _table(("", "queries", *result.measures), rows)


def _comparison(comparison: Comparison) -> str:
    rows = [
        (
            change.measure,
            f"{change.before:.3f}",
            f"{change.now:.3f}",
            signed(change.difference),
            "yes" if change.certain else "no",
        )
        for change in comparison.changes
    ]
    head = (
        f"## Against the baseline\n\n{comparison.compared} queries in both runs; {comparison.only_before} only in the "
        f"baseline (`{comparison.baseline_kb}`, generation `{comparison.baseline_generation}`), "
        f"{comparison.only_now} only in this one.\n"
        f"First relevant passage higher for {len(comparison.better)}, lower for {len(comparison.worse)}."
    )
    table = _table(("", "before", "now", "difference", "interval excludes 0"), rows)
    moved = (_moves("Lower now", comparison.worse), _moves("Higher now", comparison.better))
    return "\n\n".join(part for part in (head, table, *moved) if part)


def _moves(title: str, moves: Sequence[Move]) -> str:
    if not moves:
        return ""
    rows = [(move.qid, move.query, _rank(move.before), _rank(move.now)) for move in moves[:_MOST_ROWS]]
    return f"### {title}\n\n" + _table(("id", "question", "rank before", "now"), rows) + _more(len(moves))


def _not_found(result: RetrievalResult) -> str:
    lost = [query for query in result.queries if query.rank is None and not query.missing]
    return _queries(f"Not among the first {result.top_k}", lost)


def _missing(result: RetrievalResult) -> str:
    """Gold that is not in the knowledge base: a fault of the set, of reading or of cutting, not of ranking."""
    absent = [query for query in result.queries if query.missing]
    rows = [(query.qid, query.query, ", ".join(query.missing)) for query in absent[:_MOST_ROWS]]
    if not rows:
        return ""
    title = "## Gold that the knowledge base does not hold\n\nThese count as not found.\n\n"
    return title + _table(("id", "question", "gold"), rows) + _more(len(absent))


def _queries(title: str, queries: Sequence[QueryResult]) -> str:
    if not queries:
        return ""
    rows = [(query.qid, query.query) for query in queries[:_MOST_ROWS]]
    return f"## {title}\n\n" + _table(("id", "question"), rows) + _more(len(queries))


def _more(count: int) -> str:
    return f"\n\n… and {count - _MOST_ROWS} more." if count > _MOST_ROWS else ""


def _rank(rank: int | None) -> str:
    return str(rank) if rank else "–"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines)


def _escaped(text: str) -> str:
    """Text that cannot break out of its cell, or become markup."""
    shown = " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")
    return shown.replace("<", "&lt;").replace("`", "\\`").replace("](", "]\\(")
