"""One training run in a folder: config, XTuner as a subprocess, progress, checkpoints, resuming, faults explained.

FOLDER/base/             the base model as XTuner reads it
FOLDER/data.jsonl        the rows
FOLDER/config.py         a normal XTuner config
FOLDER/train.log         all that XTuner says
FOLDER/progress.jsonl    a line for each step
FOLDER/loss.png          the loss over the steps
FOLDER/iter_N.pth        checkpoints
"""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import TrainingError
from finetune.conversations import Conversation, line_of, write_conversations
from finetune.folder import write_json
from finetune.training.base import check_base, training_copy
from finetune.training.checkpoints import newest_checkpoint, step_of
from finetune.training.config import Machine, render
from finetune.training.curve import draw_losses
from finetune.training.environment import ENVIRONMENT, machine, program, variables
from finetune.training.faults import explained
from finetune.training.inside import EXIT_STOPPED
from finetune.training.memory import Estimate, check_memory
from finetune.training.progress import PROGRESS, Step, records, step_of_record, steps_in
from finetune.training.settings import TrainSettings

_POLL_SECONDS = 0.2
_DRAWING_SECONDS = 30.0  # between two pictures of the loss
_SAVING_SECONDS = 120.0  # to write a checkpoint after Ctrl-C
_ANSWER = "Sample output:"
CHECKPOINTS = "checkpoints"


@dataclass(frozen=True, slots=True)
class TrainReport:
    """What a run did. tokens: in all rows as XTuner has them, of which packing dropped some. resumed_at: the step it
    went on from, 0 for none.
    """

    folder: str
    checkpoint: str
    rows: int
    tokens: int
    dropped: int
    steps: int
    resumed_at: int
    first_loss: float
    last_loss: float
    seconds: float
    machine: Machine
    estimate: Estimate


# step: after each. answers: what the model wrote to an evaluation prompt, as it stands in the log.
OnStep = Callable[[Step], None]
OnAnswer = Callable[[str], None]


def train(
    settings: TrainSettings,
    conversations: Sequence[Conversation],
    folder: Path,
    *,
    resume: bool = False,
    on_step: OnStep = lambda step: None,
    on_answer: OnAnswer = lambda text: None,
    environment: Path = ENVIRONMENT,
) -> TrainReport:
    """Train on `conversations` in `folder`. Raises TrainingError, and ModelError for the base.

    With `resume` an interrupted run goes on from its newest whole checkpoint; with other settings or rows than it had,
    it is refused. KeyboardInterrupt saves a checkpoint first, then becomes TrainingError.
    """
    described = check_base(settings.base)
    where = machine(environment)
    estimate = check_memory(settings, described, where)
    if not conversations:
        raise TrainingError("there are no rows to train on", mend="look at the report of `keben finetune dataset`")
    checkpoint = _prepare(settings, conversations, folder, where, resume)
    started = time.monotonic()
    try:
        if not _is_done(folder, checkpoint):
            _watch(program(*_arguments(settings, folder, checkpoint), folder=environment), folder, on_step, on_answer)
    finally:
        _draw(folder)
    done, last = list(steps_in(folder)), newest_checkpoint(folder / CHECKPOINTS)
    if not done or last is None or step_of(last) < done[-1].of:
        raise TrainingError(f"XTuner ended without its last checkpoint in {folder}", mend=f"see {folder / 'train.log'}")
    begun = records(folder, "start")[-1]
    return TrainReport(
        folder=str(folder),
        checkpoint=str(last),
        rows=begun["rows"],
        tokens=begun["tokens"],
        dropped=begun["dropped"],
        steps=done[-1].of,
        resumed_at=step_of(checkpoint) if checkpoint else 0,
        first_loss=done[0].loss,
        last_loss=done[-1].loss,
        seconds=time.monotonic() - started,
        machine=where,
        estimate=estimate,
    )


