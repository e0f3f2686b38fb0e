"""What a child process does around its work on a file from outside: limits first, and an answer as JSON at the end."""

import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.errors import KebenError

_PR_SET_PDEATHSIG = 1
_MAX_OUTPUT = 2**30


def die_with_parent(options: str) -> None:
    """A parent that is killed leaves neither this process running nor what it has started, as pandoc.

    To be called by the leader of a process group. options: JSON, with the process id `parent`. Linux alone can do
    this; elsewhere the limits end them.
    """
    if sys.platform == "linux":
        import ctypes

        # Not SIGKILL, which would reach this process alone, and not SIGTERM, which pools of processes send.
        signal.signal(signal.SIGHUP, lambda number, frame: os.killpg(0, signal.SIGKILL))
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGHUP)
        if os.getppid() != json.loads(options)["parent"]:  # it has died before
            sys.exit(1)


def lower_limits(memory_mb: int, cpu_seconds: int) -> None:
    """Bound address space, processor time and files written of this process, so that a file can only harm it."""
    os.environ["OMP_NUM_THREADS"] = os.environ["OMP_THREAD_LIMIT"] = "1"
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb * 2**20, memory_mb * 2**20))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MAX_OUTPUT, _MAX_OUTPUT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def answer(path: Path, out: Path, memory_mb: int, work: Callable[[], dict[str, Any]]) -> None:
    """Write to `out` what `work` on the file `path` gives, or the error that it ends with."""
    result: dict[str, Any]
    try:
        result = work()
    except KebenError as error:
        result = {"code": error.code, "error": error.message, "mend": error.mend}
    except MemoryError:
        result = {
            "error": f"{path.name} needs more than {memory_mb} MiB of memory",
            "mend": "split the book, or raise KEBEN_INGEST__MEMORY_MB",
        }
    except RecursionError:
        result = {"error": f"{path.name} is nested too deeply", "mend": "leave the file out"}
    out.write_text(json.dumps(result, ensure_ascii=False), encoding="utf-8", errors="surrogatepass")
