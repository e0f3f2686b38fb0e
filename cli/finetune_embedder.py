"""`keben finetune embedder`. Heavy modules are imported inside, so that help is instant."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Json, print_json

if TYPE_CHECKING:
    from finetune.embedder.progress import Progress

_EVERY = 10  # lines of progress of a stage, where there is no terminal


def embedder(
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder to write; must not exist.")],
    data: Annotated[
        Path, typer.Option("--data", metavar="DIR", help="Training texts; the form is in finetune/embedder/data.py.")
    ],
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same model.")] = 0,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Batches to train on.")] = 1000,
    dimension: Annotated[int, typer.Option("--dimension", min=1, help="Length of a vector.")] = 256,
    as_json: Json = False,
) -> None:
    """Make the bundled embedder from scratch."""
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