def _prepare(
    settings: TrainSettings, conversations: Sequence[Conversation], folder: Path, where: Machine, resume: bool
) -> Path | None:
    """Lay out the folder, or check that it is the same run; the checkpoint to go on from."""
    base, data, config = folder / "base", folder / "data.jsonl", folder / "config.py"
    text = render(settings, base.resolve(), data.resolve(), where, len(conversations))
    if config.is_file():
        if not resume:
            raise TrainingError(f"{folder} holds a run already", mend="go on with --resume, or name another folder")
        rows = "".join(map(line_of, conversations))
        if config.read_text(encoding="utf-8") != text or data.read_text(encoding="utf-8") != rows:
            raise TrainingError(
                f"{folder} was begun with other settings or rows", mend="name another folder, or delete that one"
            )
        return newest_checkpoint(folder / CHECKPOINTS)
    shutil.rmtree(base, ignore_errors=True)
    training_copy(settings.base, base)
    write_conversations(data, conversations)
    write_json(folder / "settings.json", settings.model_dump(mode="json") | {"lr": settings.rate})
    config.with_suffix(".tmp").write_text(text, encoding="utf-8")
    config.with_suffix(".tmp").replace(config)  # last: its presence says that the rest is there
    return None


def _is_done(folder: Path, checkpoint: Path | None) -> bool:
    done = list(steps_in(folder))
    return checkpoint is not None and bool(done) and step_of(checkpoint) == done[-1].of


def _arguments(settings: TrainSettings, folder: Path, checkpoint: Path | None) -> list[str]:
    arguments = ["train", str(folder.resolve() / "config.py"), "--work-dir", str(folder.resolve() / CHECKPOINTS)]
    arguments += ["--resume", str(checkpoint.resolve())] if checkpoint else []
    if settings.deepspeed:
        arguments += ["--deepspeed", f"deepspeed_{settings.deepspeed}"]
    if settings.gpus * settings.nodes == 1:
        return arguments
    address, _, port = settings.master.partition(":")
    processes = [f"--nproc_per_node={settings.gpus}", f"--nnodes={settings.nodes}", f"--node_rank={settings.node_rank}"]
    processes += [f"--master_addr={address}", f"--master_port={port or '29500'}"]
    return ["launch", *processes, "--", *arguments, "--launcher", "pytorch"]


def _watch(command: list[str], folder: Path, on_step: OnStep, on_answer: OnAnswer) -> None:
    """Run it to its end, telling what it does. Raises TrainingError when it ends otherwise."""
    log, progress = folder / "train.log", folder / PROGRESS
    progress.touch()
    with (
        log.open("ab") as written,
        progress.open(encoding="utf-8") as lines,
        log.open(encoding="utf-8", errors="replace") as said,
    ):
        lines.seek(0, 2)
        said.seek(0, 2)
        # In a session of its own, so that Ctrl-C reaches it through us, and it can save.
        process = subprocess.Popen(
            command, env=variables(), stdin=subprocess.DEVNULL, stdout=written, stderr=written, start_new_session=True
        )
        try:
            drawn = time.monotonic()
            while process.poll() is None:
                _tell(lines, said, on_step, on_answer)
                if time.monotonic() - drawn > _DRAWING_SECONDS:
                    _draw(folder)
                    drawn = time.monotonic()
                time.sleep(_POLL_SECONDS)
            _tell(lines, said, on_step, on_answer)
        except KeyboardInterrupt:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_SAVING_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode == 0:
        return
    if process.returncode == EXIT_STOPPED or -process.returncode == signal.SIGTERM:
        last = newest_checkpoint(folder / CHECKPOINTS)
        at = f"at step {step_of(last)}, which is saved" if last else "before its first step"
        raise TrainingError(f"training was stopped {at}", mend="go on with --resume")
    raise explained(process.returncode, log)


def _draw(folder: Path) -> None:
    draw_losses([(step.step, step.loss) for step in steps_in(folder)], folder / "loss.png")


def _tell(lines: Any, said: Any, on_step: OnStep, on_answer: OnAnswer) -> None:
    for line in iter(lines.readline, ""):
        with suppress(ValueError):
            record = json.loads(line)
            if record["event"] == "step":
                on_step(step_of_record(record))
    text = said.read()
    for answer in text.split(_ANSWER)[1:]:
        on_answer(answer.split("\n\n")[0].strip())
