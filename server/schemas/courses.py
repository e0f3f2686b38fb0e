"""Courses that are tuned."""

from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import Path
from pydantic import Field

from finetune.background import CourseDetail, CourseState, Kind, Status, StepStatus
from server.schemas.base import Body, RequestBody

CourseName = Annotated[str, Path(min_length=1, max_length=100, examples=["os-tutor"])]


class FaultBody(Body):
    """What went wrong. mend: what to do."""

    code: str = Field(examples=["dataset"])
    message: str
    mend: str


class StepBody(Body):
    """A step of the flow."""

    name: Literal["dataset", "audit", "train", "merge", "gate", "model"]
    status: StepStatus


class CourseBody(Body):
    """A course. name: of its file. title, base, method: as the file says, empty where it is faulty."""

    name: str = Field(examples=["os-tutor"])
    title: str
    base: str
    method: str
    status: Status = Field(
        description="begun: some steps are done, nothing runs. interrupted: its process died. faulty: the file is."
    )
    kind: Kind | None = Field(description="The last command that was started over the network.")
    started_at: str | None
    stopping: bool = Field(description="Its end was asked for, and it runs still.")
    steps: list[StepBody]
    error: FaultBody | None

    @classmethod
    def of(cls, state: CourseState) -> "CourseBody":
        """The wire form of a course."""
        return cls.model_validate(_plain(state))


class CoursesResponse(Body):
    """All courses. installed: whether XTuner is; missing says why not and what to do. folder: of the course files."""

    installed: bool
    missing: FaultBody | None
    folder: str
    courses: list[CourseBody]


class RowsBody(Body):
    """Rows to train on, to test with, and left out."""

    train: int
    test: int
    left_out: int


class ExampleBody(Body):
    """A row with a flaw."""

    source: str
    text: str
    why: str


class FindingBody(Body):
    """What a check of the audit faults. todo: how to mend it. share: of the rows looked at."""

    check: str
    severity: Literal["error", "warning", "note"]
    summary: str
    todo: str
    count: int
    share: float
    examples: list[ExampleBody]


class AuditBody(Body):
    """An audit. accepted: checks whose errors the course lets pass."""

    passed: bool
    accepted: list[str]
    findings: list[FindingBody]


class TrainingStepBody(Body):
    """A step of a training. loss: mean over the answers' tokens. lr: learning rate. seconds: it took."""

    step: int
    of: int
    loss: float
    lr: float
    seconds: float


class TrainingBody(Body):
    """How far a training is. points: step and loss, thinned out."""

    rows: int | None
    last: TrainingStepBody | None
    seconds_left: float | None = Field(description="About; null when nothing trains.")
    points: list[tuple[int, float]]


class GateRowBody(Body):
    """A measure of base and tuned model. difference: with its 95 % interval. count: questions, or rows of a loss."""

    name: str
    subject: str
    measure: str
    count: int
    before: float
    now: float
    difference: float
    low: float
    high: float
    fell: bool
    decides: bool = Field(description="Whether a fall here keeps the model back: not of fewer than 20.")


class GateBody(Body):
    """What the gate found. falls: what got worse for certain, in words."""

    rows: list[GateRowBody]
    falls: list[str]


class ModelBody(Body):
    """The model that may be served. override: why, though it fell at the gate. url: of its last upload."""

    folder: str
    command: str = Field(examples=["KEBEN_LLM__MODEL=courses/runs/os-tutor/model keben serve"])
    override: str
    url: str | None


class CourseDetailBody(CourseBody):
    """All about a course; null is what there is not yet. log: what was said last, where it ended badly."""

    rows: RowsBody | None
    audit: AuditBody | None
    training: TrainingBody | None
    gate: GateBody | None
    model: ModelBody | None
    log: str

    @classmethod
    def of_detail(cls, detail: CourseDetail) -> "CourseDetailBody":
        """The wire form of all about a course."""
        values = asdict(detail)
        if audit := values["audit"]:
            values["audit"] = {name: audit[name] for name in AuditBody.model_fields}
        del values["state"]
        return cls.model_validate({**_plain(detail.state), **values})


class RunRequest(RequestBody):
    """How to tune."""

    override: str = Field(
        "", max_length=500, description="Why a model that fell at the gate is published all the same; it is recorded."
    )


class PublishRequest(RequestBody):
    """Where to upload a model. upload: false: only what would be done is told."""

    repo: str = Field(min_length=3, max_length=200, examples=["myschool/os-7b"])
    to: Literal["huggingface", "modelscope"] = "huggingface"
    private: bool = True
    upload: bool = False


class FileBody(Body):
    """A file of a model. size: bytes."""

    name: str
    size: int


class PlanBody(Body):
    """What would be uploaded, or is now. gate: what is known of its exam. faults: why it must not be."""

    repo: str
    size: int = Field(description="Bytes in all.")
    files: list[FileBody]
    gate: str
    faults: list[str]
    started: bool


def _plain(state: CourseState) -> dict[str, object]:
    steps = [{"name": name, "status": status} for name, status in state.steps]
    return {**asdict(state), "steps": steps}
