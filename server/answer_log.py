"""What was asked and answered, without who asked: what feedback is tied to, and where gaps in the books are seen.

One SQLite file for all processes of the service. Answers are written by a thread, some at a time, so that nobody waits
for the disk; a process that is killed loses the last moment's, never the file.
"""

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from core.errors import AnswerMissing, StorageError
from core.types import Answer, Passage

_LOG = logging.getLogger(__name__)
_WAIT_SECONDS = 5.0
_MOST_WAITING = 10_000
_DAY = 86400
Thumb = Literal["up", "down"]
State = Literal["new", "accepted", "rejected"]


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """One answer. at: seconds since 1970. relevance: of the best passage, 0 to 1; book, heading, page: where it stands,
    heading as its parts with ' › ' between; empty where nothing was found."""

    id: str
    kb: str
    generation: str
    at: float
    question: str
    answer: str
    refused: bool
    relevance: float
    model: str
    book: str
    heading: str
    page: int | None

    @classmethod
    def of(cls, question: str, passages: Sequence[Passage], answer: Answer, at: float) -> "AnswerRecord":
        """The record of an answer that was written from these passages."""
        best = max(passages, key=lambda passage: passage.relevance, default=None)
        return cls(
            id=answer.id,
            kb=answer.kb,
            generation=answer.generation,
            at=at,
            question=question,
            answer=answer.answer,
            refused=answer.refused,
            relevance=best.relevance if best else 0.0,
            model=answer.model,
            book=best.book.title if best else "",
            heading=" › ".join(best.chunk.heading_path) if best else "",
            page=best.chunk.page if best else None,
        )


@dataclass(frozen=True, slots=True)
class FeedbackRecord:
    """What somebody thinks of an answer, with the question and the answer, which are kept as long as it is.

    corrected: what the answer should have been, or empty. state: whether a teacher took it.
    """

    id: str
    kb: str
    at: float
    question: str
    answer: str
    refused: bool
    thumb: Thumb
    comment: str
    corrected: str
    state: State


_ANSWER, _FEEDBACK = ([field.name for field in fields(kind)] for kind in (AnswerRecord, FeedbackRecord))
_TABLES = f"""
CREATE TABLE IF NOT EXISTS answers ({", ".join(_ANSWER)}, PRIMARY KEY (id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_at ON answers (kb, at);
CREATE TABLE IF NOT EXISTS feedback ({", ".join(_FEEDBACK)}, PRIMARY KEY (id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS feedback_at ON feedback (kb, at);
"""


