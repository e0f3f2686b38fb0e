"""What a run of retrieval found, as it is saved and compared."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from evaluate.intervals import bootstrap
from evaluate.measures import first_rank
from evaluate.records import Record, Score, Served, score

FORMAT: Literal["keben-retrieval-2"] = "keben-retrieval-2"


class QueryResult(Record):
    """One query. key: as in `Query`.

    ranks: for each gold item that of the first relevant passage, from 1; None: not among the first top_k.
    relevance: of the first passage, 0 when there was none.
    subject: of the book that holds the gold, None where that is not known. values: by name of the measure.
    missing: gold items that the knowledge base does not hold at all, so that nothing could have found them.
    """

    qid: str
    key: str
    query: str
    language: str
    subject: str | None = None
    ranks: tuple[Annotated[int, Field(ge=1)] | None, ...] = Field(min_length=1)
    relevance: float = Field(ge=0, le=1)
    values: dict[str, float]
    missing: tuple[str, ...] = ()

    @property
    def rank(self) -> int | None:
        """Of the first passage that is relevant to any gold item."""
        return first_rank(self.ranks)


class Group(Record):
    """The scores of some of the queries, by name of the measure. queries: how many."""

    name: str
    queries: int
    scores: dict[str, Score]


class RetrievalResult(Record):
    """One run. top_k: passages looked at. measures: names, in order.

    languages, subjects: sorted by name.
    """

    format: Literal["keben-retrieval-2"] = FORMAT
    served: Served
    query_set: str
    top_k: int
    measures: tuple[str, ...]
    overall: Group
    languages: tuple[Group, ...]
    subjects: tuple[Group, ...]
    queries: tuple[QueryResult, ...]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for query in self.queries:
            if set(query.values) != set(self.measures):
                raise ValueError(f"query {query.qid!r} has other measures than the run")
        return self


def group(name: str, results: Sequence[QueryResult], measures: Sequence[str]) -> Group:
    """The scores of `results`, at least one."""
    scores = {measure: score(bootstrap([result.values[measure] for result in results])) for measure in measures}
    return Group(name=name, queries=len(results), scores=scores)


def grouped(named: Iterable[tuple[str | None, QueryResult]], measures: Sequence[str]) -> tuple[Group, ...]:
    """One group a name, sorted by name; results without one are left out."""
    members: dict[str, list[QueryResult]] = {}
    for name, result in named:
        if name is not None:
            members.setdefault(name, []).append(result)
    return tuple(group(name, members[name], measures) for name in sorted(members))
