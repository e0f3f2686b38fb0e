"""`keben finetune`: from a published model to one tuned to a course. Heavy modules are imported inside."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.finetune_audit import audit
from cli.finetune_dataset import dataset
from cli.finetune_embedder import embedder
from cli.finetune_publish import publish
from cli.finetune_quantize import quantize
from cli.finetune_run import run
from cli.finetune_synthesise import synthesise
from cli.finetune_train import merge, setup, train

if TYPE_CHECKING:
    from finetune.layout import Progress

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="From a course's questions to a tuned InternLM2 model; and an embedder fitted to your books.",
)
for _command in (setup, run, dataset, synthesise, audit, train, merge, quantize, publish):
    app.command()(_command)


@app.command()
def layout(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="Folder of an InternLM2 model.")],
    target: Annotated[Path, typer.Argument(metavar="DST", help="Folder to write; must not exist.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")
    ] = False,
) -> None:
    """Convert an InternLM2 model to the Llama layout, which the service loads without code of the model."""
    from finetune.layout import convert

    with _progress(quiet=as_json) as progress:
        report = convert(source, target, progress=progress)
    if as_json:
        print(json.dumps(report.to_json(), ensure_ascii=False, indent=2))
        return
    print(f"{report.folder}: {report.parameters:,} parameters in {report.tensors} weights, {len(report.files)} files")
    for name in report.left_out:
        print(f"left out: {name}")
    print(f"serve it: KEBEN_LLM__MODEL={report.folder} keben serve")


app.command()(embedder)


@contextmanager
def _progress(*, quiet: bool) -> Iterator["Progress | None"]:
    """A bar on a terminal, a line for each file elsewhere; on stderr, so that stdout stays for the report."""
    from tqdm import tqdm

    if quiet:
        yield None
        return
    started: set[str] = set()
    with tqdm(unit="weight", desc="converting", dynamic_ncols=True, disable=not sys.stderr.isatty()) as bar:

        def show(file: str, done: int, total: int) -> None:
            bar.total = total
            bar.set_postfix_str(file, refresh=False)
            bar.update(done - bar.n)
            if bar.disable and file not in started:
                print(f"converting {file} …", file=sys.stderr, flush=True)
            started.add(file)

        yield show
