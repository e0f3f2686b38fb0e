"""Writes what happens in a rebuild into its job folder."""

import json
import os
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ingest.job_folder import EVENTS, JobProgress, now
from ingest.report import FileReport

_READING = "read the books"
_EVERY = 0.5  # seconds between two events about embedded passages


class EventLog:
    """The Progress of a rebuild in the background: appends to `events.jsonl`, as `events_since` describes."""

    def __init__(self, folder: Path) -> None:
        # Not buffered: a signal may end the process between any two steps.
        self._file = os.open(folder / EVENTS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._n = 0
        # Event n stands on line n: none comes after one that was not written. Whether the rebuild itself can go on
        # with a full disk shows when it writes the generation.
        self._full = False
        self._progress = JobProgress()
        self._told = float("-inf")

    def start(self, files: int, size: int) -> None:
        """`files` files of `size` bytes together will be looked at."""
        self._progress = replace(self._progress, stage=_READING, files=files, size=size)
        self._add("started")

    def file(self, report: FileReport, size: int) -> None:
        """One file is done."""
        was = self._progress
        self._progress = replace(was, stage=_READING, files_done=was.files_done + 1, size_done=was.size_done + size)
        self._add("file", file=asdict(report))

    def embedded(self, passages: int, left: int) -> None:
        """`passages` more of the present book were embedded, `left` are still to come."""
        if not passages:
            return
        self._progress = replace(self._progress, stage=_READING, passages=self._progress.passages + passages)
        moment = time.monotonic()
        if moment - self._told > _EVERY:
            self._told = moment
            self._add("embedded")

    def stage(self, name: str) -> None:
        """A stage without files begins."""
        self._progress = replace(self._progress, stage=name)
        self._add("stage")

    def _add(self, kind: str, **more: Any) -> None:
        event = {"n": self._n + 1, "at": now(), "kind": kind, "progress": asdict(self._progress), **more}
        line = (json.dumps(event, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
        if self._full:
            return
        try:
            self._full = os.write(self._file, line) < len(line)
        except OSError:
            self._full = True
        self._n += 1
