"""What a run of refusal found, as it is saved and compared. Pure functions."""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from evaluate.decisions import at_threshold, best_threshold, decision_measures
from evaluate.intervals import Array, intervals
from evaluate.questions import REJECT_KINDS, Kind
from evaluate.records import Record, Score, Served, scores

FORMAT: Literal["keben-refusal-1"] = "keben-refusal-1"


class ScoredQuestion(Record):
    """One question. key: as in `Labelled`. score: relevance of the best passage, 0 when there was none.

    passage: book and headings of that passage.
    """

    id: str
    key: str
    question: str
    language: str
    kind: Kind
    score: float = Field(ge=0, le=1)
    passage: str = ""


class RefusalGroup(Record):
    """The scores of some of the questions, by name of the measure.

    accept, reject: how many questions there are. accepted, wrongly_accepted: how many of each the threshold accepts.
    """

    name: str
    accept: int
    reject: int
    accepted: int
    wrongly_accepted: int
    scores: dict[str, Score]


class Threshold(Record):
    """A threshold over all questions, and the measures there."""

    value: float
    accepted: int
    wrongly_accepted: int
    precision: float
    recall: float
    f1: float


class RefusalResult(Record):
    """One run. groups: all questions, then each kind of question to refuse, then each language.

    threshold: as it is served. best_in_sample: the threshold whose F1 is highest on these very questions.
    """

    format: Literal["keben-refusal-1"] = FORMAT
    served: Served
    accept_set: str
    reject_set: str
    threshold: Threshold
    best_in_sample: Threshold
    groups: tuple[RefusalGroup, ...]
    questions: tuple[ScoredQuestion, ...]

    @property
    def wrongly_accepted(self) -> list[ScoredQuestion]:
        """Questions to refuse that are answered, the highest score first."""
        wrong = [one for one in self.questions if one.kind != "accept" and one.score >= self.threshold.value]
        return sorted(wrong, key=lambda one: -one.score)

    @property
    def wrongly_refused(self) -> list[ScoredQuestion]:
        """Questions to accept that are refused, the lowest score first."""
        wrong = [one for one in self.questions if one.kind == "accept" and one.score < self.threshold.value]
        return sorted(wrong, key=lambda one: one.score)


Split = tuple[str, list[ScoredQuestion], list[ScoredQuestion]]


def splits(questions: Sequence[ScoredQuestion]) -> list[Split]:
    """The groups: name, questions to accept, questions to refuse. Kinds and languages only where there are several."""
    named = [("all", list(questions))]
    kinds = [kind for kind in REJECT_KINDS if any(one.kind == kind for one in questions)]
    if len(kinds) > 1:
        named += [(kind, [one for one in questions if one.kind in ("accept", kind)]) for kind in kinds]
    languages = sorted({one.language for one in questions})
    if len(languages) > 1:
        named += [(f"language {name}", [one for one in questions if one.language == name]) for name in languages]
    found = ((name, *_classes(some)) for name, some in named)
    return [(name, accept, reject) for name, accept, reject in found if accept and reject]


def refusal_group(split: Split, threshold: float) -> RefusalGroup:
    """The scores of a group."""
    name, accept, reject = split
    found = intervals(
        lambda strata: decision_measures(strata[0], strata[1], threshold), [values_of(accept), values_of(reject)]
    )
    return RefusalGroup(
        name=name,
        accept=len(accept),
        reject=len(reject),
        accepted=_reaching(accept, threshold),
        wrongly_accepted=_reaching(reject, threshold),
        scores=scores(found),
    )


def threshold_of(questions: Sequence[ScoredQuestion], value: float) -> Threshold:
    """What a threshold does to all questions, at least one of each class."""
    accept, reject = _classes(questions)
    return Threshold(
        value=value,
        accepted=_reaching(accept, value),
        wrongly_accepted=_reaching(reject, value),
        **at_threshold(values_of(accept), values_of(reject), value),
    )


def best_in_sample(questions: Sequence[ScoredQuestion]) -> Threshold:
    """The threshold whose F1 is highest on these questions, at least one of each class."""
    accept, reject = _classes(questions)
    return threshold_of(questions, best_threshold(values_of(accept), values_of(reject)))


def values_of(questions: Iterable[ScoredQuestion]) -> Array:
    """Their scores."""
    return np.array([one.score for one in questions], dtype=np.float64)


def _classes(questions: Sequence[ScoredQuestion]) -> tuple[list[ScoredQuestion], list[ScoredQuestion]]:
    """Those to accept and those to refuse."""
    return [one for one in questions if one.kind == "accept"], [one for one in questions if one.kind != "accept"]


def _reaching(questions: Iterable[ScoredQuestion], threshold: float) -> int:
    return sum(one.score >= threshold for one in questions)
