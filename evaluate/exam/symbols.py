"""Whether two formulas are equal, asked of a process that may be ended."""

import json
import select
import subprocess
import sys
from types import TracebackType
from typing import Self

from core.errors import ModelError
from core.settings import PROJECT

SECONDS = 5.0
_START_SECONDS = 60.0


class SymbolicEquality:
    """Compares formulas with SymPy; a comparison that takes longer than `seconds` counts as unequal."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def same(self, one: str, other: str) -> bool:
        """Whether both are formulas that are understood and equal."""
        process = self._process or self._start()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps([one, other]) + "\n")
            process.stdin.flush()
            answer = _line(process, self._seconds)
        except BrokenPipeError:
            answer = ""
        if not answer:
            self.close()  # too slow, or out of memory; the next one gets a new process
        return answer == "true"

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _start(self) -> subprocess.Popen[str]:
        self._process = process = subprocess.Popen(
            [sys.executable, "-m", "evaluate.exam.symbol_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=PROJECT,
        )
        if _line(process, _START_SECONDS) != "ready":
            self.close()
            raise ModelError("the process that compares formulas does not start", mend="check that sympy is installed")
        return process


def _line(process: subprocess.Popen[str], seconds: float) -> str:
    """What the process says next; empty when it says nothing in time or has ended."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], seconds)
    return process.stdout.readline().strip() if ready else ""
