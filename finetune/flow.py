"""From a course file to a model that may be served: data set, audit, training, merge, gate; each step once.

    FOLDER/dataset/     the rows
    FOLDER/audit/       report.md, report.json: what is wrong with them
    FOLDER/base/        the base model in the Llama layout, where it came in InternLM2's own
    FOLDER/train/       config, log, loss curve, checkpoints
    FOLDER/candidate/   the merged model before the gate
    FOLDER/gate/        report.md, report.json: what it can do, against its base
    FOLDER/model/       the merged model that passed: what KEBEN_LLM__MODEL names
    FOLDER/steps.json   what has been done

Killed at any moment, it goes on where it was. A folder appears under its name only when it is whole.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import ConfigError, TrainingError
from core.settings import Settings
from finetune.audit.examine import audit
from finetune.audit.markdown import summary
from finetune.audit.plots import write_report
from finetune.conversations import Conversation, read_conversations
from finetune.course import Course
from finetune.dataset.build import TEST, TRAIN, build_dataset
from finetune.folder import alone
from finetune.layout import convert
from finetune.merge import merge_run
from finetune.prompted import with_passages, with_system
from finetune.steps import Steps, fingerprint
from finetune.training.environment import program
from finetune.training.train import OnAnswer, OnStep, train
from rag.engine.model_files import read_json


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate found. falls: each subject that fell for certain, in words. lines: the table, for people."""

    falls: tuple[str, ...]
    lines: tuple[str, ...]


# The gate: measures a candidate against its base in a folder of its own, on the exams and on the held-out rows.
Gate = Callable[[Path, Path, Path, Sequence[Conversation]], Verdict]


@dataclass(frozen=True, slots=True)
class Hooks:
    """What is told while it goes on."""

    say: Callable[[str], None] = print
    on_step: OnStep = field(default=lambda step: None)
    on_answer: OnAnswer = field(default=lambda text: None)


def run(
    course: Course, folder: Path, settings: Settings, gate: Gate, *, override: str = "", hooks: Hooks | None = None
) -> Path:
    """Do what is left to be done; returns the folder of the model. Raises what a step raises.

    override: why a model that fell at the gate is published all the same; it is recorded.
    """
    hooks = hooks or Hooks()
    # Known now, not after the rows have been looked through.
    program("machine")
    _check_base(course)
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        steps = Steps(folder)
        base, rows = _examined(course, folder, settings, steps, hooks)
        steps.begin("train")
        made = _train(course, folder, settings, base, steps, rows, hooks)
        steps.begin("merge")
        candidate = _merge(course, folder, base, steps, made, hooks)
        steps.begin("gate")
        return _pass(course, folder, settings, base, candidate, steps, made, gate, override, hooks)


def examine(course: Course, folder: Path, settings: Settings, *, hooks: Hooks | None = None) -> None:
    """The first two steps of `run` alone, which need no XTuner. Raises what they raise."""
    _check_base(course)
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        _examined(course, folder, settings, Steps(folder), hooks or Hooks())


def _check_base(course: Course) -> None:
    if not (course.train.base / "config.json").is_file():
        raise ConfigError(f"train.base: {course.train.base} is no folder of a model", mend="name that of a chat model")


def _examined(course: Course, folder: Path, settings: Settings, steps: Steps, hooks: Hooks) -> tuple[Path, str]:
    """The base model in the Llama layout, and the fingerprint of rows that have passed their audit."""
    steps.begin("dataset")
    base = _base(course, folder, hooks)
    rows = _dataset(course, folder, settings, steps, hooks)
    steps.begin("audit")
    _audit(course, folder, settings, base, steps, rows, hooks)
    return base, rows


def _base(course: Course, folder: Path, hooks: Hooks) -> Path:
    """The base model in the Llama layout, converted where it is not."""
    given, ours = course.train.base, folder / "base"
    config = read_json(given / "config.json")
    if "InternLM2ForCausalLM" not in config.get("architectures", []):
        return given
    if not ours.is_dir():
        hooks.say(f"base: converting {given} to the Llama layout")
        convert(given, ours)
    return ours


def _dataset(course: Course, folder: Path, settings: Settings, steps: Steps, hooks: Hooks) -> str:
    """Fingerprint of the rows in FOLDER/dataset."""
    wanted = course.dataset.model_copy(update={"out": folder / "dataset"})
    current = settings.data_dir / wanted.kb.name / "CURRENT" if wanted.kb else ""
    made_from = fingerprint(wanted, [source.path for source in wanted.sources], current)
    if not steps.done("dataset", made_from, wanted.out / TRAIN, wanted.out / TEST):
        report = build_dataset(wanted, settings)
        left_out = sum(len(found.left_out) for found in report.sources)
        hooks.say(f"dataset: {report.train} rows to train on, {report.test} to test; {left_out} left out")
        steps.record(
            "dataset", made_from, train=report.train, test=report.test, left_out=left_out, rows=report.fingerprint
        )
    return str(steps.said("dataset")["rows"])


