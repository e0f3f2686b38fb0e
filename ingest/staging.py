"""What an unfinished rebuild has done already, so that the next one does not do it again.

One SQLite file beside the generations, deleted when the rebuild ends: what the readers made of each file
(also why one failed), and the vectors of passages. Losing it costs time and nothing else, so a damaged or
unwritable one is left aside.
"""

import json
import sqlite3
import threading
import zlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import UnreadableBookError
from core.types import ExtractedBook
from ingest.worker import book_from_json

_NAME = "unfinished.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS books (key TEXT PRIMARY KEY, data BLOB);
CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB);
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY);
"""
_ASKED = 500  # keys in one query
Vectors = NDArray[np.float32]


class Staging:
    """Work of one knowledge base that no generation holds yet. Safe to use from several threads."""

    def __init__(self, folder: Path, *, forced: bool) -> None:
        """Take up what lies in `folder`. A forced rebuild takes up only what a forced one has left."""
        self._path = folder / _NAME
        self._guard = threading.Lock()
        self._connection = self._open(forced) or self._afresh(forced)

    def _open(self, forced: bool) -> sqlite3.Connection | None:
        connection: sqlite3.Connection | None = None
        try:
            connection = sqlite3.connect(self._path, check_same_thread=False)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)
            marked = connection.execute("SELECT count(*) FROM marks").fetchone()[0] > 0
            if forced and not marked:
                for table in ("books", "vectors"):
                    connection.execute(f"DELETE FROM {table}")
                connection.execute("INSERT INTO marks VALUES ('forced')")
                connection.commit()
        except sqlite3.Error:
            if connection is not None:
                connection.close()
            return None
        return connection

    def _afresh(self, forced: bool) -> sqlite3.Connection | None:
        self._delete()
        return self._open(forced)

    def book(self, key: str) -> ExtractedBook | UnreadableBookError | None:
        """What reading the file gave, or None if it was not read to its end."""
        found = self._select("SELECT data FROM books WHERE key = ?", [key])
        if not found:
            return None
        try:
            data = json.loads(zlib.decompress(found[0][0]).decode("utf-8", "surrogatepass"))
            if "error" in data:
                return UnreadableBookError(data["error"], mend=data["mend"])
            return book_from_json(data)
        except (zlib.error, ValueError, KeyError, TypeError):
            return None

    def keep_book(self, key: str, result: ExtractedBook | UnreadableBookError) -> None:
        """Remember what reading a file gave."""
        if isinstance(result, UnreadableBookError):
            data: dict[str, object] = {"error": result.message, "mend": result.mend}
        else:
            data = asdict(result)
        packed = zlib.compress(json.dumps(data, ensure_ascii=False).encode("utf-8", "surrogatepass"), 1)
        self._insert("INSERT OR REPLACE INTO books VALUES (?, ?)", [(key, packed)])

    def vectors(self, keys: Sequence[bytes]) -> dict[bytes, Vectors]:
        """Those of `keys` that are known, each of shape (dimension,)."""
        known: dict[bytes, Vectors] = {}
        for start in range(0, len(keys), _ASKED):
            asked = keys[start : start + _ASKED]
            marks = ", ".join("?" * len(asked))
            found = self._select(f"SELECT key, vector FROM vectors WHERE key IN ({marks})", asked)
            known.update((key, np.frombuffer(vector, dtype=np.float32)) for key, vector in found)
        return known

    def keep_vectors(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Remember `vectors`, shape (len(keys), dimension)."""
        rows = [(key, vector.tobytes()) for key, vector in zip(keys, vectors, strict=True)]
        self._insert("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)

    def _select(self, sql: str, values: Sequence[object]) -> list[tuple[bytes, bytes]]:
        with self._guard:
            if self._connection is None:
                return []
            try:
                return list(self._connection.execute(sql, values))
            except sqlite3.Error:
                return []

    def _insert(self, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
        with self._guard:
            if self._connection is None:
                return
            try:
                with self._connection:
                    self._connection.executemany(sql, rows)
            except sqlite3.Error:
                # A full disk: whether the rebuild can go on shows when it writes the generation.
                self._connection.close()
                self._connection = None

    def close(self) -> None:
        """Leave what was done for the next rebuild."""
        with self._guard:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def discard(self) -> None:
        """Delete it: a generation holds everything now."""
        self.close()
        self._delete()

    def _delete(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            try:
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            except OSError:
                return


def staging(folder: Path, *, forced: bool) -> closing[Staging]:
    """A Staging that is closed, not discarded, when the block ends."""
    return closing(Staging(folder, forced=forced))
