"""Courses that are tuned in the background: what their folders tell, and real processes, stopped and killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_courses import step, write_course, write_reports, write_steps

from core.errors import ConfigError, CourseMissing, JobConflict
from core.settings import PROJECT, Settings
from finetune import tuning_job
from finetune.background import Courses, CourseState, Step
from finetune.folder import alone
from finetune.training.environment import ENVIRONMENT, is_whole
from finetune.training.progress import new_steps

# Ends as `keben finetune run` does: on a signal with an error, after the file `go` with a result.
PROGRAM = """
import json, os, pathlib, signal, sys, time
def stopped(*_):
    print(json.dumps({"error": "training", "message": "training was stopped", "mend": "go on"}, indent=2))
    sys.exit(1)
signal.signal(signal.SIGTERM, stopped)
print(sys.argv[1:], {k: v for k, v in os.environ.items() if k.startswith("KEBEN_")}, file=sys.stderr, flush=True)
go = pathlib.Path(%r)
while not go.exists():
    time.sleep(0.02)
print("a library says something\\n" + go.read_text())
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "courses").mkdir()
    llm = {"api_key": "sk-secret", "dtype": "float32"}
    return Settings.model_validate({"courses_dir": tmp_path / "courses", "data_dir": tmp_path / "data", "llm": llm})


