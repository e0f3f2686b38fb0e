"""The courses in a folder: what there is, starting and stopping their tuning, following it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import ConfigError, CourseMissing, JobConflict, TrainingError
from core.settings import Settings
from finetune.course import Course, read_course
from finetune.course_state import CourseDetail, CourseState, detail_of, faulty, mark_of, state_of
from finetune.training import environment
from finetune.training.progress import Step, new_steps
from finetune.tuning_job import Kind, is_running, start, stop

if TYPE_CHECKING:
    from finetune.publish import Plan


class Courses:
    """Those of `settings.courses_dir`. None of its methods trains or loads a model in this process."""

    def __init__(self, settings: Settings, xtuner: Path | None = None) -> None:
        """xtuner: the environment of XTuner, if it is another than Keben's."""
        self._settings = settings
        self.folder = settings.courses_dir
        self._xtuner = xtuner or environment.ENVIRONMENT

    @property
    def missing(self) -> TrainingError | None:
        """Why nothing can be trained, None where XTuner is installed."""
        try:
            environment.program(folder=self._xtuner)
        except TrainingError as error:
            return error
        return None

    def all(self) -> list[CourseState]:
        """All courses by name; one whose file is faulty says why."""
        return [self.state(name) for name in sorted(self._names())]

    def state(self, name: str) -> CourseState:
        """How far a course is. Raises CourseMissing."""
        return self._look(name)[0]

    def detail(self, name: str) -> CourseDetail:
        """All about a course. Raises CourseMissing."""
        state, run = self._look(name)
        return CourseDetail(state, None, None, None, None, None, "") if run is None else detail_of(state, run)

    def _look(self, name: str) -> tuple[CourseState, Path | None]:
        """Its state and the folder of its run, None where the file is faulty."""
        try:
            file, course = self._read(name)
            run = _run_of(file, course)
            return state_of(name, course, run), run
        except ConfigError as error:
            return faulty(name, error), None

    def audit(self, name: str) -> None:
        """Start data set and audit. Raises CourseMissing, ConfigError, JobConflict while something is tuned."""
        file, _ = self._read(name)
        self._start(name, "audit", ["run", str(file.resolve()), "--audit", "--json"])

    def run(self, name: str, override: str = "") -> None:
        """Start the tuning, or go on with it. Raises as `audit`, and JobConflict without XTuner.

        override: why a model that fell at the gate is published all the same.
        """
        file, _ = self._read(name)
        if self.missing:
            raise JobConflict(self.missing.message, mend=self.missing.mend)
        reason = [f"--override={override}"] if override else []
        self._start(name, "run", ["run", str(file.resolve()), "--json", *reason])

    def stop(self, name: str) -> None:
        """Have what runs save a checkpoint and end.

        Raises CourseMissing, ConfigError, JobConflict when nothing runs.
        """
        stop(_run_of(*self._read(name)))

    def plan(self, name: str, repo: str) -> "Plan":
        """What would be uploaded. Raises CourseMissing, ConfigError, JobConflict where there is no model."""
        from finetune.publish import plan

        return plan(self._model(name), repo)

    def upload(self, name: str, repo: str, hub: str, *, private: bool) -> None:
        """Start the upload of a model. Raises as `plan` and `audit`, and JobConflict where the plan has faults."""
        found = self.plan(name, repo)
        if found.faults:
            raise JobConflict(f"{name} is not uploaded: {'; '.join(found.faults)}", mend="mend that, then again")
        wanted = ["publish", found.model, "--to", hub, "--repo", repo, "--yes", "--json"]
        self._start(name, "publish", [*wanted, *(["--private"] if private else [])])

    def follow(self, name: str) -> "Follower":
        """Tells what happens to a course from now on. Raises CourseMissing."""
        self.state(name)
        return Follower(self, name)

    def where(self, name: str) -> tuple[Path, Path] | None:
        """The file of a course and the folder of its run, None where the file is faulty. Raises CourseMissing."""
        try:
            file, course = self._read(name)
        except ConfigError:
            return None
        return file, _run_of(file, course)

    def _model(self, name: str) -> Path:
        model = _run_of(*self._read(name)) / "model"
        if not model.is_dir():
            raise JobConflict(f"{name} has no model yet", mend="run it to its end")
        return model.resolve()

    def _start(self, name: str, kind: Kind, arguments: list[str]) -> None:
        run = _run_of(*self._read(name))
        with self._alone():
            for other in self._names():
                place = self.where(other)
                if place and place[1] == run and other != name:
                    raise ConfigError(
                        f"{name} and {other} are both tuned in {run}", mend="change the name in one of them"
                    )
                if place and is_running(place[1]):
                    raise JobConflict(f"{other} is being tuned", mend="wait for its end, or stop it: one at a time")
            start(self._settings, run, kind, arguments)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process starts one meanwhile; it takes a moment."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _names(self) -> set[str]:
        files = {path.stem for path in self.folder.glob("*.toml") if path.is_file()}
        folders = {path.parent.name for path in self.folder.glob("*/course.toml") if path.is_file()}
        return {name for name in files | folders if not name.startswith(".")}

    def _read(self, name: str) -> tuple[Path, Course]:
        """The file of a course, and what it says. Raises CourseMissing, ConfigError."""
        # Compared, never joined: what a client sends is no part of a path.
        if name not in self._names():
            raise CourseMissing(f"there is no course {name!r}", mend="GET /courses lists those that there are")
        files = [self.folder / f"{name}.toml", self.folder / name / "course.toml"]
        found = [file for file in files if file.is_file()]
        if len(found) > 1:
            raise ConfigError(f"{found[0]} and {found[1]} have one name", mend="give one of them another name")
        return found[0], read_course(found[0])


class Follower:
    """What has happened to a course since it was asked the last time."""

    def __init__(self, courses: Courses, name: str) -> None:
        self._courses, self._name = courses, name
        self._mark: object = None
        self.ended = False
        place = courses.where(name)
        # The state has the steps before.
        self._read = new_steps(place[1] / "train", 0)[0] if place else 0

    def news(self) -> list[CourseDetail | Step]:
        """The state of the course if it has changed, then each step of the training. ended: nothing runs any more."""
        try:
            place = self._courses.where(self._name)
        except CourseMissing:  # its file was taken away meanwhile
            self.ended = True
            return []
        mark = mark_of(*place) if place else None
        found: list[CourseDetail | Step] = []
        if mark != self._mark or mark is None:
            detail = self._courses.detail(self._name)
            self._mark, self.ended = mark, detail.state.status != "running"
            found.append(detail)
        if place:
            self._read, steps = new_steps(place[1] / "train", self._read)
            found += steps
        return found


def _run_of(file: Path, course: Course) -> Path:
    """As `keben finetune run` has it."""
    return file.parent / "runs" / course.name
