"""Chunks, books and page texts of a generation: one SQLite file, the source of truth for text."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from core.errors import REBUILD, GenerationCorrupt
from core.types import BlockKind, Chunk, Page, Span

_SCHEMA = """
CREATE TABLE pages (book_id TEXT, ordinal INTEGER, number INTEGER, label TEXT, start INTEGER, text TEXT,
    PRIMARY KEY (book_id, ordinal));
CREATE TABLE chunks (row INTEGER PRIMARY KEY, id TEXT UNIQUE, book_id TEXT, ordinal INTEGER, part INTEGER,
    heading_path TEXT, page INTEGER, page_label TEXT, start INTEGER, end INTEGER, text TEXT, spans TEXT,
    vector_row INTEGER);
CREATE INDEX chunks_of_book ON chunks (book_id, ordinal);
"""
_COLUMNS = "id, book_id, ordinal, part, heading_path, page, page_label, start, end, text, spans"


def write_chunks(
    path: Path,
    chunks: Iterable[tuple[Chunk, int | None]],
    pages: Iterable[tuple[str, Sequence[tuple[Page, str]]]],
) -> None:
    """Write a new file: chunks with the row of their vector, and for each book id its page texts."""
    connection = sqlite3.connect(path)
    try:
        connection.executescript(_SCHEMA)
        connection.executemany(
            f"INSERT INTO chunks VALUES (?, {', '.join('?' * 12)})",
            ((row, *_row(chunk), vector_row) for row, (chunk, vector_row) in enumerate(chunks)),
        )
        connection.executemany(
            "INSERT INTO pages VALUES (?, ?, ?, ?, ?, ?)",
            (
                (book_id, ordinal, page.number, page.label, page.start, text)
                for book_id, texts in pages
                for ordinal, (page, text) in enumerate(texts)
            ),
        )
        connection.commit()
    finally:
        connection.close()


def _row(chunk: Chunk) -> tuple[object, ...]:
    spans = json.dumps([asdict(span) for span in chunk.spans], ensure_ascii=False)
    path = json.dumps(chunk.heading_path, ensure_ascii=False)
    place = (chunk.page, chunk.page_label, chunk.start, chunk.end)
    return (chunk.id, chunk.book_id, chunk.ordinal, chunk.part, path, *place, chunk.text, spans)


class ChunkStore:
    """Read-only view; one connection per call, so that any thread may ask."""

    def __init__(self, path: Path) -> None:
        """Open `path`; raises GenerationCorrupt when it is missing."""
        if not path.is_file():
            raise GenerationCorrupt(f"{path} is missing", mend=REBUILD)
        self._uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"

    def _query(self, sql: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(self._uri, uri=True)
        try:
            return list(connection.execute(sql, values))
        except sqlite3.DatabaseError as error:
            raise GenerationCorrupt(f"the chunks cannot be read: {error}", mend=REBUILD) from error
        finally:
            connection.close()

    def ids(self) -> list[str]:
        """Chunk ids by row; row `i` is document `i` of the keyword index."""
        return [str(id_) for (id_,) in self._query("SELECT id FROM chunks ORDER BY row")]

    def get(self, ids: Sequence[str]) -> list[Chunk]:
        """The chunks of `ids`, in that order."""
        marks = ", ".join("?" * len(ids))
        found = {c.id: c for c in map(_chunk, self._query(f"SELECT {_COLUMNS} FROM chunks WHERE id IN ({marks})", ids))}
        return [found[id_] for id_ in ids]

    def of_book(self, book_id: str) -> list[tuple[Chunk, int | None]]:
        """Chunks of a book in reading order, each with the row of its vector."""
        sql = f"SELECT {_COLUMNS}, vector_row FROM chunks WHERE book_id = ? ORDER BY ordinal"
        return [(_chunk(row[:-1]), _optional_int(row[-1])) for row in self._query(sql, [book_id])]

    def pages(self, book_id: str) -> list[tuple[Page, str]]:
        """Page texts of a book; offsets of chunks and citations count from the first page."""
        sql = "SELECT number, label, start, text FROM pages WHERE book_id = ? ORDER BY ordinal"
        return [_page(row) for row in self._query(sql, [book_id])]


def _chunk(row: tuple[object, ...]) -> Chunk:
    id_, book_id, ordinal, part, path, page, label, start, end, text, spans = row
    return Chunk(
        id=str(id_),
        book_id=str(book_id),
        ordinal=int(str(ordinal)),
        part=int(str(part)),
        heading_path=tuple(json.loads(str(path))),
        page=_optional_int(page),
        page_label=None if label is None else str(label),
        start=int(str(start)),
        end=int(str(end)),
        text=str(text),
        spans=tuple(Span(**{**span, "kind": BlockKind(span["kind"])}) for span in json.loads(str(spans))),
    )


def _page(row: tuple[object, ...]) -> tuple[Page, str]:
    number, label, start, text = row
    begin = int(str(start))
    name = None if label is None else str(label)
    return Page(_optional_int(number), name, begin, begin + len(str(text))), str(text)


def _optional_int(value: object) -> int | None:
    return None if value is None else int(str(value))