@pytest.fixture
def courses(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Courses:
    """Two courses, os and net; their commands are PROGRAM. XTuner counts as installed."""
    monkeypatch.setattr(tuning_job, "COMMAND", (sys.executable, "-c", PROGRAM % str(tmp_path / "go")))
    for name in ("os", "net"):
        write_course(settings.courses_dir, name, tmp_path / "base")
    found = Courses(settings)
    monkeypatch.setattr(Courses, "missing", None)
    return found


@pytest.fixture
def run(settings: Settings) -> Path:
    return settings.courses_dir / "runs" / "os"


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def ended(courses: Courses, name: str = "os") -> CourseState:
    until(lambda: courses.state(name).status != "running")
    return courses.state(name)


def listening(run: Path) -> None:
    """Wait until the process has said its first words: it hears signals then."""
    until(lambda: (run / ".job" / "log").is_file() and (run / ".job" / "log").stat().st_size > 0)


def process_of(run: Path) -> int:
    return int((run / ".job" / "lock").read_text(encoding="ascii"))


def go(tmp_path: Path, outcome: dict[str, Any]) -> None:
    (tmp_path / "new").write_text(json.dumps(outcome, indent=2), encoding="utf-8")
    (tmp_path / "new").rename(tmp_path / "go")


def test_importing_it_loads_nothing_heavy() -> None:
    heavy = "torch", "numpy", "transformers", "matplotlib", "safetensors", "tokenizers"
    program = f"import sys, finetune.background\nprint([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_courses_are_files_in_the_folder_and_faulty_ones_say_why(settings: Settings, tmp_path: Path) -> None:
    folder, base = settings.courses_dir, tmp_path / "models" / "tiny"
    write_course(folder, "os", base, method="qlora")
    write_course(folder, "course", base).rename(folder / "gone")
    (folder / "网络").mkdir()
    write_course(folder / "网络", "course", base)
    (folder / "broken.toml").write_text("name = 'x'\n[train]\nbase = 3", encoding="utf-8")
    (folder / "twice").mkdir()
    for path in (folder / "twice.toml", folder / "twice" / "course.toml"):
        path.write_text((folder / "os.toml").read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "notes").mkdir()
    courses = Courses(settings)
    states = {state.name: state for state in courses.all()}
    assert {name: state.status for name, state in states.items()} == {
        **{"broken": "faulty", "os": "new", "twice": "faulty", "网络": "new"},
    }
    assert (states["os"].title, states["os"].base, states["os"].method) == ("os", "tiny", "qlora")
    error = states["broken"].error
    assert error and "train.base" in error.message and "docs/finetune.md" in error.mend
    assert courses.detail("broken").state == states["broken"] and courses.detail("os").rows is None
    for name in ("nothing", "gone", "../courses/os", ""):
        with pytest.raises(CourseMissing):
            courses.state(name)
    assert Courses(settings.model_copy(update={"courses_dir": tmp_path / "nowhere"})).all() == []


@pytest.mark.parametrize(
    ("upto", "status", "steps"),
    [
        ("audit", "begun", "done done waiting waiting waiting waiting"),
        ("train", "begun", "done done done waiting waiting waiting"),
        ("model", "done", "done done done done done done"),
    ],
)
def test_a_run_of_the_command_line_is_read_too(courses: Courses, run: Path, upto: str, status: str, steps: str) -> None:
    write_steps(run, upto)
    state = courses.state("os")
    assert state.status == status and [each for _, each in state.steps] == steps.split()


def test_all_that_a_run_has_left_is_told(courses: Courses, run: Path) -> None:
    write_steps(run, "model", falls=("os fell",))
    write_reports(run)
    detail = courses.detail("os")
    assert detail.state.status == "begun" and detail.model is None and detail.log == ""
    assert detail.rows == {"train": 7, "test": 3, "left_out": 1}
    assert detail.audit and [one["severity"] for one in detail.audit["findings"]] == ["error", "warning", "note"]
    assert "rows" not in detail.audit["findings"][0] and detail.audit["findings"][0]["examples"]
    assert detail.training and detail.training.last == Step(30, 40, 0.3, 1e-3, 0.5)
    assert detail.training.rows == 7 and detail.training.seconds_left is None and len(detail.training.points) == 30
    assert detail.gate and detail.gate["rows"][1]["fell"] and len(detail.gate["falls"]) == 1
    (run / "model").mkdir()
    model = courses.detail("os").model
    assert model and model.command == f"KEBEN_LLM__MODEL={run / 'model'} keben serve"


def test_while_it_trains_the_time_left_is_told_and_a_long_curve_is_thinned(courses: Courses, run: Path) -> None:
    write_steps(run, "audit")
    write_reports(run)
    with (run / "train" / "progress.jsonl").open("a", encoding="utf-8") as lines:
        lines.writelines(json.dumps(step(number, 3000)) + "\n" for number in range(31, 1001))
    from finetune.steps import Steps

    Steps(run).begin("train")
    with alone(run):
        detail = courses.detail("os")
        assert detail.state.status == "running" and ("train", "running") in detail.state.steps
        with pytest.raises(JobConflict, match="command line"):
            courses.stop("os")
        with pytest.raises(JobConflict, match="os is being tuned"):
            courses.audit("net")
    assert detail.training and detail.training.seconds_left == 2000 * 0.5
    assert 200 < len(detail.training.points) <= 400 and detail.training.points[-1] == (1000, 9.0 / 1000)


def test_new_steps_are_whole_lines(tmp_path: Path) -> None:
    assert new_steps(tmp_path, 0) == (0, [])
    path = tmp_path / "progress.jsonl"
    path.write_text(json.dumps(step(1)) + "\n" + json.dumps(step(2))[:20], encoding="utf-8")
    read, steps = new_steps(tmp_path, 0)
    assert [one.step for one in steps] == [1]
    path.write_text(json.dumps(step(1)) + "\n" + json.dumps(step(2)) + "\n", encoding="utf-8")
    read, steps = new_steps(tmp_path, read)
    assert [one.step for one in steps] == [2] and new_steps(tmp_path, read) == (read, [])
    path.write_text(json.dumps(step(1)) + "\n", encoding="utf-8")  # another training
    assert [one.step for one in new_steps(tmp_path, read)[1]] == [1]


def test_one_at_a_time_and_it_is_stopped(courses: Courses, run: Path, settings: Settings) -> None:
    courses.run("os", override="--the exam was wrong")
    state = courses.state("os")
    assert (state.status, state.kind, state.stopping) == ("running", "run", False)
    for refused in (lambda: courses.run("net"), lambda: courses.audit("os")):
        with pytest.raises(JobConflict, match="os is being tuned") as caught:
            refused()
        assert "stop it" in caught.value.mend
    listening(run)
    told = (run / ".job" / "log").read_text(encoding="utf-8")
    assert "--override=--the exam was wrong" in told and str(settings.courses_dir / "os.toml") in told
    # The settings go with it, but no key.
    assert "KEBEN_DATA_DIR" in told and "float32" in told and "sk-secret" not in told
    courses.stop("os")
    courses.stop("os")
    state = ended(courses)
    assert (state.status, state.error) == ("stopped", None)
    with pytest.raises(JobConflict, match="is not being tuned"):
        courses.stop("os")
    courses.audit("os")
    assert (courses.state("os").status, courses.state("os").kind) == ("running", "audit")
    courses.stop("os")  # perhaps before the process hears signals
    assert ended(courses).status == "stopped"


def test_two_courses_of_one_name_are_not_tuned_in_one_folder(courses: Courses, settings: Settings) -> None:
    shutil.copy(settings.courses_dir / "os.toml", settings.courses_dir / "copy.toml")
    with pytest.raises(ConfigError, match="are both tuned in"):
        courses.audit("os")
    assert not (settings.courses_dir / "runs").exists()


def test_killed_it_is_interrupted_and_is_started_again(courses: Courses, run: Path, tmp_path: Path) -> None:
    courses.run("os")
    listening(run)
    os.kill(process_of(run), signal.SIGKILL)
    state = ended(courses)
    assert state.status == "interrupted" and state.error and "goes on" in state.error.mend
    assert "finetune" in courses.detail("os").log or "os.toml" in courses.detail("os").log
    courses.run("os")
    write_steps(run, "model")
    go(tmp_path, {"model": "…"})
    assert ended(courses).status == "done"


def test_what_it_ends_with_is_told(courses: Courses, run: Path, tmp_path: Path) -> None:
    write_steps(run, "dataset")
    courses.audit("os")
    from finetune.steps import Steps

    Steps(run).begin("audit")
    go(tmp_path, {"error": "dataset", "message": "the data set has errors: empty", "mend": "fill it in"})
    state = ended(courses)
    assert state.status == "failed" and ("audit", "failed") in state.steps
    assert state.error and (state.error.code, state.error.mend) == ("dataset", "fill it in")
    assert "--audit" in courses.detail("os").log
    # Somebody goes on from a command line.
    time.sleep(0.05)
    write_steps(run, "model")
    assert courses.state("os").status == "done"


def test_followed_it_tells_states_and_steps_until_its_end(
    courses: Courses, run: Path, tmp_path: Path, settings: Settings
) -> None:
    write_steps(run, "audit")
    write_reports(run)
    courses.run("os")
    follower = courses.follow("os")
    first = follower.news()
    assert len(first) == 1 and not follower.ended and follower.news() == []
    with (run / "train" / "progress.jsonl").open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(step(31)) + "\n" + json.dumps(step(32)) + "\n")
    assert [one.step for one in follower.news() if isinstance(one, Step)] == [31, 32]
    go(tmp_path, {"report": "…"})
    ended(courses)
    (last,) = follower.news()
    assert not isinstance(last, Step) and last.state.status == "begun" and follower.ended
    again = courses.follow("os")
    (settings.courses_dir / "os.toml").unlink()
    assert again.news() == [] and again.ended


