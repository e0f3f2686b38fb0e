"""Trials in parallel, each process in folders of its own, and the table of what came of them."""

import multiprocessing
import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from seeds import seeds
from trial import Outcome, Workshop, damaged, run_trial

PROCESSES = 2
MOST_REASONS = 12
COLUMNS = ("parsed", "refused", "hang", "escape", "empty", "fault")
# A refusal all the same, but of an exception that no reader foresaw.
CRASH = "FILE: the parser failed"
_workshop: list[Workshop] = []


class Fuzzer:
    """Runs trials in two processes. A context manager."""

    def __init__(self, keep: Path, seed: int, *, samples: bool) -> None:
        """keep: where files that fail are saved. seed: of all damage. samples: start from files found at hand too."""
        self._samples = samples
        self.keep = keep
        self.seed = seed

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="keben-fuzz-")
        root = Path(self._folder.name).resolve()
        self._seeds = root / "seeds"
        self._seeds.mkdir()
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(PROCESSES, mp_context=context, initializer=_set_up, initargs=(str(root),))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._folder.cleanup()

    def run(self, suffix: str, count: int) -> list[Outcome]:
        """`count` damaged files of one format, the seed files first and whole; empty when there is no seed."""
        found = seeds(suffix, self._seeds, samples=self._samples)
        whole = [self._pool.submit(_trial, seed, suffix, None, self.seed, self.keep) for seed in found]
        broken = [
            self._pool.submit(_trial, found[number % len(found)], suffix, number, self.seed, self.keep)
            for number in range(count if found else 0)
        ]
        return [future.result() for future in whole + broken]


def _set_up(root: str) -> None:
    _workshop.append(Workshop(Path(root, f"worker-{os.getpid()}")))


def _trial(seed: Path, suffix: str, number: int | None, entropy: int, keep: Path) -> Outcome:
    whole = number is None
    content = seed.read_bytes() if number is None else damaged(seed, suffix, number, entropy)
    name = f"{'whole' if whole else f'{number:05}'}-{seed.stem[:40]}{suffix}"
    return run_trial(_workshop[0], content, name, keep)


def table(found: Mapping[str, Sequence[Outcome]]) -> str:
    """A row a format; formats without a seed say so."""
    head = ("format", "files", "parsed", "refused", "hangs", "escapes", "silent empties", "other faults")
    more = ("reasons of refusal", "refused after a crash", "slowest s")
    lines = [f"| {' | '.join(head + more)} |", "|---" * len(head + more) + "|"]
    for suffix, outcomes in found.items():
        if not outcomes:
            lines.append(f"| {suffix} | skipped: no seed file |" + " |" * (len(head + more) - 2))
            continue
        counts = Counter(outcome.verdict for outcome in outcomes)
        cells = [suffix, str(len(outcomes)), *(str(counts[column]) for column in COLUMNS)]
        reasons = [outcome.reason for outcome in outcomes if outcome.verdict == "refused"]
        cells += [str(len(set(reasons))), str(sum(reason.startswith(CRASH) for reason in reasons))]
        lines.append(f"| {' | '.join(cells)} | {max(outcome.seconds for outcome in outcomes):.1f} |")
    return "\n".join(lines)
