"""What each key has used, counted together over all processes of the service.

A small SQLite file: counts survive a restart, and two workers do not allow twice as much. It is not flushed at each
count: a machine that loses power may forget a minute, which harms nobody.
"""

import math
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from core.errors import RateLimited, StorageError
from server.access import Principal
from server.database import close_database, open_database

_TABLES = """
CREATE TABLE IF NOT EXISTS sent (key TEXT, at REAL);
CREATE INDEX IF NOT EXISTS sent_by ON sent (key, at);
CREATE TABLE IF NOT EXISTS tokens (key TEXT, day INTEGER, count INTEGER, PRIMARY KEY (key, day)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS running (lease TEXT PRIMARY KEY, key TEXT, process INTEGER) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS running_of ON running (key);
"""
_MINUTE, _DAY = 60, 86400


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a limit: `remaining` of `limit`; one more after `reset` seconds."""

    limit: int
    remaining: int
    reset: int

    def headers(self) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers has them."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
        }


class Usage:
    """Counts requests, answers that are being written, and tokens, for keys that have such limits."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        """folder: where the service keeps its state. clock: seconds since 1970. Raises StorageError."""
        self._clock = clock
        self._guard = threading.Lock()
        self._path = folder / "usage.sqlite"
        self._db = open_database(self._path, "PRAGMA synchronous = OFF;" + _TABLES)
        self._forget()

    def request(self, principal: Principal) -> Allowance | None:
        """Count a request; None for a key without that limit. Raises RateLimited, and then does not count it.

        Within any 60 seconds no more requests are let in than the limit.
        """
        limit = principal.limits.requests_per_minute
        if limit is None:
            return None
        now = self._clock()
        with self._transaction():
            # Those of a clock that was set back would be counted until it is as late again.
            past = (principal.id, now - _MINUTE, now + _MINUTE)
            self._db.execute("DELETE FROM sent WHERE key = ? AND (at <= ? OR at > ?)", past)
            count, oldest = self._db.execute(
                "SELECT count(*), min(at) FROM sent WHERE key = ?", (principal.id,)
            ).fetchone()
            if count >= limit:
                self._refuse(principal, limit, count, now)
            self._db.execute("INSERT INTO sent VALUES (?, ?)", (principal.id, now))
        reset = _MINUTE if oldest is None else oldest + _MINUTE - now
        return Allowance(limit, limit - count - 1, math.ceil(reset))

    def _refuse(self, principal: Principal, limit: int, count: int, now: float) -> NoReturn:
        # More than the limit where that was lowered: the last of those that are too many must be a minute old.
        (leaves,) = self._db.execute(
            "SELECT at FROM sent WHERE key = ? ORDER BY at LIMIT 1 OFFSET ?", (principal.id, count - limit)
        ).fetchone()
        wait = max(1, math.ceil(leaves + _MINUTE - now))
        raise RateLimited(
            f"the key {principal.id} has sent {limit} requests in the last minute, as many as it may",
            reason="rate",
            mend="wait as long as Retry-After says",
            retry_after=wait,
            headers=Allowance(limit, 0, wait).headers(),
        )

    def start(self, principal: Principal) -> str | None:
        """A lease for one answer, to be given back with `end`; None for a key without that limit.

        Raises RateLimited when as many are being written as may, and when the day's tokens are used up.
        """
        self.require_tokens(principal)
        limit = principal.limits.concurrent
        if limit is None:
            return None
        lease = secrets.token_hex(8)
        with self._transaction():
            # What a process that was killed held is looked for only when it would matter.
            if self._take(lease, principal, limit) or (self._forget_dead() and self._take(lease, principal, limit)):
                return lease
        raise RateLimited(
            f"{limit} answers for the key {principal.id} are being written, as many as may at a time",
            reason="concurrent",
            mend="wait until one has ended",
            retry_after=1,
        )

    def _take(self, lease: str, principal: Principal, limit: int) -> bool:
        statement = "INSERT INTO running SELECT ?, ?, ? WHERE (SELECT count(*) FROM running WHERE key = ?) < ?"
        values = (lease, principal.id, os.getpid(), principal.id, limit)
        return self._db.execute(statement, values).rowcount > 0

    def end(self, lease: str | None) -> None:
        """The answer of this lease is written, or was given up."""
        if lease is not None:
            with self._transaction():
                self._db.execute("DELETE FROM running WHERE lease = ?", (lease,))

    def spend(self, principal: Principal, tokens: int) -> None:
        """Count tokens that were read and written for a key."""
        if tokens and principal.limits.tokens_per_day is not None:
            with self._transaction():
                self._db.execute(
                    "INSERT INTO tokens VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count",
                    (principal.id, int(self._clock() // _DAY), tokens),
                )

    def require_tokens(self, principal: Principal) -> None:
        """Raises RateLimited when the day's tokens are used up."""
        limit = principal.limits.tokens_per_day
        if limit is None:
            return
        now = self._clock()
        with self._transaction():
            row = self._db.execute(
                "SELECT count FROM tokens WHERE key = ? AND day = ?", (principal.id, int(now // _DAY))
            ).fetchone()
        if row and row[0] >= limit:
            raise RateLimited(
                f"the key {principal.id} has used {row[0]} tokens today, of {limit}",
                reason="tokens",
                mend="wait until midnight UTC, or raise the key's limit",
                retry_after=math.ceil(_DAY - now % _DAY),
            )

    def _forget_dead(self) -> bool:
        """Give back what processes hold that have died; True if any did."""
        holders = [row[0] for row in self._db.execute("SELECT DISTINCT process FROM running")]
        dead = [(process,) for process in holders if not _alive(process)]
        self._db.executemany("DELETE FROM running WHERE process = ?", dead)
        return bool(dead)

    def _forget(self) -> None:
        """Delete what no limit looks at any more."""
        now = self._clock()
        with self._transaction():
            self._forget_dead()
            self._db.execute("DELETE FROM running WHERE process = ?", (os.getpid(),))
            self._db.execute("DELETE FROM sent WHERE at <= ?", (now - _MINUTE,))
            self._db.execute("DELETE FROM tokens WHERE day < ?", (now // _DAY - 1,))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Alone among all threads and processes, so that no other counts in between. Raises StorageError."""
        with self._guard:
            try:
                with self._db:
                    self._db.execute("BEGIN IMMEDIATE")
                    yield
            except sqlite3.Error as error:
                raise StorageError(f"{self._path} cannot be written: {error}", mend="check the disk") from error

    def close(self) -> None:
        """Let go of the file."""
        with self._guard:
            close_database(self._path, self._db)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
