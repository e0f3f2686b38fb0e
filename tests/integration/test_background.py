"""Rebuilds in the background: real processes, looked at, cancelled and killed from this one and from others."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import JobConflict
from core.settings import PROJECT, Settings
from ingest.background import (
    JobState,
    Request,
    cancel,
    events_since,
    jobs,
    read_job,
    report,
    start_rebuild,
)
from vector_db.layout import KnowledgeBaseFolder
from vector_db.verify import verify_generation

PATIENCE = 120.0
# Pandoc works on this for minutes.
SLOW = "段落 *a* **b** `c` 与 :math:`x^2`。\n\n" * 200_000


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def ended(folder: Path) -> JobState:
    until(lambda: read_job(folder).status != "running")
    return read_job(folder)


def process_of(folder: Path) -> int:
    until(lambda: (folder / "job.lock").read_text(encoding="ascii") != "")
    return int((folder / "job.lock").read_text(encoding="ascii"))


def state_of(process: int) -> str:
    """Its letter in /proc, "" for one that is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return ""


def parsers(path: Path) -> list[int]:
    """The processes that have this file on their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str(path).encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.fixture
def slow(course: Settings) -> Path:
    """A book in the course that takes minutes to parse."""
    path = course.source_dir / "slow.rst"
    path.write_text(SLOW, encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "jobs" / "one"


def test_a_job_from_start_to_report(course: Settings, folder: Path) -> None:
    (course.source_dir / "new.md").write_text("# 新书\n\n管程由共享数据和对数据的操作组成。\n", encoding="utf-8")
    (course.source_dir / "bad.pdf").write_bytes(b"%PDF-1.7 and nothing else")
    before = KnowledgeBaseFolder(course.data_dir, "default").current_id()
    job = start_rebuild(course, "default", Request(), folder)
    assert (job.name, job.kb, job.status, job.error) == ("one", "default", "running", None)
    process = process_of(folder)
    job = ended(folder)
    assert job.status == "done" and job.error is None and job.finished_at and job.finished_at > job.started_at
    assert (job.progress.files, job.progress.files_done) == (5, 5)
    assert job.progress.size == job.progress.size_done > 0 and job.progress.passages == 1
    files = {file["source"]: file for file in report(folder)["files"]}
    assert files["new.md"]["status"] == "indexed" and report(folder)["generation"] != before
    assert files["bad.pdf"]["status"] == "failed" and files["bad.pdf"]["reason"] and files["bad.pdf"]["mend"]
    told = [event["file"]["source"] for event in events_since(folder) if event["kind"] == "file"]
    assert told == sorted(files)
    assert (folder / "log").read_text(encoding="utf-8") == ""
    until(lambda: state_of(process) == "")  # and no zombie


def test_any_process_can_read_a_job(course: Settings, slow: Path, folder: Path) -> None:
    start_rebuild(course, "default", Request(), folder)
    script = (
        "import sys; from pathlib import Path; from ingest.background import read_job;"
        "print(read_job(Path(sys.argv[1])).status)"
    )

    def seen() -> str:
        command = [sys.executable, "-c", script, str(folder)]
        return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout.strip()

    assert seen() == "running"
    os.kill(process_of(folder), signal.SIGKILL)
    until(lambda: read_job(folder).status == "interrupted")
    assert seen() == "interrupted"


def test_a_job_never_reads_as_dead_while_it_starts(course: Settings, folder: Path) -> None:
    """Looked at without a pause by another process from before it is made until it has ended."""
    script = """
import sys, time
from pathlib import Path
from core.errors import JobMissing
from ingest.background import read_job
seen = []
print("ready", flush=True)
while not seen or seen[-1] == "running":
    try:
        status = read_job(Path(sys.argv[1])).status
    except JobMissing:
        continue
    if not seen or seen[-1] != status:
        seen.append(status)
