"""What was asked and answered, without who asked: what feedback is tied to, and where gaps in the books are seen.

One SQLite file for all processes of the service. Answers are written by a thread, some at a time, so that nobody waits
for the disk; a process that is killed loses the last moment's, never the file. The service forgets what is too old,
also while nobody asks; commands, which may have other settings, never do.
"""

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

from core.errors import AnswerMissing, StorageError
from core.types import Answer, Passage
from server.answer_records import AnswerRecord, FeedbackRecord, State, Thumb
from server.database import WAIT_SECONDS, close_database, open_database

_LOG = logging.getLogger(__name__)
_MOST_WAITING = 10_000
_LOOK_SECONDS = 3600.0
_DAY = 86400
_KEEP = "raise KEBEN_SERVER__KEEP_ANSWERS_DAYS above 0"
_ANSWER, _FEEDBACK = ([field.name for field in fields(kind)] for kind in (AnswerRecord, FeedbackRecord))
_TABLES = f"""
CREATE TABLE IF NOT EXISTS answers ({", ".join(_ANSWER)}, PRIMARY KEY (id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_at ON answers (kb, at);
CREATE INDEX IF NOT EXISTS answers_by_age ON answers (at);
CREATE TABLE IF NOT EXISTS feedback ({", ".join(_FEEDBACK)}, PRIMARY KEY (id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS feedback_at ON feedback (kb, at);
"""


