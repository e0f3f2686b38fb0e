"""What an exam found, as it is saved and compared."""

from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import Field

from evaluate.exam.chance import guessing
from evaluate.exam.questions import ExamQuestion
from evaluate.intervals import bootstrap
from evaluate.loss_results import LossResult
from evaluate.records import Record, Score, Served, score

FORMAT: Literal["keben-exam-1"] = "keben-exam-1"
# chance: guessing. retrieval: what the passages support best. letter, text: the likeliest letter, and the likeliest
# option by its words, a byte. written: what the model writes.
Measure = Literal["chance", "retrieval", "letter", "text", "written"]
MEASURES: tuple[Measure, ...] = ("chance", "retrieval", "letter", "text", "written")
_SAID = 300


class Pick(Record):
    """chosen: a letter or a short answer; None where none could be read. right: 0 or 1, of guessing the probability.

    said: the beginning of what a model wrote.
    """

    chosen: str | None
    right: float = Field(ge=0, le=1)
    said: str = ""


class ExamRow(Record):
    """One question. key: as in `ExamQuestion`. options: how many, 0 for a short answer. picks: by measure."""

    id: str
    key: str
    subject: str
    language: str
    question: str
    options: int
    answers: tuple[str, ...]
    picks: dict[str, Pick]


class ExamGroup(Record):
    """The scores of some questions, by measure. chance: what guessing gets, None without a choice among them.

    unanswered: share of the questions for which nothing could be read; they count as wrong. counts: questions of each
    measure: only a model's own words answer a question without options.
    """

    name: str
    questions: int
    chance: Score | None
    counts: dict[str, int]
    scores: dict[str, Score]
    unanswered: dict[str, float]


class ExamResult(Record):
    """One run. model: its folder or name. served: the knowledge base that was searched. few_shot: most examples each.

    subjects: sorted by name. loss: on a file of its own, if one was given.
    """

    format: Literal["keben-exam-1"] = FORMAT
    solver: str
    model: str | None
    served: Served | None
    sets: tuple[str, ...]
    few_shot: int
    limit: int | None
    measures: tuple[str, ...]
    overall: ExamGroup
    subjects: tuple[ExamGroup, ...]
    questions: tuple[ExamRow, ...]
    loss: LossResult | None = None


def row(question: ExamQuestion, picks: dict[str, Pick]) -> ExamRow:
    """A question as it is saved."""
    return ExamRow(
        id=question.id,
        key=question.key,
        subject=question.subject,
        language=question.language,
        question=question.text,
        options=len(question.options),
        answers=question.answers,
        picks=picks,
    )


def chosen(question: ExamQuestion, letter: str | None, said: str = "") -> Pick:
    """The pick of a letter."""
    return Pick(chosen=letter, right=float(letter in question.answers), said=said[:_SAID])


def written(answer: str, right: bool, said: str) -> Pick:
    """The pick of a short answer."""
    return Pick(chosen=answer or None, right=float(right), said=said[:_SAID])


def group(name: str, rows: Sequence[ExamRow]) -> ExamGroup:
    """The scores of `rows`, at least one."""
    guessed = [1 / one.options for one in rows if one.options]
    picked = {measure: [one.picks[measure] for one in rows if measure in one.picks] for measure in MEASURES}
    picked = {measure: picks for measure, picks in picked.items() if picks}
    chance = score(guessing(guessed)) if guessed else None
    scores = {measure: score(bootstrap([pick.right for pick in picks])) for measure, picks in picked.items()}
    if "chance" in scores and chance:
        scores["chance"] = chance
    unanswered = {
        measure: sum(pick.chosen is None for pick in picks) / len(picks)
        for measure, picks in picked.items()
        if measure != "chance"
    }
    counts = {measure: len(picks) for measure, picks in picked.items()}
    return ExamGroup(name=name, questions=len(rows), chance=chance, counts=counts, scores=scores, unanswered=unanswered)


def by_subject(rows: Iterable[ExamRow]) -> tuple[ExamGroup, ...]:
    """One group a subject, sorted by name."""
    members: dict[str, list[ExamRow]] = {}
    for one in rows:
        members.setdefault(one.subject, []).append(one)
    return tuple(group(name, members[name]) for name in sorted(members))
