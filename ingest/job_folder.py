"""A rebuild in a process of its own, as its folder tells it to any process, at any time.

<folder>/job.json       what was asked for, and when; a folder without it is no job
<folder>/job.lock       held (flock) by the process as long as it lives; holds its id
<folder>/events.jsonl   what happened, one line for each event
<folder>/outcome.json   how it ended, written once and whole
<folder>/cancel         there when somebody has asked for its end
<folder>/log            warnings and errors
"""

import json
import os
import shutil
import signal
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from core.errors import JobConflict, JobMissing
from core.processes import is_held
from ingest.request import Request

JOB, LOCK, EVENTS, OUTCOME, CANCEL, LOG = "job.json", "job.lock", "events.jsonl", "outcome.json", "cancel", "log"
_AGAIN = "start it again: it goes on where it stopped"
_KEEP = 50

JobStatus = Literal["running", "done", "failed", "cancelled", "interrupted"]


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a job is. stage: what it is at. size, size_done: bytes of all files, and of those looked at.

    passages: embedded so far.
    """

    stage: str = "start"
    files: int = 0
    files_done: int = 0
    size: int = 0
    size_done: int = 0
    passages: int = 0


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job ended without what was asked for, as a KebenError says it."""

    code: str
    message: str
    mend: str


@dataclass(frozen=True, slots=True)
class JobState:
    """A job as its folder tells it. Times are ISO 8601, in UTC.

    status: interrupted means that its process died without a word, as by kill -9 or a power cut.
    cancelling: its end was asked for, and it is still running. finished_at: None unless it ended by itself.
    """

    name: str
    kb: str
    request: Request
    status: JobStatus
    started_at: str
    finished_at: str | None
    progress: JobProgress
    error: JobError | None
    cancelling: bool


def now() -> str:
    """The time, as job folders hold it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def write_whole(path: Path, value: dict[str, Any]) -> None:
    """Write JSON that a reader, or a start after a power cut, sees whole or not at all."""
    fresh = path.with_name(f".{path.name}.tmp")
    with fresh.open("w", encoding="utf-8", errors="backslashreplace") as file:
        json.dump(value, file, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def read_request(folder: Path) -> tuple[str, Request, str]:
    """Knowledge base, request and start of the job in `folder`; raises JobMissing."""
    try:
        job = json.loads((folder / JOB).read_text(encoding="utf-8"))
        asked = job["request"]
        source = Path(asked["source"]) if asked["source"] is not None else None
        request = Request(source, asked["force"], tuple(asked["only"]), tuple(asked["remove"]))
        return str(job["kb"]), request, str(job["started_at"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise JobMissing(
            f"there is no job {folder.name!r} in {folder.parent}", mend="look at the list of jobs; old ones are deleted"
        ) from error


def read_job(folder: Path) -> JobState:
    """The job in `folder`; raises JobMissing."""
    kb, request, started_at = read_request(folder)
    # A process that ends between the two looks has written its outcome before it lets go of the lock.
    outcome = _outcome(folder)
    running = outcome is None and is_held(folder / LOCK)
    outcome = outcome or (None if running else _outcome(folder))
    status: JobStatus = "running" if running else "interrupted"
    error = None if running else JobError("interrupted", "the process of this rebuild was ended from outside", _AGAIN)
    if outcome is not None:
        status, fault = outcome["status"], outcome["error"]
        error = JobError(**fault) if fault else None
    return JobState(
        name=folder.name,
        kb=kb,
        request=request,
        status=status,
        started_at=started_at,
        finished_at=outcome["finished_at"] if outcome else None,
        progress=_progress(folder),
        error=error,
        cancelling=running and (folder / CANCEL).exists(),
    )


def jobs(jobs_folder: Path) -> list[JobState]:
    """All jobs whose folders lie in `jobs_folder`, the newest first; none where there is no such folder."""
    found = []
    for path in jobs_folder.glob(f"*/{JOB}"):
        try:
            found.append(read_job(path.parent))
        except JobMissing:  # deleted meanwhile
            continue
    return sorted(found, key=lambda job: (job.started_at, job.name), reverse=True)


def events_since(folder: Path, n: int = 0) -> list[dict[str, Any]]:
    """The events of the job in `folder` after the one with number `n`, in order; raises JobMissing.

    Each has `n` (from 1), `at` (as the times of JobState), `progress` (the fields of JobProgress) and `kind`: started,
    file (has `file`, the fields of FileReport), embedded (at most two a second) or stage. The end is not among
    them: it is what `read_job` says, and no event comes after it.
    """
    read_request(folder)
    return [json.loads(line) for line in _lines(folder)[max(n, 0) :]]


def report(folder: Path) -> dict[str, Any]:
    """`RebuildReport.to_json()` of the job in `folder`; raises JobMissing, and JobConflict unless it is done."""
    outcome = _outcome(folder)
    if outcome is None or outcome["report"] is None:
        status = read_job(folder).status
        mend = "wait for its end" if status == "running" else "its error says why; start another one"
        raise JobConflict(f"the job {folder.name!r} has no report: it is {status}", mend=mend)
    found: dict[str, Any] = outcome["report"]
    return found


def cancel(folder: Path) -> None:
    """Ask the job in `folder` for its end; what was served is served still. Asking twice is the same as once.

    It ends soon, not at once, and not at all where its new generation is served already. Raises JobMissing, and
    JobConflict when it has ended.
    """
    state = read_job(folder)
    if state.status != "running":
        raise JobConflict(f"the job {folder.name!r} has ended: it is {state.status}", mend="nothing is left to do")
    # Before the process has written its id it does not hear signals, and looks for this file once it does.
    (folder / CANCEL).touch()
    try:
        process = int((folder / LOCK).read_text(encoding="ascii") or 0)
        # The id alone might be another process's by now; held, the lock says that it is this one's.
        if process and is_held(folder / LOCK):
            os.kill(process, signal.SIGTERM)
    except (ProcessLookupError, FileNotFoundError):
        pass


def prune(jobs_folder: Path, keep: int = _KEEP) -> tuple[str, ...]:
    """Delete the folders of all but the newest `keep` jobs that have ended; the names of those deleted."""
    ended = [job.name for job in jobs(jobs_folder) if job.status != "running"]
    for name in ended[keep:]:
        shutil.rmtree(jobs_folder / name, ignore_errors=True)
    return tuple(ended[keep:])


def _outcome(folder: Path) -> dict[str, Any] | None:
    try:
        outcome: dict[str, Any] = json.loads((folder / OUTCOME).read_text(encoding="utf-8"))
        return outcome
    except FileNotFoundError:
        return None


def _lines(folder: Path) -> list[str]:
    """The whole lines; one that is being written is left for later."""
    try:
        return (folder / EVENTS).read_text(encoding="utf-8").split("\n")[:-1]
    except FileNotFoundError:
        return []


def _progress(folder: Path) -> JobProgress:
    lines = _lines(folder)
    return JobProgress(**json.loads(lines[-1])["progress"]) if lines else JobProgress()
