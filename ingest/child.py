"""Runs a module on one file in a process of its own, under limits, and brings its answer back."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import FREE_SPACE, StorageError, UnreadableBookError
from core.settings import PROJECT

_TAIL = 300


@dataclass(frozen=True, slots=True)
class Limits:
    """memory_mb: address space. wall_seconds: longest time without progress. too_slow: the mend where that passes."""

    memory_mb: int
    cpu_seconds: int
    wall_seconds: int
    too_slow: str = "leave the file out"


def run_limited(module: str, path: Path, folder: Path, limits: Limits, options: dict[str, Any]) -> dict[str, Any]:
    """What `python -m module FILE OUT OPTIONS` answers with `ingest.limits.answer`, an error of its own included.

    folder: for its own files; whoever made it deletes it. The process gets `memory_mb` and `cpu_seconds` of `limits`
    among the options, and `parent`, the id of this process.

    Raises UnreadableBookError when the process hangs or dies, StorageError when the disk is full.
    """
    out, stderr = folder / "answer.json", folder / "stderr"
    given = {**options, "memory_mb": limits.memory_mb, "cpu_seconds": limits.cpu_seconds, "parent": os.getpid()}
    # -P: a json.py in the working directory must not be imported in place of the real one.
    command = [sys.executable, "-P", "-m", module, str(path.resolve()), str(out), json.dumps(given)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "DO_NOT_TRACK": "true", "TMPDIR": str(folder)}
    environment["HOME"] = str(folder)  # onnxruntime and others keep files there
    with stderr.open("wb") as log:
        # Its own session, so that whatever it starts is killed with it.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
        )
        try:
            code = _wait(process, limits.wall_seconds, progress_file(out))
        finally:
            _kill_group(process)
    if code is None:
        raise UnreadableBookError(f"{path.name} was not read within {limits.wall_seconds} s", mend=limits.too_slow)
    if code or not out.exists():
        if os.strerror(errno.ENOSPC) in stderr.read_text(encoding="utf-8", errors="replace"):
            raise StorageError(f"{path.name} cannot be parsed: no space is left in {folder.parent}", mend=FREE_SPACE)
        raise UnreadableBookError(
            f"{path.name}: {_cause(code, stderr, limits)}", mend="check the file, or leave it out"
        )
    result: dict[str, Any] = json.loads(out.read_text(encoding="utf-8", errors="surrogatepass"))
    return result


def progress_file(out: Path) -> Path:
    """Touched whenever the process is granted more time; its wall clock begins anew then."""
    return out.with_suffix(".progress")


def _wait(process: subprocess.Popen[bytes], seconds: float, progress: Path) -> int | None:
    """The exit code; None where neither an end nor progress was seen for so many seconds."""
    seen, deadline = 0, time.monotonic() + seconds
    while True:
        try:
            return process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            now = progress.stat().st_mtime_ns if progress.exists() else 0
            if now == seen:
                return None
            # The file's clock may be set while we wait, so only its change counts, not its age.
            seen, deadline = now, time.monotonic() + seconds


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _cause(code: int, stderr: Path, limits: Limits) -> str:
    if code == -signal.SIGXCPU:
        return f"parsing took more than {limits.cpu_seconds} s of processor time"
    if code < 0:
        return f"the parser was killed by {signal.Signals(-code).name}"
    lines = stderr.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f"the parser failed: {lines[-1][-_TAIL:] if lines else f'exit code {code}'}"