def test_it_outlives_the_process_that_starts_it(courses: Courses, settings: Settings, run: Path) -> None:
    program = (
        "import sys\nfrom finetune import tuning_job\nfrom finetune.background import Courses\n"
        "from core.settings import Settings\nfrom pathlib import Path\n"
        f"tuning_job.COMMAND = {tuning_job.COMMAND!r}\n"
        f"Courses(Settings(courses_dir=Path({str(settings.courses_dir)!r}))).audit('os')\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=PROJECT, check=True, timeout=60)
    assert courses.state("os").status == "running"
    courses.stop("os")
    assert ended(courses).status == "stopped"


def test_without_xtuner_nothing_is_trained(settings: Settings, tmp_path: Path) -> None:
    write_course(settings.courses_dir, "os", tmp_path / "base")
    courses = Courses(settings, tmp_path / "no environment")
    with pytest.raises(JobConflict, match="is not there") as caught:
        courses.run("os")
    assert "keben finetune setup" in caught.value.mend and not (settings.courses_dir / "runs").exists()
    assert (Courses(settings).missing is None) == is_whole(ENVIRONMENT)


def test_a_model_is_uploaded_only_where_the_plan_has_no_faults(courses: Courses, run: Path) -> None:
    with pytest.raises(JobConflict, match="no model yet"):
        courses.plan("os", "me/os")
    write_steps(run, "model")
    with pytest.raises(ConfigError, match="OWNER/NAME"):
        courses.plan("os", "me")
    plan = courses.plan("os", "me/os")
    assert plan.gate == "passed" and plan.faults
    with pytest.raises(JobConflict, match="model card"):
        courses.upload("os", "me/os", "huggingface", private=True)
    assert not (run / ".job").exists()