print(" ".join(seen))
"""
    command = [sys.executable, "-c", script, str(folder)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdout
        assert watcher.stdout.readline() == "ready\n"
        start_rebuild(course, "default", Request(), folder)
        assert watcher.stdout.read().strip() == "running done"


def test_a_cancelled_job_leaves_what_is_served(course: Settings, slow: Path, folder: Path) -> None:
    target = KnowledgeBaseFolder(course.data_dir, "default")
    before = target.current_id()
    start_rebuild(course, "default", Request(), folder)
    until(lambda: any(parsers(slow)))
    process = process_of(folder)
    cancel(folder)
    cancel_again(folder)
    job = ended(folder)
    assert job.status == "cancelled" and job.error and job.error.code == "cancelled" and job.error.mend
    assert job.finished_at
    until(lambda: not parsers(slow) and state_of(process) == "")
    assert target.current_id() == before
    verify_generation(target.current())
    with pytest.raises(JobConflict, match="it is cancelled"):
        cancel(folder)
    slow.unlink()
    start_rebuild(course, "default", Request(), folder.with_name("two"))
    assert ended(folder.with_name("two")).status == "done"


def cancel_again(folder: Path) -> None:
    """Once more: nothing while it runs, and an error when that was enough."""
    try:
        cancel(folder)
    except JobConflict:
        pass


def test_a_job_is_cancelled_before_it_hears_signals(course: Settings, folder: Path) -> None:
    before = KnowledgeBaseFolder(course.data_dir, "default").current_id()
    (course.source_dir / "new.md").write_text("# 新书\n\n管程由共享数据组成。\n", encoding="utf-8")
    start_rebuild(course, "default", Request(), folder)
    cancel(folder)
    assert ended(folder).status == "cancelled"
    assert KnowledgeBaseFolder(course.data_dir, "default").current_id() == before


def test_a_killed_job_is_interrupted_and_the_next_goes_on(course: Settings, slow: Path, folder: Path) -> None:
    start_rebuild(course, "default", Request(), folder)
    until(lambda: any(parsers(slow)))
    os.kill(process_of(folder), signal.SIGKILL)
    job = ended(folder)
    assert job.status == "interrupted" and job.error and job.finished_at is None
    assert job.error.mend == "start it again: it goes on where it stopped"
    until(lambda: not parsers(slow))
    slow.unlink()
    start_rebuild(course, "default", Request(), folder.with_name("two"))
    assert ended(folder.with_name("two")).status == "done"
    assert [job.name for job in jobs(folder.parent)] == ["two", "one"]


def test_the_second_of_two_jobs_is_told_that_the_first_is_at_work(course: Settings, slow: Path, folder: Path) -> None:
    start_rebuild(course, "default", Request(), folder)
    until(lambda: any(parsers(slow)))
    start_rebuild(course, "default", Request(), folder.with_name("two"))
    second = ended(folder.with_name("two"))
    assert second.status == "failed" and second.error
    assert second.error.code == "builder-busy" and "default" in second.error.message and second.error.mend
    assert read_job(folder).status == "running"
    cancel(folder)
    assert ended(folder).status == "cancelled"


def test_faults_of_the_request_arrive_with_their_mend(course: Settings, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name, kb, request, code in (
        ("empty", "default", Request(source=tmp_path / "empty"), "nothing-indexed"),
        ("unknown", "physics", Request(), "bad-setting"),
        ("name", "No Name", Request(), "bad-setting"),
        ("only", "default", Request(only=("no-such.md",)), "bad-setting"),
        ("folder", "default", Request(source=tmp_path / "gone"), "bad-source"),
    ):
        start_rebuild(course, kb, request, folder.with_name(name))
        job = ended(folder.with_name(name))
        assert job.status == "failed" and job.error and (job.error.code, bool(job.error.mend)) == (code, True), job


def test_a_job_of_this_name_is_there(course: Settings, folder: Path) -> None:
    folder.mkdir(parents=True)
    with pytest.raises(JobConflict, match="'one' is there already"):
        start_rebuild(course, "default", Request(), folder)


def test_a_job_outlives_the_process_that_started_it(course: Settings, slow: Path, folder: Path) -> None:
    script = """
import json, os, signal, sys
from pathlib import Path
from core.settings import passed_settings
from ingest.background import Request, start_rebuild
start_rebuild(passed_settings(json.loads(sys.argv[2])), "default", Request(), Path(sys.argv[1]))
os.kill(os.getpid(), signal.SIGKILL)
"""
    values = json.dumps({"data_dir": str(course.data_dir), "source_dir": str(course.source_dir)})
    done = subprocess.run([sys.executable, "-c", script, str(folder), values], cwd=PROJECT, check=False)
    assert done.returncode == -signal.SIGKILL
    until(lambda: any(parsers(slow)))
    assert read_job(folder).status == "running"
    cancel(folder)
    assert ended(folder).status == "cancelled"


def test_nothing_of_the_environment_reaches_a_job(
    course: Settings, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEBEN_DATA_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("KEBEN_LLM__API_KEY", "sesame")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "json.py").write_text("raise SystemExit(9)", encoding="utf-8")
    (tmp_path / "keben.toml").write_text('kb = "other"\n', encoding="utf-8")
    start_rebuild(course, "default", Request(force=True), folder)
    process = process_of(folder)
    entries = Path(f"/proc/{process}/environ").read_bytes() + Path(f"/proc/{process}/cmdline").read_bytes()
    assert b"sesame" not in entries and b"KEBEN_" not in entries
    assert ended(folder).status == "done"
    assert not (tmp_path / "elsewhere").exists()
    shutil.rmtree(folder)
