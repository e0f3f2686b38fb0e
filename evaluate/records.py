"""What all saved runs have in common."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from core.settings import RetrievalSettings
from evaluate.intervals import Interval
from vector_db.manifest import Manifest


class Record(BaseModel):
    """Frozen, and closed: a file of another form is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Score(Record):
    """A measure over questions with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


class Served(Record):
    """What was asked. settings: of retrieval."""

    kb: str
    generation: str
    embedder: str
    settings: dict[str, int | float | str | bool | None]


class Change(Record):
    """A measure over the questions of both runs. difference: now minus before, paired by question.

    The change is `certain` when the 95 % interval of the difference does not hold 0.
    """

    measure: str
    before: float
    now: float
    difference: Score

    @property
    def certain(self) -> bool:
        """Whether chance alone is an unlikely cause."""
        return self.difference.low > 0 or self.difference.high < 0


class Comparison(Record):
    """The differences from a baseline, over the questions that both runs have.

    only_before, only_now: questions that the other run does not have; they are left out of `changes`.
    """

    baseline: Served
    compared: int
    only_before: int
    only_now: int
    changes: tuple[Change, ...]


def score(interval: Interval) -> Score:
    """An interval as it is saved."""
    return Score(mean=interval.mean, low=interval.low, high=interval.high)


def scores(intervals: Mapping[str, Interval]) -> dict[str, Score]:
    """Intervals by name, as they are saved."""
    return {name: score(interval) for name, interval in intervals.items()}


def served(kb: str, manifest: Manifest, settings: RetrievalSettings) -> Served:
    """The generation of `manifest`, asked under `settings`."""
    return Served(kb=kb, generation=manifest.id, embedder=manifest.embedding.model, settings=settings.model_dump())
