"""`keben finetune embedder`. Heavy modules are imported inside, so that help is instant."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Json, print_json
from core.errors import ConfigError

if TYPE_CHECKING:
    from core.settings import Settings
    from finetune.embedder.adapt import AdaptReport, Measure
    from finetune.embedder.progress import Progress
    from finetune.embedder.proof import Score

_EVERY = 10  # lines of progress of a stage, where there is no terminal
_STEPS, _DIMENSION = 1000, 256

Out = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder to write; must not exist.")]
Kb = Annotated[str | None, typer.Option("--kb", metavar="NAME", help="Adapt to the books of this knowledge base.")]
Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Make from these texts; the form is in finetune/embedder/data.py."),
]
Base = Annotated[
    str | None, typer.Option("--base", metavar="MODEL", help="With --kb: model to adapt; the bundled one if left out.")
]
Pairs = Annotated[
    Path | None,
    typer.Option("--pairs", metavar="FILE", help="With --kb: questions with their passages to learn from, JSON Lines."),
]
QuerySet = Annotated[
    Path | None,
    typer.Option("--set", metavar="FILE", help="With --kb: query set to measure on, as for `keben eval retrieval`."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same model.")]
Steps = Annotated[int | None, typer.Option("--steps", min=1, help=f"Batches to train on; with --data {_STEPS}.")]
Epochs = Annotated[
    int | None,
    typer.Option("--epochs", min=1, help="With --kb: times each pair is seen; 10 for a static model, 3 for others."),
]
Dimension = Annotated[
    int | None, typer.Option("--dimension", min=1, help=f"With --data: length of a vector, {_DIMENSION} if left out.")
]


def embedder(
    out: Out,
    kb: Kb = None,
    data: Data = None,
    base: Base = None,
    pairs: Pairs = None,
    queries: QuerySet = None,
    seed: Seed = 0,
    steps: Steps = None,
    epochs: Epochs = None,
    dimension: Dimension = None,
    as_json: Json = False,
) -> None:
    """Adapt an embedder to your books (--kb), or make the bundled one from scratch (--data).

    After adapting it is measured, on sections of the books that it has not seen and on the query set, whether the
    model finds more than before. Its model card (README.md) says so too.
    """
    if (kb is None) == (data is None):
        raise ConfigError("exactly one of --kb and --data is needed", mend="name a knowledge base to adapt to: --kb")
    if data is not None:
        _refuse({"--base": base, "--pairs": pairs, "--set": queries, "--epochs": epochs}, "--kb")
        _make(data, out, seed, steps or _STEPS, dimension or _DIMENSION, as_json)
    elif kb is not None:
        _refuse({"--dimension": dimension}, "--data")
        _adapt(kb, out, base, pairs, queries, seed, steps, epochs, as_json)


def _make(data: Path, out: Path, seed: int, steps: int, dimension: int, as_json: bool) -> None:
    from finetune.embedder.bundled import make_bundled
    from finetune.embedder.contrastive import Training

    with _progress(quiet=as_json) as progress:
        report = make_bundled(
            data,
            out,
            command=_command(),
            seed=seed,
            dimension=dimension,
            training=Training(steps=steps),
            progress=progress,
        )
    if as_json:
        print_json(report.to_json())
        return
    print(f"{report.folder}: {report.tokens:,} tokens of {report.dimension} dimensions, {report.size:,} bytes")
    print(f"use it: KEBEN_EMBEDDING__MODEL={report.folder} keben rebuild")


def _adapt(
    kb: str,
    out: Path,
    base: str | None,
    pairs: Path | None,
    queries: Path | None,
    seed: int,
    steps: int | None,
    epochs: int | None,
    as_json: bool,
) -> None:
    from core.settings import load_settings
    from evaluate.intervals import bootstrap
    from finetune.embedder.adapt import Plan, adapt
    from finetune.embedder.books import read_questions
    from vector_db.embedder import BUNDLED

    settings = load_settings()
    plan = Plan(
        base=base or BUNDLED,
        command=_command(),
        questions=read_questions(pairs) if pairs else (),
        epochs=epochs,
        steps=steps,
        seed=seed,
    )
    measure = _measure(queries) if queries else None
    with _progress(quiet=as_json) as progress:
        report = adapt(settings, kb, out, plan, bootstrap=bootstrap, measure=measure, progress=progress)
    if as_json:
        print_json(report.to_json())
    else:
        _print(report)


def _measure(path: Path) -> "Measure":
    """Reads the query set now: a mistake in it should not show after minutes of training."""
    from evaluate.compare import compare
    from evaluate.queries import read_queries
    from evaluate.retrieval import evaluate_retrieval
    from finetune.embedder.proof import Score

    queries = read_queries(path)

    def measure(before: "Settings", now: "Settings", kb: str) -> "list[Score]":
        runs = [evaluate_retrieval(settings, kb, queries, query_set=str(path)) for settings in (before, now)]
        comparison = compare(runs[1], runs[0])
        return [
            Score(
                of=path.name,
                measure=change.measure,
                units=comparison.compared,
                before=change.before,
                now=change.now,
                difference=change.difference.mean,
                low=change.difference.low,
                high=change.difference.high,
            )
            for change in comparison.changes
            if change.measure in {"mrr@10", "recall@5"}
        ]

    return measure


def _print(report: "AdaptReport") -> None:
    from finetune.embedder.adapted_card import ADVICE

    print(f"{report.folder}: adapted from {report.base} to '{report.kb}' in {report.steps:,} steps")
    for score in report.scores:
        print(
            f"  {score.of}, {score.measure}: {score.before:.3f} → {score.now:.3f}, {score.difference:+.3f} "
            f"({score.low:+.3f} to {score.high:+.3f}; {score.units:,})"
        )
    print(f"{report.verdict}: {ADVICE[report.verdict]}")
    if report.verdict == "helped":
        print(f"use it: KEBEN_EMBEDDING__MODEL={report.folder} keben rebuild --kb {report.kb}")


def _refuse(options: dict[str, object], other: str) -> None:
    for name, value in options.items():
        if value is not None:
            raise ConfigError(f"{name} goes with {other} only", mend=f"leave {name} out")


def _command() -> str:
    return shlex.join(["keben", *sys.argv[1:]])


@contextmanager
def _progress(*, quiet: bool) -> Iterator["Progress"]:
    """A bar on a terminal, a few lines for each stage elsewhere; on stderr, so that stdout stays for the report."""
    from tqdm import tqdm

    told: dict[str, int] = {}
    with tqdm(dynamic_ncols=True, disable=quiet or not sys.stderr.isatty()) as bar:

        def show(stage: str, done: int, total: int) -> None:
            tenth = done * _EVERY // max(total, 1)
            if bar.disable and not quiet and told.get(stage) != tenth:
                print(f"{stage}: {done} of {total}", file=sys.stderr, flush=True)
            if stage not in told:
                bar.reset(total)
                bar.set_description(stage)
            told[stage] = tenth
            bar.update(done - bar.n)

        yield show
