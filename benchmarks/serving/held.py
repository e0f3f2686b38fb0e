"""What a process holds: memory, descriptors, threads."""

import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class Held:
    """resident: MiB; descriptors; threads."""

    resident: float
    descriptors: int
    threads: int

    @classmethod
    def by(cls, pid: int) -> "Held":
        """Now."""
        process = psutil.Process(pid)
        return cls(process.memory_info().rss / 2**20, process.num_fds(), process.num_threads())


def shares(pid: int) -> tuple[float, float, float]:
    """MiB resident, of these its part where pages are shared (PSS), and those of its own (USS)."""
    rows = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    kib = {row[0].rstrip(":"): int(row[1]) for row in rows}
    return kib["Rss"] / 1024, kib["Pss"] / 1024, (kib["Private_Clean"] + kib["Private_Dirty"]) / 1024


class Growth(threading.Thread):
    """Looks at the resident memory of a process each second until `stop`."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self._done = pid, threading.Event()
        self.seen: list[tuple[float, float]] = []

    def run(self) -> None:
        started = time.monotonic()
        while not self._done.wait(_EVERY):
            self.seen.append((time.monotonic() - started, Held.by(self._pid).resident))

    def stop(self) -> tuple[float, float]:
        """The most MiB, and MiB a minute over the second half, when caches are filled."""
        self._done.set()
        self.join()
        later = np.array(self.seen[len(self.seen) // 2 :])
        slope = 60 * float(np.polyfit(later[:, 0], later[:, 1], 1)[0]) if len(later) > 2 else 0.0
        return max(resident for _, resident in self.seen), slope
