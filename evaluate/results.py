"""What a run found, as it is saved and compared."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.errors import ConfigError
from evaluate.measures import bootstrap

FORMAT: Literal["keben-retrieval-1"] = "keben-retrieval-1"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class QueryResult(_Record):
    """One query. key: as in `Query`. rank: of the first relevant passage, from 1; None: not among the first top_k.

    subject: of the book that holds the gold, None where that is not known. values: by name of the measure.
    missing: gold items that the knowledge base does not hold at all, so that nothing could have found them.
    """

    qid: str
    key: str
    query: str
    language: str
    subject: str | None = None
    rank: int | None = Field(None, ge=1)
    values: dict[str, float]
    missing: tuple[str, ...] = ()


class Score(_Record):
    """A mean over queries with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


class Group(_Record):
    """The scores of some of the queries, by name of the measure. queries: how many."""

    name: str
    queries: int
    scores: dict[str, Score]


class RetrievalResult(_Record):
    """One run. settings: of retrieval. top_k: passages looked at. measures: names, in order.

    languages, subjects: sorted by name.
    """

    format: Literal["keben-retrieval-1"] = FORMAT
    kb: str
    generation: str
    embedder: str
    settings: dict[str, int | float | str | bool | None]
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
    scores: dict[str, Score] = {}
    for measure in measures:
        interval = bootstrap([result.values[measure] for result in results])
        scores[measure] = Score(mean=interval.mean, low=interval.low, high=interval.high)
    return Group(name=name, queries=len(results), scores=scores)


def grouped(named: Iterable[tuple[str | None, QueryResult]], measures: Sequence[str]) -> tuple[Group, ...]:
    """One group a name, sorted by name; results without one are left out."""
    members: dict[str, list[QueryResult]] = {}
    for name, result in named:
        if name is not None:
            members.setdefault(name, []).append(result)
    return tuple(group(name, members[name], measures) for name in sorted(members))


def save_result(result: RetrievalResult, path: Path) -> None:
    """Write `result` as JSON; raises ConfigError."""
    write_text(path, result.model_dump_json(indent=1) + "\n")


def load_result(path: Path) -> RetrievalResult:
    """A saved run; raises ConfigError when it is none."""
    mend = "name a file that `keben eval retrieval --save` wrote"
    try:
        return RetrievalResult.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"the baseline {path} cannot be read: {error.strerror}", mend=mend) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the baseline {path} is not UTF-8: {error}", mend=mend) from error
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"])) or "the file"
        raise ConfigError(f"the baseline {path} is not a saved run: {place}: {fault['msg']}", mend=mend) from error


def check_writable(path: Path) -> None:
    """Raise ConfigError before minutes of work if `path` has no folder, or is one."""
    if path.is_dir() or not path.parent.is_dir():
        raise ConfigError(f"{path} cannot be written", mend="name a file in a folder that exists")


def write_text(path: Path, text: str) -> None:
    """Write a file; raises ConfigError."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}", mend="name another file") from error
