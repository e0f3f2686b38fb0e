"""What changed between two exams, question by question. Pure functions."""

from collections.abc import Sequence

from core.errors import ConfigError
from evaluate.exam.results import ExamResult, ExamRow
from evaluate.intervals import bootstrap
from evaluate.loss_results import loss_difference
from evaluate.records import Change, Record, Score, score

# Of a handful of questions one that is answered otherwise would decide.
LEAST_QUESTIONS = 20
ALL = "all"


class ExamMove(Record):
    """A question that one run has right and the other wrong."""

    id: str
    subject: str
    measure: str
    question: str
    before: str | None
    now: str | None


class ExamChanges(Record):
    """Of one subject, or of all. questions: in both runs."""

    name: str
    questions: int
    changes: tuple[Change, ...]


class ExamComparison(Record):
    """The differences from a baseline, over the questions of both runs, paired. lost, won: questions, in order.

    baseline: its solver and model. loss: the mean loss now minus before, None where it was not measured in both.
    """

    baseline: str
    compared: int
    only_before: int
    only_now: int
    groups: tuple[ExamChanges, ...]
    lost: tuple[ExamMove, ...]
    won: tuple[ExamMove, ...]
    loss: Score | None = None


_Pair = tuple[ExamRow, ExamRow]


def compare_exams(now: ExamResult, before: ExamResult) -> ExamComparison:
    """The differences of `now` from the baseline `before`: of all questions, then of each subject.

    Measures of the same name are compared; where there are none, each with the only one of the baseline, as of a model
    with guessing. Raises ConfigError when they share no question or nothing can be compared.
    """
    pairs, measures = _pairs(before, now), _measures(before, now)
    groups = [
        ExamChanges(name=name, questions=len(some), changes=_changes(some, measures)) for name, some in _split(pairs)
    ]
    moves = [move for pair in pairs for move in _moves(pair, measures)]
    return ExamComparison(
        baseline=f"{before.solver} {before.model or ''}".strip(),
        compared=len(pairs),
        only_before=len(before.questions) - len(pairs),
        only_now=len(now.questions) - len(pairs),
        groups=tuple(groups),
        lost=tuple(move for lost, move in moves if lost),
        won=tuple(move for lost, move in moves if not lost),
        loss=loss_difference(before.loss, now.loss) if before.loss and now.loss else None,
    )


def worse(
    before: ExamResult,
    after: ExamResult,
    *,
    measures: Sequence[str] | None = None,
    least: int = LEAST_QUESTIONS,
) -> tuple[Change, ...]:
    """The subjects, and `all`, that fell for certain: the whole 95 % interval of the paired difference is below 0.

    Each is named `subject: measure`. measures: those to look at; all that both runs have. least: a subject with fewer
    questions in both runs counts in `all` alone. Of 40 such looks one falls by chance: look at few subjects, or at the
    size of the change too. Raises ConfigError when the runs cannot be compared.
    """
    wanted = _measures(before, after)
    if measures is not None:
        wanted = [(old, new) for old, new in wanted if new in measures]
    if not wanted:
        raise ConfigError(
            "the exams share none of the measures to look at", mend=f"name some of {', '.join(after.measures)}"
        )
    fallen: list[Change] = []
    for name, pairs in _split(_pairs(before, after)):
        if name == ALL or len(pairs) >= least:
            changes = _changes(pairs, wanted)
            fallen += [
                change.model_copy(update={"measure": f"{name}: {change.measure}"})
                for change in changes
                if change.difference.high < 0
            ]
    return tuple(fallen)


def _pairs(before: ExamResult, now: ExamResult) -> list[_Pair]:
    old = {one.key: one for one in before.questions}
    pairs = [(old[one.key], one) for one in now.questions if one.key in old]
    if not pairs:
        raise ConfigError(
            f"the baseline ({', '.join(before.sets)}) and this run ({', '.join(now.sets)}) have no question in common",
            mend="compare runs of the same sets; a question whose words or answer were edited is another one",
        )
    return pairs


def _measures(before: ExamResult, now: ExamResult) -> list[tuple[str, str]]:
    """Measures to compare, of the baseline and of this run."""
    shared = [(name, name) for name in now.measures if name in before.measures]
    if not shared and len(before.measures) == 1:
        shared = [(before.measures[0], name) for name in now.measures]
    if not shared:
        raise ConfigError(
            f"the baseline has {', '.join(before.measures)}, this run {', '.join(now.measures)}",
            mend="measure both in the same way: --score",
        )
    return shared


def _split(pairs: Sequence[_Pair]) -> list[tuple[str, list[_Pair]]]:
    subjects = sorted({now.subject for _, now in pairs})
    return [(ALL, list(pairs)), *((name, [pair for pair in pairs if pair[1].subject == name]) for name in subjects)]


def _changes(pairs: Sequence[_Pair], measures: Sequence[tuple[str, str]]) -> tuple[Change, ...]:
    changes = []
    for old, new in measures:
        rights = [
            (one.picks[old].right, other.picks[new].right)
            for one, other in pairs
            if old in one.picks and new in other.picks
        ]
        if rights:
            changes.append(
                Change(
                    measure=new if old == new else f"{new} against {old}",
                    before=sum(one for one, _ in rights) / len(rights),
                    now=sum(other for _, other in rights) / len(rights),
                    difference=score(bootstrap([other - one for one, other in rights])),
                )
            )
    return tuple(changes)


def _moves(pair: _Pair, measures: Sequence[tuple[str, str]]) -> list[tuple[bool, ExamMove]]:
    """Whether each was lost, and the question."""
    before, now = pair
    moves = []
    for old, new in measures:
        one, other = before.picks.get(old), now.picks.get(new)
        if one and other and {one.right, other.right} == {0.0, 1.0}:
            move = ExamMove(
                id=now.id, subject=now.subject, measure=new, question=now.question, before=one.chosen, now=other.chosen
            )
            moves.append((one.right == 1.0, move))
    return moves
