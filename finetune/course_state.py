"""How far the tuning of a course is, as the folder of its run tells it to any process, at any time."""

import json
import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from core.errors import ConfigError
from finetune.course import Course
from finetune.steps import NOW, Steps
from finetune.training.progress import PROGRESS, Step, records, steps_in
from finetune.tuning_job import Job, Kind, end_of_log, is_running, last_job

STEPS = ("dataset", "audit", "train", "merge", "gate", "model")
_POINTS = 400
_LATEST = 20  # steps whose mean time foretells that of the others

Status = Literal["faulty", "new", "begun", "running", "done", "failed", "stopped", "interrupted"]
StepStatus = Literal["waiting", "running", "done", "failed", "stopped"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong, as a KebenError says it."""

    code: str
    message: str
    mend: str


@dataclass(frozen=True, slots=True)
class CourseState:
    """A course. name: of its file; title, base, method: as the file has them, empty where it is faulty.

    status: begun means that some steps are done and nothing runs; interrupted, that the process died without a word.
    kind: of the last command. stopping: its end was asked for, and it runs still. steps: name and status, in order.
    """

    name: str
    title: str
    base: str
    method: str
    status: Status
    kind: Kind | None
    started_at: str | None
    stopping: bool
    steps: tuple[tuple[str, StepStatus], ...]
    error: Fault | None


@dataclass(frozen=True, slots=True)
class Training:
    """rows: trained on, None before the first step. seconds_left: about, None when nothing trains.

    points: step and loss, thinned out.
    """

    rows: int | None
    last: Step | None
    seconds_left: float | None
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Model:
    """The model that may be served. override: why, though it fell at the gate. url: where it was uploaded last."""

    folder: str
    command: str
    override: str
    url: str | None


@dataclass(frozen=True, slots=True)
class CourseDetail:
    """All about a course. rows: train, test, left_out. audit: `AuditReport.to_json()` without the lists of rows.

    gate: `rows`, `falls`. log: what the last command said, empty unless it ended badly.
    """

    state: CourseState
    rows: dict[str, int] | None
    audit: dict[str, Any] | None
    training: Training | None
    gate: dict[str, Any] | None
    model: Model | None
    log: str


def faulty(name: str, error: ConfigError) -> CourseState:
    """A course whose file cannot be used."""
    fault = Fault(error.code, error.message, error.mend)
    return CourseState(name, "", "", "", "faulty", None, None, False, (), fault)


def state_of(name: str, course: Course, run: Path) -> CourseState:
    """What can be told in a moment. Raises ConfigError where steps.json is damaged."""
    # Looked at first: a process that ends meanwhile has written all before it lets go of the lock.
    running, job, steps = is_running(run), last_job(run), Steps(run)
    status = _status(running, job, steps, run)
    return CourseState(
        name=name,
        title=course.name,
        base=course.train.base.name,
        method=course.train.method,
        status=status,
        kind=job.kind if job else None,
        started_at=job.started_at if job else None,
        stopping=running and job is not None and job.stopped,
        steps=_steps(status, job, steps, run),
        error=_fault(status, job),
    )


def detail_of(state: CourseState, run: Path) -> CourseDetail:
    """All that the folder of the run has."""
    steps = Steps(run)
    rows = steps.said("dataset")
    audit = _read(run / "audit" / "report.json")
    return CourseDetail(
        state=state,
        rows={name: int(rows.get(name, 0)) for name in ("train", "test", "left_out")} if rows else None,
        audit=audit and {**audit, "findings": [_without_rows(one) for one in audit["findings"]]},
        training=_training(run / "train", state),
        gate=_read(run / "gate" / "report.json"),
        model=_model(run, steps),
        log=end_of_log(run) if state.status in ("failed", "interrupted") else "",
    )


def mark_of(file: Path, run: Path) -> tuple[object, ...]:
    """Is another one when anything has changed but the steps of a training."""
    names = ("steps.json", "audit/report.json", "gate/report.json", ".job/job.json", ".job/outcome.json", ".job/stop")
    paths = (file, *(run / name for name in names))
    written = tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in paths)
    return (is_running(run), (run / "train" / PROGRESS).exists(), (run / "model").exists(), *written)


def _status(running: bool, job: Job | None, steps: Steps, run: Path) -> Status:
    if running:
        return "running"
    written = (run / "steps.json").stat().st_mtime if steps.all else 0.0
    if job and job.outcome is not None and job.ended >= written:  # else somebody has gone on from a command line
        if "error" in job.outcome:
            return "stopped" if job.stopped else "failed"
        return "done" if _is_published(steps, run) else "begun"
    if _is_published(steps, run):
        return "done"
    if job and job.outcome is None:
        return "stopped" if job.stopped else "interrupted"
    return "begun" if steps.all else "new"


def _is_published(steps: Steps, run: Path) -> bool:
    """Whether the model is that of the last training which was begun."""
    made = {steps.said("started").get("train"), *(steps.said(name).get("made_from") for name in ("train", "merge"))}
    passed = {steps.said(name).get("made_from") for name in ("gate", "published")}
    return (run / "model").is_dir() and len(made) == len(passed) == 1 and None not in made | passed


def _steps(status: Status, job: Job | None, steps: Steps, run: Path) -> tuple[tuple[str, StepStatus], ...]:
    if status == "done" or (job and job.kind == "publish" and _is_published(steps, run)):
        return tuple((name, "done") for name in STEPS)
    now = steps.said(NOW).get("step")
    at = STEPS.index(now) if now in STEPS else 0
    here: StepStatus = "done" if now and steps.said("published" if now == "model" else now) else "waiting"
    # Where the command has not come to a step yet, what is told of one is of the command before.
    if now and not (job and job.began > (run / "steps.json").stat().st_mtime):
        stopped: dict[Status, StepStatus] = {"running": "running", "failed": "failed"}
        stopped |= {"stopped": "stopped", "interrupted": "stopped"}
        here = stopped.get(status, here)
    return tuple((name, "done" if n < at else here if n == at else "waiting") for n, name in enumerate(STEPS))


def _fault(status: Status, job: Job | None) -> Fault | None:
    if status == "interrupted":
        return Fault("interrupted", "its process ended without a word", "start it again: it goes on where it was")
    if status != "failed" or job is None or job.outcome is None:
        return None
    return Fault(*(str(job.outcome.get(name, "")) for name in ("error", "message", "mend")))


def _training(folder: Path, state: CourseState) -> Training | None:
    if not (folder / PROGRESS).is_file():
        return None
    begun, steps = records(folder, "start"), list(steps_in(folder))
    runs = ("train", "running") in state.steps and bool(steps)
    latest = steps[-_LATEST:]
    left = (steps[-1].of - steps[-1].step) * sum(step.seconds for step in latest) / len(latest) if runs else None
    return Training(
        rows=begun[-1]["rows"] if begun else None,
        last=steps[-1] if steps else None,
        seconds_left=left,
        points=tuple((step.step, step.loss) for step in _thinned(steps)),
    )


def _thinned(steps: Sequence[Step]) -> Sequence[Step]:
    stride = -(-len(steps) // _POINTS) or 1
    return [step for n, step in enumerate(reversed(steps)) if n % stride == 0][::-1]


def _model(run: Path, steps: Steps) -> Model | None:
    folder = run / "model"
    if not folder.is_dir():
        return None
    job = last_job(run)
    url = job.outcome.get("url") if job and job.outcome else None
    command = f"KEBEN_LLM__MODEL={shlex.quote(str(folder))} keben serve"
    return Model(str(folder), command, str(steps.said("published").get("override", "")), url)


def _without_rows(finding: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in finding.items() if name != "rows"}


def _read(path: Path) -> dict[str, Any] | None:
    """A report, None where there is none."""
    with suppress(OSError):
        return _parsed(path, path.stat().st_mtime_ns)
    return None


@lru_cache(maxsize=32)
def _parsed(path: Path, written: int) -> dict[str, Any] | None:
    with suppress(ValueError):
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    return None
