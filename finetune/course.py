"""A course file: everything that `keben finetune run` does, in one TOML.

    name = "os-408"
    [[dataset.sources]]
    path = "questions.xlsx"
    [train]
    base = "models/internlm2-chat-1_8b"

Paths are relative to the file. docs/finetune.md has every setting.
"""

import tomllib
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.errors import ConfigError
from finetune.audit.settings import AuditSettings
from finetune.dataset.settings import DatasetSettings
from finetune.training.settings import TrainSettings
from rag.trained_prompt import Form


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PromptSettings(_Part):
    form: Form = Field(
        "question",
        description="What the model is shown while training, and then by the service: the question alone, or passages "
        "of the knowledge base with it.",
    )
    system: str = Field("", description="System prompt of rows that have none, with form question.")
    kb: str | None = Field(None, description="Knowledge base that the passages are from.")
    top_k: int = Field(3, ge=1, le=20, description="Passages shown with each question.")

    @model_validator(mode="after")
    def _has_passages(self) -> Self:
        if self.form == "passages" and (self.kb is None or self.system):
            raise ValueError("form passages needs kb, and has Keben's own system prompt: leave system out")
        return self


class GateSettings(_Part):
    exams: tuple[Path, ...] = Field((), description="Exams of the course, as for `keben eval exam`.")
    general: tuple[Path, ...] = Field((), description="Exams of other subjects, which show what was forgotten.")
    general_rows: tuple[Path, ...] = Field(
        (),
        description="Conversations of other subjects, JSON Lines: the loss on them is reported, and decides nothing.",
    )
    few_shot: Path | None = Field(None, description="Worked examples for the exams.")
    kb: str | None = Field(None, description="Knowledge base: the exams are sat with its books open, too.")
    limit: int | None = Field(None, ge=1, description="Questions of each subject; unset: all.")
    scores: tuple[str, ...] = Field(("letter",), min_length=1, description="How choices are scored: letter, written.")


class Course(_Part):
    name: str = Field(pattern=r"^[\w.-]{1,64}$", description="Name of the tuned model and of its folder.")
    dataset: DatasetSettings
    audit: AuditSettings = Field(default_factory=lambda: AuditSettings.model_validate({}))
    train: TrainSettings
    prompt: PromptSettings = Field(default_factory=lambda: PromptSettings.model_validate({}))
    gate: GateSettings = Field(default_factory=lambda: GateSettings.model_validate({}))


def read_course(path: Path) -> Course:
    """The course in a TOML file. Raises ConfigError naming the setting at fault."""
    mend = "docs/finetune.md has the form of a course file"
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", mend="name a course file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no TOML: {error}", mend=mend) from error
    try:
        return _below(Course.model_validate(data), path.parent)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'file'}: {one['msg']}" for one in error.errors())
        raise ConfigError(f"{path}: {faults}", mend=mend) from error


def _below(course: Course, folder: Path) -> Course:
    """`course` with `folder` before every relative path."""

    def under(paths: tuple[Path, ...]) -> tuple[Path, ...]:
        return tuple(folder / each for each in paths)

    gate, audit = course.gate, course.audit
    return course.model_copy(
        update={
            "dataset": course.dataset.below(folder),
            "train": course.train.model_copy(update={"base": folder / course.train.base}),
            "audit": audit.model_copy(
                update={
                    "exam": under(audit.exam),
                    "tokenizer": folder / audit.tokenizer if audit.tokenizer else None,
                }
            ),
            "gate": gate.model_copy(
                update={
                    "exams": under(gate.exams),
                    "general": under(gate.general),
                    "general_rows": under(gate.general_rows),
                    "few_shot": folder / gate.few_shot if gate.few_shot else None,
                }
            ),
        }
    )
