"""The process of a rebuild in the background: `python -m ingest.rebuild_process FOLDER LOCK`, settings on stdin.

LOCK is the descriptor of the job's lock, which whoever starts this holds and passes on; the system lets go of it
when the process ends, however it ends.
"""

import json
import logging
import os
import signal
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

from core.errors import KebenError
from core.settings import passed_settings
from ingest.job_events import EventLog
from ingest.job_folder import CANCEL, LOG, OUTCOME, JobError, JobStatus, now, read_request, write_whole
from vector_db.layout import KnowledgeBaseFolder


class _Process:
    """One job, from its folder to its outcome."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self._folder = folder
        self._kb, self._request, _ = read_request(folder)
        self._settings = passed_settings(settings)
        self._events = EventLog(folder)

    def run(self, lock: int) -> None:
        try:
            target = KnowledgeBaseFolder(self._settings.data_dir, self._kb)
            self._hear(target, lock)
            # Imported when signals are heard: it takes a second.
            from ingest.rebuild import rebuild

            report = rebuild(self._settings, self._kb, self._request, self._events).to_json()
        except KebenError as error:
            self._end("failed", error=JobError(error.code, error.message, error.mend))
        except Exception as error:  # noqa: BLE001  whoever looks at the job must learn of a fault of ours, too
            traceback.print_exc()
            said = f"the rebuild of '{self._kb}' failed: {type(error).__name__}: {error}"
            self._end("failed", error=JobError("bug", said, f"report it with {self._folder / LOG}"))
        else:
            self._end("done", report=report)

    def _hear(self, target: KnowledgeBaseFolder, lock: int) -> None:
        """End at SIGTERM from now on, and at once where that was asked for before."""
        served = target.pointer()

        def stop(number: int, frame: FrameType | None) -> None:
            # With a new generation served all is done but the report.
            if target.pointer() == served:
                self._cancelled()

        signal.signal(signal.SIGTERM, stop)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        if (self._folder / CANCEL).exists():
            self._cancelled()

    def _cancelled(self) -> None:
        """Killed like this a rebuild leaves what was served, and its work for the next one.

        Parsers die with this process, and what else it has started is in its group.
        """
        mend = "start it again: it goes on where it stopped"
        self._end("cancelled", error=JobError("cancelled", f"the rebuild of '{self._kb}' was cancelled", mend))
        os.killpg(os.getpid(), signal.SIGKILL)

    def _end(self, status: JobStatus, *, error: JobError | None = None, report: dict[str, Any] | None = None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        outcome = {"status": status, "finished_at": now(), "error": error and asdict(error), "report": report}
        write_whole(self._folder / OUTCOME, outcome)


def main(folder: str, lock: str) -> None:
    """Run the job in `folder`."""
    os.set_inheritable(int(lock), False)  # what outlives this process must not hold it
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    _Process(Path(folder), json.load(sys.stdin)).run(int(lock))


if __name__ == "__main__":
    main(*sys.argv[1:3])