class AnswerLog:
    """Safe to share between threads, and between processes."""

    def __init__(self, folder: Path, days: int | None, clock: Callable[[], float] = time.time) -> None:
        """folder: where the service keeps its state. days: how long answers are kept; 0 keeps none; None, for commands,
        looks at what there is and forgets nothing. All methods raise StorageError, as this one does.
        """
        self._days = days
        self._clock = clock
        self._waiting: queue.Queue[AnswerRecord | threading.Event | None] = queue.Queue(_MOST_WAITING)
        self._guard = threading.Lock()
        self._left_out = self._told = 0
        self._path = folder / "answers.sqlite"
        self._db = open_database(self._path, "PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON;" + _TABLES)
        self._forgotten = float("-inf")
        self._thread = threading.Thread(target=self._write, name="answer log", daemon=True)
        self._thread.start()

    def record(self, question: str, passages: Sequence[Passage], answer: Answer) -> None:
        """Keep an answer; returns at once. With thousands waiting for the disk it is left out and counted."""
        if not self._days:
            return
        try:
            self._waiting.put_nowait(AnswerRecord.of(question, passages, answer, self._clock()))
        except queue.Full:
            self._left_out += 1

    def give_feedback(self, id_: str, sees: Callable[[str], bool], thumb: Thumb, comment: str, corrected: str) -> None:
        """Keep what somebody thinks of an answer, instead of what was thought of it before.

        sees: tells of a knowledge base whether it exists for the sender. Raises AnswerMissing.
        """
        answer = None if self._days == 0 else self._answer(id_)
        if answer is None or not sees(answer.kb):
            days = self._days
            mend = f"answers are kept for {days} days" if days else _KEEP
            raise AnswerMissing(f"there is no answer '{id_}'", mend=mend)
        record = FeedbackRecord(
            id_, answer.kb, self._clock(), answer.question, answer.answer, answer.refused, thumb, comment, corrected,
            "new",
        )  # fmt: skip
        self._run(f"INSERT OR REPLACE INTO feedback VALUES ({', '.join('?' * len(_FEEDBACK))})", astuple(record))

    def feedback(self, kb: str, state: State | None = None, limit: int = 100, offset: int = 0) -> list[FeedbackRecord]:
        """Feedback on the answers of a knowledge base, the newest first."""
        chosen = "" if state is None else "AND state = ?"
        values = (kb, limit, offset) if state is None else (kb, state, limit, offset)
        statement = f"SELECT * FROM feedback WHERE kb = ? {chosen} ORDER BY at DESC, id LIMIT ? OFFSET ?"
        return [FeedbackRecord(*_booleans(row, _FEEDBACK)) for row in self._run(statement, values)]

    def review(self, kb: str, id_: str, state: State) -> FeedbackRecord:
        """Take or leave feedback; raises AnswerMissing."""
        self._run("UPDATE feedback SET state = ? WHERE kb = ? AND id = ?", (state, kb, id_))
        rows = self._run("SELECT * FROM feedback WHERE kb = ? AND id = ?", (kb, id_))
        if not rows:
            raise AnswerMissing(f"there is no feedback on an answer '{id_}' in '{kb}'", mend="list the feedback first")
        return FeedbackRecord(*_booleans(rows[0], _FEEDBACK))

    def forget(self, kb: str) -> None:
        """Delete what was asked of a knowledge base, and what was said of its answers."""
        self.flush()
        for table in ("answers", "feedback"):
            self._run(f"DELETE FROM {table} WHERE kb = ?", (kb,))

    def asked(self, kb: str, since: float, below: float, most: int) -> list[AnswerRecord]:
        """The newest `most` questions since then that were refused, or whose best passage had a relevance below.

        Raises AnswerMissing where none are kept.
        """
        if self._days == 0:
            raise nothing_kept()
        self.flush()
        statement = (
            "SELECT * FROM answers WHERE kb = ? AND at >= ? AND (refused OR relevance < ?) ORDER BY at DESC LIMIT ?"
        )
        return [AnswerRecord(*_booleans(row, _ANSWER)) for row in self._run(statement, (kb, since, below, most))]

    def _answer(self, id_: str) -> AnswerRecord | None:
        """An answer of this process, or of another one, which may be about to write it."""
        self.flush()
        for wait in (0.0, 0.2, 0.3, 0.5):
            time.sleep(wait)
            for row in self._run("SELECT * FROM answers WHERE id = ?", (id_,)):
                return AnswerRecord(*_booleans(row, _ANSWER))
        return None

    def flush(self) -> None:
        """Returns when all that was recorded before is written."""
        done = threading.Event()
        self._waiting.put(done)
        done.wait(WAIT_SECONDS)

    def close(self) -> None:
        """Write what waits, and let go of the file."""
        self._waiting.put(None)
        self._thread.join(WAIT_SECONDS)
        with self._guard:
            close_database(self._path, self._db)

    def _run(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        try:
            with self._guard:
                return self._db.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise StorageError(f"{self._path} cannot be used: {error}", mend="check the folder and the disk") from error

    def _write(self) -> None:
        closing = False
        while not closing:
            self._forget()
            batch = self._batch()
            closing = None in batch
            try:
                self._insert([astuple(item) for item in batch if isinstance(item, AnswerRecord)])
            except sqlite3.Error as error:
                _LOG.error("answers were not kept for feedback: %s", error)
            if self._left_out > self._told:
                _LOG.warning("%d answers were not kept for feedback: too many waited", self._left_out - self._told)
                self._told = self._left_out
            for item in batch:
                if isinstance(item, threading.Event):
                    item.set()

    def _batch(self) -> list[AnswerRecord | threading.Event | None]:
        """What waits; nothing when for a while nobody asked."""
        try:
            batch = [self._waiting.get(timeout=_LOOK_SECONDS)]
        except queue.Empty:
            return []
        while len(batch) < 500 and not self._waiting.empty():
            batch.append(self._waiting.get_nowait())
        return batch

    def _insert(self, rows: list[tuple[Any, ...]]) -> None:
        if not rows:
            return
        with self._guard:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(f"INSERT OR REPLACE INTO answers VALUES ({', '.join('?' * len(_ANSWER))})", rows)
            finally:
                self._db.execute("COMMIT")

    def _forget(self) -> None:
        """Delete what has been kept long enough, once a day."""
        now = self._clock()
        if self._days is None or now - self._forgotten < _DAY:
            return
        try:
            self._run("DELETE FROM answers WHERE at < ?", (now - self._days * _DAY,))
            self._forgotten = now
        except StorageError as error:
            _LOG.error("old answers were not deleted: %s", error)


def nothing_kept() -> AnswerMissing:
    """For who asks for questions where the settings keep none."""
    return AnswerMissing("no questions are kept", mend=_KEEP)


def _booleans(row: Sequence[Any], names: Sequence[str]) -> list[Any]:
    """SQLite keeps truth as 0 and 1."""
    return [bool(value) if name == "refused" else value for name, value in zip(names, row, strict=True)]
