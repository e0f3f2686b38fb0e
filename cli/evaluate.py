"""`keben eval`: measures of knowledge bases and models. Heavy modules are imported inside, so that help is instant."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cli.exam import exam
from cli.options import Json, Kb, print_json
from cli.scores import print_citations, print_refusal, print_retrieval, tracked

if TYPE_CHECKING:
    from evaluate.plot import Drawable
    from evaluate.records import Record

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Measure a knowledge base, or a language model, against questions with known answers.",
)

app.command()(exam)

QuerySet = Annotated[
    Path, typer.Option("--set", metavar="FILE", help="Query set, JSON Lines; docs/evaluation.md has the format.")
]
Save = Annotated[Path | None, typer.Option("--save", metavar="FILE", help="Save this run as JSON.")]
Baseline = Annotated[Path | None, typer.Option("--baseline", metavar="FILE", help="A saved run to compare with.")]
Report = Annotated[Path | None, typer.Option("--report", metavar="FILE", help="Write a Markdown report.")]
Plot = Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw a figure, .png or .svg.")]


@app.command()
def retrieval(
    queries: QuerySet,
    kb: Kb = None,
    top_k: Annotated[int, typer.Option("--top-k", min=1, max=50, help="Passages to look at.")] = 10,
    baseline: Baseline = None,
    save: Save = None,
    report: Report = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Recall, MRR and nDCG of the passages found.

    With confidence intervals, for each language and subject, and what changed since a saved run.
    """
    from core.settings import load_settings
    from evaluate import files
    from evaluate.compare import compare
    from evaluate.queries import read_queries
    from evaluate.report import markdown
    from evaluate.results import RetrievalResult
    from evaluate.retrieval import evaluate_retrieval

    settings = load_settings()
    files.check_outputs(save, report, figure=plot)
    before = files.load(baseline, RetrievalResult) if baseline else None
    result = evaluate_retrieval(
        settings,
        kb or settings.kb,
        read_queries(queries),
        query_set=str(queries),
        top_k=top_k,
        track=lambda some: tracked(some, quiet=as_json),
    )
    if save:
        files.save(result, save)
    comparison = compare(result, before) if before else None
    if report:
        files.write_text(report, markdown(result, comparison))
    if plot:
        _draw(result, plot)
    _show(result, comparison, as_json, print_retrieval)


@app.command()
def refusal(
    accept: Annotated[
        Path, typer.Option("--accept", metavar="FILE", help="Questions that the books answer, JSON Lines.")
    ],
    reject: Annotated[
        Path, typer.Option("--reject", metavar="FILE", help='Questions that they don\'t; "kind" is near or far.')
    ],
    kb: Kb = None,
    baseline: Baseline = None,
    save: Save = None,
    report: Report = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """How well relevance tells what to refuse.

    The score of a question is the relevance of its best passage. ROC AUC and average precision, and precision, recall
    and F1 of accepting at the served threshold, with confidence intervals. Only the threshold is measured: a question
    that reaches it and is refused all the same, because the writer finds no sentence that answers it, counts as
    accepted.
    """
    from core.settings import load_settings
    from evaluate import files
    from evaluate.questions import read_labelled
    from evaluate.refusal import evaluate_refusal
    from evaluate.refusal_compare import compare_refusals
    from evaluate.refusal_report import refusal_markdown
    from evaluate.refusal_results import RefusalResult

    settings = load_settings()
    files.check_outputs(save, report, figure=plot)
    before = files.load(baseline, RefusalResult) if baseline else None
    result = evaluate_refusal(
        settings,
        kb or settings.kb,
        read_labelled(accept, reject),
        accept_set=str(accept),
        reject_set=str(reject),
        track=lambda some: tracked(some, quiet=as_json),
    )
    if save:
        files.save(result, save)
    comparison = compare_refusals(result, before) if before else None
    if report:
        files.write_text(report, refusal_markdown(result, comparison))
    if plot:
        _draw(result, plot)
    _show(result, comparison, as_json, print_refusal)


@app.command()
def citations(
    queries: QuerySet,
    kb: Kb = None,
    save: Save = None,
    report: Report = None,
    as_json: Json = False,
) -> None:
    """Whether answers are given, true to the books, and right.

    Every question is asked as `keben ask` does it, of the model that the settings name or else of the extractive
    writer. Looked at are the share that is answered; whether each quote stands on the cited page; whether the gold is
    cited; and how much of a right answer the answer holds.
    """
    from core.settings import load_settings
    from evaluate import files
    from evaluate.citation_report import citations_markdown
    from evaluate.citations import evaluate_citations
    from evaluate.queries import read_queries

    settings = load_settings()
    files.check_outputs(save, report)
    result = evaluate_citations(
        settings,
        kb or settings.kb,
        read_queries(queries, need_gold=False),
        query_set=str(queries),
        track=lambda some: tracked(some, quiet=as_json),
    )
    if save:
        files.save(result, save)
    if report:
        files.write_text(report, citations_markdown(result))
    _show(result, None, as_json, lambda run, _: print_citations(run))


@app.command()
def plot(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="What `retrieval` or `refusal` wrote with --save.")],
    figure: Annotated[Path, typer.Argument(metavar="FIGURE", help="Where to draw it, .png or .svg.")],
) -> None:
    """Draw the figure of a saved run."""
    from evaluate.files import check_outputs
    from evaluate.plot import load_drawable

    check_outputs(figure=figure)
    _draw(load_drawable(run), figure)


def _draw(run: "Drawable", figure: Path) -> None:
    from evaluate.plot import draw

    draw(run, figure)


Run = TypeVar("Run", bound="Record")
Comparison = TypeVar("Comparison", bound="Record")


def _show(
    result: Run,
    comparison: Comparison | None,
    as_json: bool,
    show: Callable[[Run, Comparison | None], None],
) -> None:
    """The run for programs, or for people."""
    if as_json:
        changed = comparison.model_dump(mode="json") if comparison else None
        print_json({"result": result.model_dump(mode="json"), "comparison": changed})
    else:
        show(result, comparison)
