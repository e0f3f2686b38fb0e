"""Writes what happens in a rebuild into its job folder."""

import json
import os
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ingest.job_folder import EVENTS, JobProgress, now
from ingest.report import FileReport

_EVERY = 0.5  # seconds between two events about embedded passages


class EventLog:
    """The Progress of a rebuild in the background: appends to `events.jsonl`, as `events_since` describes."""

    def __init__(self, folder: Path) -> None:
        # Not buffered: a signal may end the process between any two steps.
        self._file = os.open(folder / EVENTS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._n = 0
        self._progress = JobProgress()
        self._told = float("-inf")

    def start(self, files: int, size: int) -> None:
        """`files` files of `size` bytes together will be looked at."""
        self._progress = replace(self._progress, stage="read the books", files=files, size=size)
        self._add("started")

    def file(self, report: FileReport, size: int) -> None:
        """One file is done."""
        was = self._progress
        self._progress = replace(was, files_done=was.files_done + 1, size_done=was.size_done + size)
        self._add("file", file=asdict(report))

    def embedded(self, passages: int, left: int) -> None:
        """`passages` more of the present book were embedded, `left` are still to come."""
        self._progress = replace(self._progress, passages=self._progress.passages + passages)
        moment = time.monotonic()
        if passages and (moment - self._told > _EVERY or not left):
            self._told = moment
            self._add("embedded")

    def stage(self, name: str) -> None:
        """A stage without files begins."""
        self._progress = replace(self._progress, stage=name)
        self._add("stage")

    def _add(self, kind: str, **more: Any) -> None:
        self._n += 1
        event = {"n": self._n, "at": now(), "kind": kind, "progress": asdict(self._progress), **more}
        line = json.dumps(event, ensure_ascii=False) + "\n"
        try:
            os.write(self._file, line.encode("utf-8", "backslashreplace"))
        except OSError:
            # A full disk: whether the rebuild can go on shows when it writes the generation.
            pass
