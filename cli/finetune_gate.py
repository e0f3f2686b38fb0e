"""The gate of `keben finetune run`: exams and losses of a tuned model against its base.

It joins `finetune` and `evaluate`, which know nothing of each other.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.settings import Settings

if TYPE_CHECKING:
    from evaluate.exam.compare import ExamComparison
    from evaluate.exam.results import ExamResult
    from evaluate.loss import Talk
    from evaluate.loss_results import LossResult
    from evaluate.records import Score
    from finetune.conversations import Conversation
    from finetune.course import Course
    from finetune.flow import Gate, Verdict

HELD_OUT = "held-out rows"


def gate_of(course: "Course", settings: Settings) -> "Gate":
    """The gate as the course wants it."""

    def gate(base: Path, candidate: Path, folder: Path, held_out: "Sequence[Conversation]") -> "Verdict":
        return _measured(course, settings, base, candidate, folder, [row.exchanges for row in held_out])

    return gate


@dataclass(frozen=True, slots=True)
class _Sat:
    """An exam that base and tuned model sat."""

    name: str
    before: "ExamResult"
    now: "ExamResult"
    comparison: "ExamComparison"


def _measured(
    course: "Course", settings: Settings, base: Path, candidate: Path, folder: Path, held_out: "Sequence[Talk]"
) -> "Verdict":
    from evaluate.exam.compare import LEAST_QUESTIONS, worse
    from evaluate.files import write_text
    from evaluate.loss_results import loss_difference
    from finetune.flow import Verdict
    from finetune.folder import write_json

    exams = _exams(course, settings, base, candidate, folder)
    lines, falls, rows = [], [], []
    for sat in exams:
        lines += _lines(sat)
        fallen = worse(sat.before, sat.now)
        falls += [
            f"{sat.name}, {change.measure} {change.before:.3f} → {change.now:.3f} "
            f"({change.difference.low:+.3f} to {change.difference.high:+.3f})"
            for change in fallen
        ]
        rows += _rows(sat, {change.measure for change in fallen})
    talks_of = _talks(course, held_out)
    before, now = (_losses(settings, model, list(talks_of.values())) for model in (base, candidate))
    for (name, talks), old, new in zip(talks_of.items(), before, now, strict=True):
        rise = loss_difference(old, new)
        assert rise is not None
        shown = f"{old.loss.mean:.3f} → {new.loss.mean:.3f} ({rise.low:+.3f} to {rise.high:+.3f})"
        few = "" if len(talks) >= LEAST_QUESTIONS else "; too few to decide"
        lines.append(f"gate: loss on {len(talks)} {name} {shown}{few}")
        decides = not few and name == HELD_OUT
        fell = decides and rise.low > 0
        falls += [f"loss on {name} {shown}"] if fell else []
        rows.append(_row(name, "all", "loss", len(talks), old.loss.mean, new.loss.mean, rise, fell, decides))
    write_json(folder / "report.json", {"rows": rows, "falls": falls})
    write_text(folder / "report.md", _report(course, exams, lines, falls))
    return Verdict(tuple(falls), tuple(lines))


def _talks(course: "Course", held_out: "Sequence[Talk]") -> "dict[str, Sequence[Talk]]":
    """What losses are measured on, by its name. What was not trained for may well be foretold less well."""
    from evaluate.loss import read_loss_set

    general: list[Talk] = [talk for path in course.gate.general_rows for talk in read_loss_set(path)]
    return {name: talks for name, talks in ((HELD_OUT, held_out), ("general rows", general)) if talks}


def _exams(course: "Course", settings: Settings, base: Path, candidate: Path, folder: Path) -> list[_Sat]:
    """Each set of questions, closed-book and with the books open."""
    from evaluate.exam.compare import compare_exams
    from evaluate.exam.questions import limited, read_exam, read_exams
    from evaluate.exam.run import Sitting, evaluate_exam
    from evaluate.files import save

    wanted, sat = course.gate, []
    shots = read_exam(wanted.few_shot) if wanted.few_shot else ()
    for name, sets in (("course", wanted.exams), ("general", wanted.general)):
        if not sets:
            continue
        questions = limited(read_exams(sets), wanted.limit)
        for kb in (None, wanted.kb) if wanted.kb and name == "course" else (None,):
            label = f"{name}-open-book" if kb else name
            sitting = Sitting(
                solver="model",
                sets=tuple(path.name for path in sets),
                kb=kb,
                scores=wanted.scores,
                shots=shots,
                limit=wanted.limit,
            )
            results = []
            for which, model in (("base", base), ("tuned", candidate)):
                result = evaluate_exam(settings.with_model(model), questions, sitting)
                save(result, folder / f"{label}-{which}.json")
                results.append(result)
            sat.append(_Sat(label, results[0], results[1], compare_exams(results[1], results[0])))
    return sat


def _losses(settings: Settings, model: Path, sets: "Sequence[Sequence[Talk]]") -> "list[LossResult]":
    """Of a model on each of `sets`; it is loaded once."""
    from evaluate.exam.scorer import Scorer
    from evaluate.loss import loss_of

    if not sets:
        return []
    with closing(Scorer(model, settings.with_model(model).llm)) as scorer:
        return [loss_of(scorer, model.name, talks) for talks in sets]


def _lines(sat: _Sat) -> list[str]:
    return [
        f"gate: {sat.name}, {change.measure}: {change.before:.3f} → {change.now:.3f} "
        f"({change.difference.low:+.3f} to {change.difference.high:+.3f}), {group.questions} questions"
        for group in sat.comparison.groups
        if group.name == "all"
        for change in group.changes
    ]


def _rows(sat: _Sat, fallen: set[str]) -> list[dict[str, Any]]:
    """Each subject of an exam, by measure. fallen: those that fell, as `worse` names them."""
    from evaluate.exam.compare import LEAST_QUESTIONS

    return [
        _row(
            *(sat.name, group.name, change.measure, group.questions, change.before, change.now, change.difference),
            f"{group.name}: {change.measure}" in fallen,
            group.questions >= LEAST_QUESTIONS,
        )
        for group in sat.comparison.groups
        for change in group.changes
    ]


def _row(
    name: str,
    subject: str,
    measure: str,
    count: int,
    before: float,
    now: float,
    difference: "Score",
    fell: bool,
    decides: bool,
) -> dict[str, Any]:
    """A row of report.json. count: questions, or rows. A loss is better where it is less.

    decides: whether a fall here keeps the model back; of too few, or of what is only reported, it does not.
    """
    return {
        **{"name": name, "subject": subject, "measure": measure, "count": count, "before": before, "now": now},
        **{"difference": difference.mean, "low": difference.low, "high": difference.high},
        **{"fell": fell, "decides": decides},
    }


def _report(course: "Course", exams: Sequence[_Sat], lines: Sequence[str], falls: Sequence[str]) -> str:
    from evaluate.exam.report import exam_markdown
    from evaluate.markdown import document

    verdict = "Nothing fell by more than its interval." if not falls else "Fell by more than its interval:"
    return document(
        f"# {course.name} against its base",
        "\n".join(f"- {line.removeprefix('gate: ')}" for line in lines),
        "\n".join([verdict, *(f"- {fall}" for fall in falls)]),
        *(exam_markdown(sat.now, sat.comparison).replace("\n# ", "\n## ") for sat in exams),
    )
