"""What a run of answers and their citations found, as it is saved. Pure functions."""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from evaluate import overlap
from evaluate.intervals import Array, intervals
from evaluate.records import Record, Score, Served, score

FORMAT: Literal["keben-citations-1"] = "keben-citations-1"
MEASURES = ("answered", "with_citation", "quote_verbatim", "gold_cited", *overlap.MEASURES)


class CitationResult(Record):
    """One citation. verbatim: the quote is on the cited page of the stored book. gold: its passage holds the gold."""

    source: str
    page: int | None
    page_label: str | None
    quote: str
    verbatim: bool
    gold: bool


class Share(Record):
    """A part of `whole` things."""

    part: float
    whole: int


class AnswerResult(Record):
    """One question. key: as in `Query`. shares: by name of the measure; those that do not apply are left out.

    missing: gold items that the knowledge base does not hold at all.
    """

    qid: str
    key: str
    query: str
    language: str
    refused: bool
    reason: str | None
    answer: str
    citations: tuple[CitationResult, ...]
    shares: dict[str, Share]
    missing: tuple[str, ...] = ()


class AnswerGroup(Record):
    """The scores of some of the questions, by name of the measure; those that apply to none are left out.

    answered: how many questions were answered. citations: how many the answers have.
    """

    name: str
    questions: int
    answered: int
    citations: int
    scores: dict[str, Score]


class CitationsResult(Record):
    """One run. model: what wrote the answers. groups: all questions, then each language where there are several."""

    format: Literal["keben-citations-1"] = FORMAT
    served: Served
    model: str
    query_set: str
    groups: tuple[AnswerGroup, ...]
    answers: tuple[AnswerResult, ...]


def answer_groups(answers: Sequence[AnswerResult]) -> tuple[AnswerGroup, ...]:
    """The scores of all answers, at least one, and of each language where there are several."""
    languages = sorted({answer.language for answer in answers})
    groups = [_group("all", answers)]
    if len(languages) > 1:
        groups += [_group(f"language {name}", [one for one in answers if one.language == name]) for name in languages]
    return tuple(groups)


def _group(name: str, answers: Sequence[AnswerResult]) -> AnswerGroup:
    found = {measure: _score(answers, measure) for measure in MEASURES}
    return AnswerGroup(
        name=name,
        questions=len(answers),
        answered=sum(not answer.refused for answer in answers),
        citations=sum(len(answer.citations) for answer in answers),
        scores={measure: score for measure, score in found.items() if score},
    )


def _score(answers: Iterable[AnswerResult], measure: str) -> Score | None:
    """The ratio of all parts to all wholes; None when there is nothing to measure."""
    shares = [answer.shares[measure] for answer in answers if measure in answer.shares]
    rows = np.array([(share.part, share.whole) for share in shares if share.whole], dtype=np.float64)
    return score(intervals(_ratio, [rows])["ratio"]) if len(rows) else None


def _ratio(strata: Sequence[Array]) -> dict[str, float]:
    part, whole = strata[0].sum(axis=0)
    return {"ratio": part / whole}
