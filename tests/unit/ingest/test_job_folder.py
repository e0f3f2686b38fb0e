"""Job folders as whoever looks at them finds them; the processes are those of tests/integration/test_background.py."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from core.errors import JobConflict, JobMissing
from core.settings import EmbeddingSettings, LlmSettings, Settings, passed_settings
from ingest.job_events import EventLog
from ingest.job_folder import (
    EVENTS,
    JOB,
    LOCK,
    OUTCOME,
    JobProgress,
    cancel,
    events_since,
    jobs,
    prune,
    read_job,
    report,
    write_whole,
)
from ingest.job_start import _passed
from ingest.report import FileReport
from ingest.request import Request


def make(folder: Path, started_at: str = "2026-01-01T00:00:00+00:00", **outcome: Any) -> Path:
    folder.mkdir(parents=True)
    asked = {"source": "/books", "force": True, "only": ["a.md"], "remove": []}
    write_whole(folder / JOB, {"kb": "os", "request": asked, "started_at": started_at})
    (folder / LOCK).touch()
    if outcome:
        write_whole(
            folder / OUTCOME, {"finished_at": "2026-01-01T00:01:00+00:00", "error": None, "report": None, **outcome}
        )
    return folder


@contextmanager
def held(folder: Path) -> Iterator[None]:
    with (folder / LOCK).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_a_running_job(tmp_path: Path) -> None:
    folder = make(tmp_path / "a")
    with held(folder):
        job = read_job(folder)
    assert (job.name, job.kb, job.status) == ("a", "os", "running")
    assert job.request == Request(Path("/books"), force=True, only=("a.md",))
    assert (job.finished_at, job.error, job.cancelling, job.progress) == (None, None, False, JobProgress())


def test_a_job_whose_process_is_gone(tmp_path: Path) -> None:
    job = read_job(make(tmp_path / "a"))
    assert job.status == "interrupted" and job.error
    assert job.error.code == "interrupted" and "start it again" in job.error.mend


def test_jobs_that_have_ended(tmp_path: Path) -> None:
    done = make(tmp_path / "a", status="done", report={"chunks": 3})
    failed = make(tmp_path / "b", status="failed", error={"code": "builder-busy", "message": "m", "mend": "w"})
    assert read_job(done).status == "done" and read_job(done).error is None
    assert report(done) == {"chunks": 3}
    error = read_job(failed).error
    assert error and (error.code, error.message, error.mend) == ("builder-busy", "m", "w")
    assert read_job(failed).finished_at == "2026-01-01T00:01:00+00:00"
    with pytest.raises(JobConflict, match="'b' has no report: it is failed"):
        report(failed)


def test_what_does_not_go_with_the_state(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", status="done", report={})
    with pytest.raises(JobConflict, match="'a' has ended: it is done") as caught:
        cancel(folder)
    assert caught.value.mend
    running = make(tmp_path / "b")
    with held(running), pytest.raises(JobConflict, match="it is running"):
        report(running)


@pytest.mark.parametrize("text", [None, "", "{}", "[]", '{"kb": "x", "request": 3}'])
def test_a_folder_that_is_no_job(text: str | None, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    if text is not None:
        (tmp_path / "a" / JOB).write_text(text, encoding="utf-8")
    for look in (read_job, events_since, report, cancel):
        with pytest.raises(JobMissing, match="no job 'a'"):
            look(tmp_path / "a")
    assert jobs(tmp_path) == []


def test_events_are_numbered_and_the_last_tells_all(tmp_path: Path) -> None:
    folder = make(tmp_path / "a")
    log = EventLog(folder)
    log.start(2, 300)
    for _ in range(50):
        log.embedded(2, 10)
    log.file(FileReport("甲.md", "indexed", chunks=100, notes=("x",)), 100)
    log.stage("write the index")
    events = events_since(folder)
    assert [event["kind"] for event in events] == ["started", "embedded", "file", "stage"]
    assert [event["n"] for event in events] == [1, 2, 3, 4]
    assert events[2]["file"]["source"] == "甲.md" and events[2]["file"]["chunks"] == 100
    assert [event["n"] for event in events_since(folder, 2)] == [3, 4]
    assert events_since(folder, 4) == events_since(folder, 99) == []
    assert read_job(folder).progress == JobProgress("write the index", 2, 1, 300, 100, 100)


def test_a_line_that_is_being_written_is_left_for_later(tmp_path: Path) -> None:
    folder = make(tmp_path / "a")
    EventLog(folder).start(1, 1)
    with (folder / EVENTS).open("a", encoding="utf-8") as file:
        file.write('{"n": 2, "kind": "st')
    assert [event["n"] for event in events_since(folder)] == [1]
    assert read_job(folder).progress.files == 1


def test_a_full_disk_ends_the_events_and_not_the_rebuild(tmp_path: Path) -> None:
    folder = make(tmp_path / "a")
    (folder / EVENTS).symlink_to("/dev/full")
    log = EventLog(folder)
    log.start(1, 1)
    log.stage("write the index")


def test_the_newest_ended_jobs_are_kept(tmp_path: Path) -> None:
    for number in range(6):
        make(tmp_path / f"j{number}", f"2026-01-0{9 - number}T00:00:00+00:00", status="done", report={})
    running = make(tmp_path / "old", "2025-01-01T00:00:00+00:00")
    with held(running):
        assert [job.name for job in jobs(tmp_path)] == ["j0", "j1", "j2", "j3", "j4", "j5", "old"]
        assert prune(tmp_path, keep=4) == ("j4", "j5")
        assert prune(tmp_path, keep=4) == ()
    assert [job.name for job in jobs(tmp_path)] == ["j0", "j1", "j2", "j3", "old"]
    assert prune(tmp_path / "nothing") == ()


def test_the_process_gets_the_settings_as_they_are_without_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.model_validate(
        {
            "data_dir": "data",
            "embedding": EmbeddingSettings(batch_size=3),
            "llm": LlmSettings.model_validate({"urls": ["http://user:word@gpu:8000/v1"], "api_key": "sesame"}),
        }
    )
    text = json.dumps(_passed(settings))
    assert "sesame" not in text and "word" not in text
    monkeypatch.setenv("KEBEN_CHUNK__TARGET", "77")
    (tmp_path / "keben.toml").write_text("[chunk]\ntarget = 78\n", encoding="utf-8")
    came = passed_settings(json.loads(text))
    assert came.data_dir == tmp_path / "data" and came.embedding == settings.embedding
    assert came.chunk == settings.chunk and came.ingest == settings.ingest
    assert "source_dir" not in came.model_fields_set
