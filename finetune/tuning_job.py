"""A command of `keben finetune` in a process of its own, which outlives the one that starts it; told by its folder.

<run>/.job/job.json      what was started, and when
<run>/.job/lock          held (flock) by the process as long as it lives; holds its id
<run>/.job/outcome.json  what it printed: its result, or its error; empty until it ends by itself
<run>/.job/log           what it said
<run>/.job/stop          there when somebody has asked for its end
"""

import fcntl
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from core.errors import FREE_SPACE, JobConflict, StorageError
from core.processes import detached, handed_on, is_held
from core.settings import Settings
from finetune.folder import write_json

Kind = Literal["run", "audit", "publish"]
# -P: a json.py in the working directory must not be imported in place of the real one.
COMMAND: tuple[str, ...] = (sys.executable, "-P", "-m", "cli.main", "finetune")
# All that tuning needs: what belongs to a server, and the key of a model elsewhere, stay here.
_PASSED = {"data_dir", "source_dir", "kb", "embedding", "chunk", "ingest", "retrieval", "llm"}
_NOT_PASSED = {"llm": {"api_key"}}
_JOB, _LOCK, _OUTCOME, _LOG, _STOP = "job.json", "lock", "outcome.json", "log", "stop"
_LINES, _CHARACTERS = 30, 4000


@dataclass(frozen=True, slots=True)
class Job:
    """The last command of a run. started_at: ISO 8601, in UTC. began, ended: when its files were written, in seconds;
    ended is 0 without an outcome. stopped: its end was asked for. outcome: None unless it ended by itself.
    """

    kind: Kind
    started_at: str
    began: float
    ended: float
    stopped: bool
    outcome: dict[str, Any] | None


def start(settings: Settings, run: Path, kind: Kind, arguments: Sequence[str]) -> None:
    """Start `keben finetune ARGUMENTS` for the run in `run`. Raises StorageError when its folder cannot be written.

    That no other one is under way is for the caller to see to.
    """
    folder = run / ".job"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Held before anything is written, and passed on: at no moment does it read as one whose process has died.
        with (folder / _LOCK).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (folder / _STOP).unlink(missing_ok=True)
            (folder / _OUTCOME).write_bytes(b"")
            write_json(folder / _JOB, {"kind": kind, "started_at": datetime.now(UTC).isoformat(timespec="seconds")})
            lock.write(str(_spawn(settings, folder, arguments, lock.fileno())).encode("ascii"))
    except OSError as error:
        raise StorageError(f"{run} cannot be tuned in: {error}", mend=FREE_SPACE) from error


def stop(run: Path) -> None:
    """Ask for the end of the command; a training saves a checkpoint first. Asking twice is the same as once.

    Raises JobConflict when none runs, or one that was started elsewhere.
    """
    folder = run / ".job"
    if not is_held(folder / _LOCK):
        if is_held(run):
            raise JobConflict(f"{run.name} was started on a command line", mend="stop it there with Ctrl-C")
        raise JobConflict(f"{run.name} is not being tuned", mend="nothing is left to do")
    if (folder / _STOP).exists():
        return
    (folder / _STOP).touch()
    # Of a process that has just ended there may be no id, or nobody behind it.
    with suppress(ProcessLookupError, ValueError):
        os.kill(int((folder / _LOCK).read_text(encoding="ascii")), signal.SIGTERM)


def is_running(run: Path) -> bool:
    """Whether a command works on the run now, started here or on a command line."""
    return is_held(run / ".job" / _LOCK) or is_held(run)


def last_job(run: Path) -> Job | None:
    """The last command that was started here, None where there was none."""
    folder = run / ".job"
    try:
        job = json.loads((folder / _JOB).read_text(encoding="utf-8"))
        outcome, written = folder / _OUTCOME, (folder / _OUTCOME).stat()
        return Job(
            kind=job["kind"],
            started_at=job["started_at"],
            began=(folder / _JOB).stat().st_mtime,
            ended=written.st_mtime if written.st_size else 0.0,
            stopped=(folder / _STOP).exists(),
            outcome=_printed(outcome.read_text(encoding="utf-8", errors="replace")),
        )
    except (OSError, ValueError, KeyError):
        return None


def end_of_log(run: Path) -> str:
    """The last lines that the command said."""
    with suppress(OSError), (run / ".job" / _LOG).open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - _CHARACTERS))
        return "\n".join(log.read().decode("utf-8", errors="replace").strip().splitlines()[-_LINES:])
    return ""


def _printed(text: str) -> dict[str, Any] | None:
    """The JSON at the end; a library may have printed something before it."""
    for begin in (0, text.rfind("\n{\n") + 1):
        with suppress(ValueError):
            found = json.loads(text[begin:])
            return found if isinstance(found, dict) else None
    return None


def _spawn(settings: Settings, folder: Path, arguments: Sequence[str], lock: int) -> int:
    """The id of the process."""
    with (folder / _LOG).open("wb") as log, (folder / _OUTCOME).open("wb") as outcome:
        return detached([*COMMAND, *arguments], lock, _passed(settings), stdout=outcome, stderr=log).pid


def _passed(settings: Settings) -> dict[str, str]:
    """As variables of the environment."""
    return {
        f"KEBEN_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in handed_on(settings, _PASSED, _NOT_PASSED).items()
        if value is not None
    }
