"""`keben finetune run`: the whole flow of a course file. Heavy modules are imported inside, so that help is instant."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.finetune_train import steps_shown
from cli.options import Json, print_json

Out = Annotated[
    Path | None, typer.Option("--out", metavar="FOLDER", help="Folder of the run; runs/NAME beside the course file.")
]


def run(
    course: Annotated[Path, typer.Argument(metavar="COURSE", help="Course file, TOML; docs/finetune.md has its form.")],
    out: Out = None,
    override: Annotated[
        str, typer.Option("--override", metavar="REASON", help="Publish a model that fell at the gate; it is recorded.")
    ] = "",
    audit: Annotated[bool, typer.Option("--audit", help="Data set and audit alone.")] = False,
    as_json: Json = False,
) -> None:
    """Data set, audit, training, merge and gate, in one command.

    Killed or stopped, it goes on where it was when it is run again. The model is in FOLDER/model when it has passed.
    """
    # What ends a service is heard as Ctrl-C is: a checkpoint is saved.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    from cli.finetune_gate import gate_of
    from core.settings import load_settings
    from finetune.course import read_course
    from finetune.flow import Hooks, examine
    from finetune.flow import run as run_course
    from finetune.steps import Steps

    settings, wanted = load_settings(), read_course(course)
    folder = out or course.parent / "runs" / wanted.name
    if audit:
        examine(wanted, folder, settings, hooks=Hooks(_say))
        report = folder / "audit" / "report.md"
        print_json({"report": str(report), "steps": Steps(folder).all}) if as_json else print(f"report: {report}")
        return
    with steps_shown(quiet=as_json) as on_step:
        hooks = Hooks(_say, on_step, lambda text: _say(f"\n{text}\n"))
        model = run_course(wanted, folder, settings, gate_of(wanted, settings), override=override, hooks=hooks)
    if as_json:
        print_json({"model": str(model), "steps": Steps(folder).all})
        return
    print(f"{model}: serve it with KEBEN_LLM__MODEL={model} keben serve")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
