"""`keben eval exam`: questions with known answers, for models, for the knowledge base, and for chance."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Json, Kb, print_json
from cli.scores import print_exam, tracked

if TYPE_CHECKING:
    pass


class SolverName(StrEnum):
    """As `evaluate.exam.run.Solver`."""

    model = "model"
    retrieval = "retrieval"
    chance = "chance"


class ScoreName(StrEnum):
    """As `evaluate.exam.run.SCORES`."""

    letter = "letter"
    text = "text"
    written = "written"


def exam(
    sets: Annotated[
        list[Path],
        typer.Option(
            "--set", metavar="FILE", help="Questions: JSON Lines, or CSV as CMMLU or C-Eval; may be repeated."
        ),
    ],
    model: Annotated[
        Path | None, typer.Option("--model", metavar="FOLDER", help="A chat model; that of the settings if left out.")
    ] = None,
    solver: Annotated[SolverName, typer.Option("--solver", help="Who sits the exam.")] = SolverName.model,
    score: Annotated[
        list[ScoreName] | None,
        typer.Option(
            "--score",
            help="How a model is scored: its likeliest letter, the likeliest words of an option, what it writes; "
            "may be repeated; letter and written if left out.",
        ),
    ] = None,
    kb: Kb = None,
    with_books: Annotated[
        bool, typer.Option("--with-books", help="Give the model passages of the knowledge base.")
    ] = False,
    few_shot: Annotated[
        Path | None, typer.Option("--few-shot", metavar="FILE", help="Worked examples, up to five of each subject.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Questions of each subject, always the same.")
    ] = None,
    max_new_tokens: Annotated[int, typer.Option("--max-new-tokens", min=1, max=8192, help="Longest answer.")] = 256,
    loss: Annotated[
        Path | None,
        typer.Option("--loss", metavar="FILE", help="Conversations; the model's mean loss on their outputs."),
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", metavar="FILE", help="A saved run to compare with, by question.")
    ] = None,
    save: Annotated[Path | None, typer.Option("--save", metavar="FILE", help="Save this run as JSON.")] = None,
    report: Annotated[Path | None, typer.Option("--report", metavar="FILE", help="Write a Markdown report.")] = None,
    as_json: Json = False,
) -> None:
    """Accuracy in exams of many subjects, with confidence intervals.

    Multiple choice is scored by the likelihood of the options and by what the model writes; short answers by words,
    numbers and formulas. Without a model: guessing, and the option that the books support best.
    """
    from core.settings import load_settings
    from evaluate import files
    from evaluate.exam.compare import compare_exams
    from evaluate.exam.questions import limited, read_exam, read_exams
    from evaluate.exam.report import exam_markdown
    from evaluate.exam.results import ExamResult
    from evaluate.exam.run import Sitting, evaluate_exam
    from evaluate.loss import read_loss_set

    settings = load_settings()
    if model:
        settings = settings.with_model(model)
    files.check_outputs(save, report)
    before = files.load(baseline, ExamResult) if baseline else None
    searched = with_books or solver is SolverName.retrieval
    usual = ("written",) if settings.llm.urls else ("letter", "written")
    sitting = Sitting(
        solver=solver.value,
        sets=tuple(map(str, sets)),
        kb=(kb or settings.kb) if searched else None,
        scores=tuple(dict.fromkeys(one.value for one in score)) if score else usual,
        shots=read_exam(few_shot) if few_shot else (),
        max_new_tokens=max_new_tokens,
        limit=limit,
    )
    result = evaluate_exam(
        settings,
        limited(read_exams(sets), limit),
        sitting,
        talks=read_loss_set(loss) if loss else (),
        track=lambda some: tracked(some, quiet=as_json),
    )
    if save:
        files.save(result, save)
    comparison = compare_exams(result, before) if before else None
    if report:
        files.write_text(report, exam_markdown(result, comparison))
    if as_json:
        changed = comparison.model_dump(mode="json") if comparison else None
        print_json({"result": result.model_dump(mode="json"), "comparison": changed})
    else:
        print_exam(result, comparison)
