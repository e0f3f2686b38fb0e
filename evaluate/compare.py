"""What changed between a saved run and this one. Pure functions."""

from collections.abc import Sequence

from core.errors import ConfigError
from evaluate.intervals import bootstrap
from evaluate.records import Change, Comparison, Record, score
from evaluate.results import QueryResult, RetrievalResult


class Move(Record):
    """A query whose first relevant passage stands elsewhere now. Ranks from 1, None for not found."""

    qid: str
    query: str
    before: int | None
    now: int | None


class RetrievalComparison(Comparison):
    """better, worse: moved queries, the largest loss or gain of reciprocal rank first."""

    better: tuple[Move, ...]
    worse: tuple[Move, ...]


def compare(now: RetrievalResult, before: RetrievalResult) -> RetrievalComparison:
    """The differences of `now` from the baseline `before`, over the queries and the measures that both have.

    Raises ConfigError when they share no query (same id, question and gold) or no measure.
    """
    old = {result.key: result for result in before.queries}
    pairs = [(old[result.key], result) for result in now.queries if result.key in old]
    measures = [name for name in now.measures if name in before.measures]
    if not pairs or not measures:
        what = "query" if not pairs else "measure"
        raise ConfigError(
            f"the baseline ({before.query_set}) and this run ({now.query_set}) have no {what} in common",
            mend="compare runs of the same query set; a row whose question or gold was edited is another query",
        )
    limit = min(now.top_k, before.top_k)
    moves = sorted(((_gain(pair, limit), pair) for pair in pairs), key=lambda item: (-abs(item[0]), item[1][1].qid))
    return RetrievalComparison(
        baseline=before.served,
        compared=len(pairs),
        only_before=len(before.queries) - len(pairs),
        only_now=len(now.queries) - len(pairs),
        changes=tuple(_change(name, pairs) for name in measures),
        better=tuple(_move(pair, limit) for gain, pair in moves if gain > 0),
        worse=tuple(_move(pair, limit) for gain, pair in moves if gain < 0),
    )


_Pair = tuple[QueryResult, QueryResult]


def _within(rank: int | None, limit: int) -> int | None:
    """A rank that both runs could have seen."""
    return rank if rank is not None and rank <= limit else None


def _gain(pair: _Pair, limit: int) -> float:
    """Reciprocal rank now minus before, -1 to 1."""
    before, now = (_within(result.rank, limit) for result in pair)
    return (1 / now if now else 0.0) - (1 / before if before else 0.0)


def _move(pair: _Pair, limit: int) -> Move:
    before, now = pair
    return Move(qid=now.qid, query=now.query, before=_within(before.rank, limit), now=_within(now.rank, limit))


def _change(measure: str, pairs: Sequence[_Pair]) -> Change:
    before = [old.values[measure] for old, _ in pairs]
    now = [new.values[measure] for _, new in pairs]
    return Change(
        measure=measure,
        before=sum(before) / len(before),
        now=sum(now) / len(now),
        difference=score(bootstrap([right - left for left, right in zip(before, now, strict=True)])),
    )
