"""`keben finetune setup`, `train` and `merge`. Heavy modules are imported inside, so that help is instant."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import Json, print_json
from core.errors import ConfigError

if TYPE_CHECKING:
    from finetune.training.progress import Step
    from finetune.training.settings import TrainSettings
    from finetune.training.train import TrainReport

_LINES = 20  # of progress, where there is no terminal


class PromptForm(StrEnum):
    """As `rag.trained_prompt.Form`."""

    question = "question"
    passages = "passages"


Base = Annotated[Path, typer.Option("--base", metavar="FOLDER", help="Chat model to start from, in the Llama layout.")]
Out = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder of the run.")]
Preset = Annotated[
    str | None, typer.Option("--preset", metavar="CARD", help="8gb or 24gb: settings that fit such a card.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting of the training, as epochs=3; may be given again."),
]


def setup(
    deepspeed: Annotated[bool, typer.Option("--deepspeed", help="DeepSpeed too, for several GPUs.")] = False,
    lmdeploy: Annotated[
        bool, typer.Option("--lmdeploy", help="The environment of LMDeploy instead, .venv-lmdeploy: about 8 GB.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make the environment of XTuner, .venv-xtuner: about 2 GB, some minutes."""
    from finetune.training import environment, lmdeploy_environment

    if lmdeploy and deepspeed:
        raise ConfigError("--deepspeed is of XTuner, not of LMDeploy", mend="run the command twice, with one of them")
    if lmdeploy:
        place, made = lmdeploy_environment.ENVIRONMENT, lmdeploy_environment.set_up(say=_say)
    else:
        place, made = environment.ENVIRONMENT, environment.set_up(deepspeed=deepspeed, say=_say)
    if as_json:
        print_json({"environment": str(place), "made": made})
    else:
        print(f"{place} is {'made' if made else 'there already'}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def train(
    rows: Annotated[Path, typer.Argument(metavar="ROWS", help="train.jsonl of `keben finetune dataset`.")],
    base: Base,
    out: Out,
    preset: Preset = None,
    values: Set = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the interrupted run in that folder.")] = False,
    as_json: Json = False,
) -> None:
    """Train an adapter, or all weights, by XTuner.

    The settings are those of [train] in a course file; docs/finetune.md has them all. Ctrl-C saves a checkpoint.
    """
    from finetune.conversations import read_conversations
    from finetune.training.train import train as run

    settings = train_settings(base, preset, values or ())
    conversations = read_conversations(rows)
    with steps_shown(quiet=as_json) as on_step:
        report = run(
            settings,
            conversations,
            out,
            resume=resume,
            on_step=on_step,
            on_answer=lambda text: print(f"\n{text}\n", file=sys.stderr, flush=True),
        )
    if as_json:
        print_json(_plain(report))
        return
    print_trained(report)
    print(f"merge it: keben finetune merge {out} --base {base} --out {out}-merged")


def merge(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished training.")],
    base: Base,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder to write; must not exist.")],
    form: Annotated[
        PromptForm, typer.Option("--prompt", help="What it was trained on: the question alone, or passages with it.")
    ] = PromptForm.question,
    system: Annotated[str, typer.Option("--system", metavar="TEXT", help="System prompt it was trained with.")] = "",
    as_json: Json = False,
) -> None:
    """Merge what a training learnt into its base model: a folder that the service loads.

    Base with adapter, and the merged folder, are checked to say the same.
    """
    from finetune.merge import merge_run

    with _weights_shown(quiet=as_json) as progress:
        report = merge_run(run, base, out, form=form.value, system=system, progress=progress)
    if as_json:
        print_json(report.to_json())
        return
    print(
        f"{report.folder}: {report.parameters:,} parameters, {report.changed} weights changed; base with adapter says "
        f"the same ({report.proof.same} of {report.proof.probes} probes, {report.proof.difference:.1e})"
    )
    print(f"serve it: KEBEN_LLM__MODEL={report.folder} keben serve")


def train_settings(base: Path, card: str | None, values: list[str] | tuple[str, ...]) -> "TrainSettings":
    """From the options of the command line; raises ConfigError naming the one at fault."""
    import tomllib

    from pydantic import ValidationError

    from finetune.training.base import check_base
    from finetune.training.settings import TrainSettings, preset

    given: dict[str, Any] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--set {text!r} has no value", mend="write --set NAME=VALUE, as --set epochs=3")
        try:
            given[name.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            given[name.strip()] = value
    try:
        chosen = preset(card, check_base(base).parameters) if card else {}
        return TrainSettings.model_validate({**chosen, **given, "base": base})
    except ValidationError as error:
        fault = error.errors()[0]
        name = ".".join(map(str, fault["loc"]))
        raise ConfigError(
            f"--set {name}: {fault['msg']}", mend=f"the settings are {', '.join(TrainSettings.model_fields)}"
        ) from error
    except ValueError as error:
        raise ConfigError(str(error), mend="leave --preset out, or take a smaller model") from error


def print_trained(report: "TrainReport") -> None:
    """For people."""
    again = f", from step {report.resumed_at} on" if report.resumed_at else ""
    if report.dropped:
        print(f"packing dropped {report.dropped:,} tokens, {report.dropped / (report.dropped + report.tokens):.1%}")
    print(
        f"{report.folder}: {report.steps:,} steps over {report.rows:,} rows of {report.tokens:,} tokens{again} in "
        f"{report.seconds:.0f} s; loss {report.first_loss:.3f} → {report.last_loss:.3f}, see loss.png"
    )


def _plain(report: "TrainReport") -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(report)


@contextmanager
def steps_shown(*, quiet: bool) -> Iterator[Any]:
    """A bar with the loss on a terminal, a few lines elsewhere; on stderr, so that stdout stays for the report."""
    from tqdm import tqdm

    told = -1
    with tqdm(unit="step", desc="training", dynamic_ncols=True, disable=quiet or not sys.stderr.isatty()) as bar:

        def show(step: "Step") -> None:
            nonlocal told
            bar.total = step.of
            bar.set_postfix_str(f"loss {step.loss:.3f}", refresh=False)
            bar.update(step.step - bar.n)
            tenth = step.step * _LINES // max(step.of, 1)
            if bar.disable and not quiet and tenth != told:
                print(f"step {step.step} of {step.of}: loss {step.loss:.3f}", file=sys.stderr, flush=True)
            told = tenth

        yield show


@contextmanager
def _weights_shown(*, quiet: bool) -> Iterator[Any]:
    from tqdm import tqdm

    with tqdm(unit="weight", desc="merging", dynamic_ncols=True, disable=quiet or not sys.stderr.isatty()) as bar:

        def show(name: str, done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show
