"""Starts a rebuild in a process of its own, which outlives the one that starts it."""

import fcntl
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from core.errors import FREE_SPACE, JobConflict, StorageError
from core.processes import detached, handed_on
from core.settings import Settings
from ingest.job_folder import JOB, LOCK, LOG, JobState, now, read_job, write_whole
from ingest.request import Request

# All that a rebuild needs: what belongs to a language model or a server, keys among it, stays here.
_PASSED = {"data_dir", "source_dir", "kb", "embedding", "chunk", "ingest", "retrieval"}


def start_rebuild(settings: Settings, kb: str, request: Request, folder: Path) -> JobState:
    """Rebuild `kb` in the background, as `ingest.rebuild.rebuild`; all that becomes of it is told by `folder`.

    folder: made here; its name is the job's. Raises JobConflict when it is there already, StorageError when it
    cannot be made. That another rebuild is under way, or a bad request, is told by the job itself.
    """
    source = request.source and str(request.source.resolve())
    asked = {"source": source, "force": request.force, "only": request.only, "remove": request.remove}
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise JobConflict(f"the job {folder.name!r} is there already", mend="give the new one another name") from None
    except OSError as error:
        raise StorageError(f"{folder} cannot be made: {error.strerror}", mend=FREE_SPACE) from error
    try:
        # The lock is held before job.json makes a job of the folder, and is passed on to the process: at no
        # moment does it read as one whose process has died.
        with (folder / LOCK).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            write_whole(folder / JOB, {"kb": kb, "request": asked, "started_at": now()})
            _spawn(settings, folder, lock.fileno())
            return read_job(folder)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise StorageError(f"a rebuild cannot be started in {folder}: {error}", mend=FREE_SPACE) from error


def _spawn(settings: Settings, folder: Path, lock: int) -> None:
    # -P: a json.py in the working directory must not be imported in place of the real one.
    command = [sys.executable, "-P", "-m", "ingest.rebuild_process", str(folder.resolve()), str(lock)]
    with (folder / LOG).open("ab") as log:
        process = detached(command, lock, stdin=subprocess.PIPE, stdout=log, stderr=log)
    assert process.stdin is not None
    try:
        # Settings come over stdin alone, where neither a list of processes nor a child of this one shows them.
        with process.stdin as pipe:
            pipe.write(json.dumps(_passed(settings)).encode())
    except BrokenPipeError:
        pass  # it is dead already, which its folder tells


def _passed(settings: Settings) -> dict[str, Any]:
    return handed_on(settings, _PASSED)
