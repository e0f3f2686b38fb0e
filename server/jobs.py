"""Rebuilds that were started over the network. Each is a process of its own, and a folder that tells all about it,
so that every worker of the service can follow it, and one that is restarted too.
"""

import re
import secrets
from datetime import UTC, datetime
from pathlib import Path

from core.errors import Conflict, JobMissing
from core.settings import Settings
from ingest.background import JobState, Request, cancel, jobs, prune, read_job, start_rebuild

_ID = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9a-f]{8}")


class Jobs:
    """The rebuilds of one service."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.state_dir / "jobs"

    def start(self, kb: str, request: Request) -> JobState:
        """Start a rebuild. Raises Conflict while another one of `kb` runs."""
        self.require_none(kb)
        prune(self._folder)
        id_ = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        return start_rebuild(self._settings, kb, request, self._folder / id_)

    def require_none(self, kb: str) -> None:
        """Raise Conflict while a rebuild of `kb` runs, also one that is only about to begin."""
        for job in self.all():
            if job.kb == kb and job.status == "running":
                raise Conflict(f"the rebuild {job.name} of '{kb}' is under way", mend="wait for it, or cancel it")

    def all(self) -> list[JobState]:
        """All rebuilds that are still known, the newest first."""
        return jobs(self._folder)

    def folder(self, id_: str) -> Path:
        """Where a rebuild keeps what it tells; raises JobMissing for what cannot be an id."""
        if not _ID.fullmatch(id_):
            raise JobMissing(f"there is no job '{id_}'", mend="GET /jobs lists those that there are")
        return self._folder / id_

    def job(self, id_: str) -> JobState:
        """How far a rebuild is; raises JobMissing."""
        return read_job(self.folder(id_))

    def cancel(self, id_: str) -> JobState:
        """Stop a rebuild; what was served is served still. Raises JobMissing, and Conflict when it has ended."""
        cancel(self.folder(id_))
        return self.job(id_)