def _audit(course: Course, folder: Path, settings: Settings, base: Path, steps: Steps, rows: str, hooks: Hooks) -> None:
    """Raises DatasetError where errors are found that the course does not accept."""
    wanted = course.audit
    changes: dict[str, object] = {"tokenizer": wanted.tokenizer or base}
    if "max_length" not in wanted.model_fields_set:
        changes["max_length"] = course.train.max_length
    if not wanted.exam:
        changes["exam"] = tuple(path for path in course.gate.exams if path.suffix == ".jsonl")
    wanted = wanted.model_copy(update=changes)
    made_from = fingerprint(wanted, rows)
    if steps.done("audit", made_from, folder / "audit"):
        return
    train_rows, test_rows = (read_conversations(folder / "dataset" / name) for name in (TRAIN, TEST))
    report = audit(train_rows, test_rows, wanted, service=settings)
    write_report(report, folder / "audit", course.name)
    hooks.say(summary(report))
    report.require()
    steps.record("audit", made_from, let_pass=[finding.check for finding in report.let_pass])


def _train(course: Course, folder: Path, settings: Settings, base: Path, steps: Steps, rows: str, hooks: Hooks) -> str:
    """Fingerprint of what was trained."""
    wanted, place = course.train.model_copy(update={"base": base}), folder / "train"
    current = settings.data_dir / course.prompt.kb / "CURRENT" if course.prompt.kb else ""
    made_from = fingerprint(wanted, course.prompt, rows, current)
    if steps.done("train", made_from, place):
        return made_from
    if "train" in steps.said("started") and steps.said("started")["train"] != made_from:
        raise ConfigError(
            f"{place} was begun with other rows or settings than the course has now",
            mend=f"name another folder with --out, or delete {place} if it is not needed any more",
        )
    steps.record("started", "", train=made_from)
    conversations = _prompted(course, read_conversations(folder / "dataset" / TRAIN), settings)
    hooks.say(f"train: {len(conversations)} rows, {wanted.method}, {wanted.epochs} epochs")
    report = train(
        wanted,
        conversations,
        place,
        resume=(place / "config.py").is_file(),
        on_step=hooks.on_step,
        on_answer=hooks.on_answer,
    )
    hooks.say(f"train: loss {report.first_loss:.3f} → {report.last_loss:.3f} in {report.steps} steps")
    steps.record("train", made_from, steps=report.steps, first_loss=report.first_loss, last_loss=report.last_loss)
    return made_from


def _prompted(course: Course, rows: list[Conversation], settings: Settings) -> list[Conversation]:
    """The rows as the service will show their questions."""
    prompt = course.prompt
    if prompt.kb is None:
        return with_system(rows, prompt.system)
    from rag.build import build_embedder, build_retriever
    from vector_db.library import open_knowledge_base

    with closing(open_knowledge_base(settings, prompt.kb)) as base:
        retriever = build_retriever(settings, build_embedder(settings, [base]))
        with base.generation() as generation:
            return with_passages(
                rows,
                lambda question: retriever.search(generation, question, prompt.top_k),
                generation.course,
                course.train.max_length,
            )


def _merge(course: Course, folder: Path, base: Path, steps: Steps, made_from: str, hooks: Hooks) -> Path:
    """The merged model before the gate, or after it where that was passed already."""
    candidate, model = folder / "candidate", folder / "model"
    if steps.done("merge", made_from) and (candidate.is_dir() or model.is_dir()):
        return candidate if candidate.is_dir() else model
    if not candidate.is_dir():
        report = merge_run(
            folder / "train", base, candidate, form=course.prompt.form, system=course.prompt.system, name=course.name
        )
        hooks.say(f"merge: {report.parameters:,} parameters; base with adapter says the same")
    steps.record("merge", made_from)
    return candidate


def _pass(
    course: Course,
    folder: Path,
    settings: Settings,
    base: Path,
    candidate: Path,
    steps: Steps,
    made_from: str,
    gate: Gate,
    override: str,
    hooks: Hooks,
) -> Path:
    """Measure, and give the candidate its name. Raises TrainingError when it fell and nobody overrides."""
    model, place = folder / "model", folder / "gate"
    files = (*course.gate.exams, *course.gate.general, *course.gate.general_rows)
    wanted = fingerprint(course.gate, made_from, files)
    if not steps.done("gate", wanted, place):
        held_out = _prompted(course, read_conversations(folder / "dataset" / TEST), settings)
        place.mkdir(exist_ok=True)
        verdict = gate(base, candidate, place, held_out)
        for line in verdict.lines:
            hooks.say(line)
        steps.record("gate", wanted, falls=verdict.falls)
    falls = steps.said("gate")["falls"]
    steps.begin("model")
    if falls and not override:
        raise TrainingError(
            f"{course.name} is worse than its base and was not published: {'; '.join(falls)}",
            mend=f"see {place / 'report.md'}; train on more or better rows, or publish it with --override REASON",
        )
    if candidate != model:
        if model.exists():
            raise ConfigError(f"{model} is there already, of an earlier training", mend="move it away, then run again")
        candidate.rename(model)
    steps.record("published", wanted, override=override if falls else "")
    return model