class AnswerLog:
    """Safe to share between threads, and between processes."""

    def __init__(self, folder: Path, days: int, clock: Callable[[], float] = time.time) -> None:
        """folder: where the service keeps its state. days: how long answers are kept; 0 keeps none.

        Raises StorageError.
        """
        self._days = days
        self._clock = clock
        self._waiting: queue.Queue[AnswerRecord | threading.Event | None] = queue.Queue(_MOST_WAITING)
        self._guard = threading.Lock()
        path = folder / "answers.sqlite"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
            path.chmod(0o600)
            self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + _TABLES)
        except (OSError, sqlite3.Error) as error:
            raise StorageError(f"{path} cannot be opened: {error}", mend="check the folder and the disk") from error
        self._forgotten = 0.0
        self._thread = threading.Thread(target=self._write, name="answer log", daemon=True)
        self._thread.start()

    def record(self, question: str, passages: Sequence[Passage], answer: Answer) -> None:
        """Keep an answer; returns at once. Where the disk is so slow that thousands wait, it is left out, and told."""
        if not self._days:
            return
        try:
            self._waiting.put_nowait(AnswerRecord.of(question, passages, answer, self._clock()))
        except queue.Full:
            _LOG.warning("an answer was not kept for feedback: %d wait to be written", _MOST_WAITING)

    def give_feedback(self, id_: str, sees: Callable[[str], bool], thumb: Thumb, comment: str, corrected: str) -> None:
        """Keep what somebody thinks of an answer, instead of what was thought of it before.

        sees: tells of a knowledge base whether it exists for the sender. Raises AnswerMissing.
        """
        answer = self._answer(id_)
        if answer is None or not sees(answer.kb):
            days = self._days
            mend = f"answers are kept for {days} days" if days else "raise KEBEN_SERVER__KEEP_ANSWERS_DAYS above 0"
            raise AnswerMissing(f"there is no answer '{id_}'", mend=mend)
        record = FeedbackRecord(
            id_, answer.kb, self._clock(), answer.question, answer.answer, answer.refused, thumb, comment, corrected,
            "new",
        )  # fmt: skip
        with self._guard:
            self._db.execute(
                f"INSERT OR REPLACE INTO feedback VALUES ({', '.join('?' * len(_FEEDBACK))})", astuple(record)
            )

    def feedback(self, kb: str, state: State | None = None, limit: int = 100, offset: int = 0) -> list[FeedbackRecord]:
        """Feedback on the answers of a knowledge base, the newest first."""
        chosen = "" if state is None else "AND state = ?"
        values = (kb, limit, offset) if state is None else (kb, state, limit, offset)
        statement = f"SELECT * FROM feedback WHERE kb = ? {chosen} ORDER BY at DESC, id LIMIT ? OFFSET ?"
        return [FeedbackRecord(*_booleans(row, _FEEDBACK)) for row in self._rows(statement, values)]

    def review(self, kb: str, id_: str, state: State) -> FeedbackRecord:
        """Take or leave feedback; raises AnswerMissing."""
        with self._guard:
            self._db.execute("UPDATE feedback SET state = ? WHERE kb = ? AND id = ?", (state, kb, id_))
        rows = self._rows("SELECT * FROM feedback WHERE kb = ? AND id = ?", (kb, id_))
        if not rows:
            raise AnswerMissing(f"there is no feedback on an answer '{id_}' in '{kb}'", mend="list the feedback first")
        return FeedbackRecord(*_booleans(rows[0], _FEEDBACK))

    def asked(self, kb: str, since: float, below: float, most: int) -> list[AnswerRecord]:
        """The newest `most` questions since then that were refused, or whose best passage had a relevance below."""
        self.flush()
        statement = (
            "SELECT * FROM answers WHERE kb = ? AND at >= ? AND (refused OR relevance < ?) ORDER BY at DESC LIMIT ?"
        )
        return [AnswerRecord(*_booleans(row, _ANSWER)) for row in self._rows(statement, (kb, since, below, most))]

    def _answer(self, id_: str) -> AnswerRecord | None:
        """An answer of this process, or of another one, which may be about to write it."""
        self.flush()
        for wait in (0.0, 0.2, 0.3, 0.5):
            time.sleep(wait)
            for row in self._rows("SELECT * FROM answers WHERE id = ?", (id_,)):
                return AnswerRecord(*_booleans(row, _ANSWER))
        return None

    def flush(self) -> None:
        """Returns when all that was recorded before is written."""
        done = threading.Event()
        self._waiting.put(done)
        done.wait(_WAIT_SECONDS)

    def close(self) -> None:
        """Write what waits, and let go of the file."""
        self._waiting.put(None)
        self._thread.join(_WAIT_SECONDS)
        with self._guard:
            self._db.close()

    def _rows(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        with self._guard:
            return self._db.execute(statement, values).fetchall()

    def _write(self) -> None:
        closing = False
        while not closing:
            batch: list[AnswerRecord | threading.Event | None] = [self._waiting.get()]
            while len(batch) < 500 and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            closing = None in batch
            try:
                self._insert([astuple(item) for item in batch if isinstance(item, AnswerRecord)])
            except sqlite3.Error as error:
                _LOG.error("answers were not kept for feedback: %s", error)
            for item in batch:
                if isinstance(item, threading.Event):
                    item.set()

    def _insert(self, rows: list[tuple[Any, ...]]) -> None:
        now = self._clock()
        with self._guard:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(f"INSERT OR REPLACE INTO answers VALUES ({', '.join('?' * len(_ANSWER))})", rows)
                if now - self._forgotten > _DAY:
                    self._db.execute("DELETE FROM answers WHERE at < ?", (now - self._days * _DAY,))
                    self._forgotten = now
            finally:
                self._db.execute("COMMIT")


def _booleans(row: Sequence[Any], names: Sequence[str]) -> list[Any]:
    """SQLite keeps truth as 0 and 1."""
    return [bool(value) if name == "refused" else value for name, value in zip(names, row, strict=True)]
