"""Processes that outlive the one that starts them. Each has a lock (flock) as long as it lives."""

import fcntl
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from core.settings import PROJECT, Settings


def is_held(lock: Path) -> bool:
    """Whether a process has the lock of a file or folder now; none has that of one that is not there."""
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two who look at the same time do not take each other for the process.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def detached(
    command: Sequence[str],
    lock: int,
    environment: Mapping[str, str] | None = None,
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: IO[bytes],
    stderr: IO[bytes],
) -> "subprocess.Popen[bytes]":
    """Start `command`, which keeps the lock. Of the settings in this environment it sees none.

    lock: descriptor of the locked file. environment: variables besides. Raises OSError.
    """
    ours = {name: value for name, value in os.environ.items() if not name.upper().startswith("KEBEN_")}
    process = subprocess.Popen(
        command,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env={**ours, **(environment or {}), "PYTHONPATH": str(PROJECT)},
        pass_fds=[lock],
        start_new_session=True,  # what ends a server, from a terminal or a supervisor, leaves it running
    )
    # So that it is no zombie when it ends.
    threading.Thread(target=process.wait, name=f"wait for {process.pid}", daemon=True).start()
    return process


def handed_on(settings: Settings, wanted: set[str], without: Mapping[str, set[str]] | None = None) -> dict[str, Any]:
    """The settings that were given, of those wanted, for a process in another working directory.

    Only what was set: a rebuild goes by whether the source folder was. without: fields of a group that stay here.
    """
    exclude = dict(without or {})
    values = settings.model_dump(mode="json", include=wanted, exclude=exclude, exclude_unset=True)
    for name in {"data_dir", "source_dir"} & values.keys():
        values[name] = str(Path(values[name]).resolve())
    return values
