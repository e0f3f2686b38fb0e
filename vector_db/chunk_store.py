"""Chunks, books and page texts of a generation: one SQLite file, the source of truth for text."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from core.errors import REBUILD, GenerationCorrupt
from core.types import BlockKind, Chunk, Page, Span

_SCHEMA = """
CREATE TABLE pages (book_id TEXT, ordinal INTEGER, number INTEGER, label TEXT, start INTEGER, text TEXT,
    PRIMARY KEY (book_id, ordinal));
CREATE TABLE chunks (row INTEGER PRIMARY KEY, id TEXT UNIQUE, book_id TEXT, ordinal INTEGER, part INTEGER,
    heading_path TEXT, page INTEGER, page_label TEXT, start INTEGER, end INTEGER, text TEXT, spans TEXT,
    vector_row INTEGER, section INTEGER);
CREATE INDEX chunks_of_book ON chunks (book_id, ordinal);
"""
_COLUMNS = "id, book_id, ordinal, part, heading_path, page, page_label, start, end, text, spans"


@dataclass(frozen=True, slots=True)
class BookRows:
    """Where the chunks of a book stand: rows of the file, and rows of the vectors (0 of them without)."""

    first: int
    chunks: int
    first_vector: int
    vectors: int

    @property
    def rows(self) -> slice:
        """Its chunks, as documents of the keyword index."""
        return slice(self.first, self.first + self.chunks)

    @property
    def vector_rows(self) -> slice:
        """Its vectors."""
        return slice(self.first_vector, self.first_vector + self.vectors)


class ChunkWriter:
    """Writes a new file, book after book; rows are numbered in the order of writing."""

    def __init__(self, path: Path, base: Path | None = None) -> None:
        """`base`: the file of another generation, from which `copy` takes books."""
        self._connection = sqlite3.connect(path)
        # An unfinished generation is thrown away, and a finished one is synced as a whole.
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.executescript(_SCHEMA)
        if base is not None:
            self._connection.execute("ATTACH ? AS base", [f"{base.resolve().as_uri()}?mode=ro&immutable=1"])
        self._rows = self._vectors = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self._connection.commit()
        self._connection.close()

    def add(
        self, book_id: str, chunks: Sequence[Chunk], pages: Sequence[tuple[Page, str]], *, with_vectors: bool
    ) -> BookRows:
        """A new book; its chunks take the next rows, and the next rows of vectors if it has some."""
        place = BookRows(self._rows, len(chunks), self._vectors, len(chunks) if with_vectors else 0)
        self._connection.executemany(
            f"INSERT INTO chunks VALUES (?, {', '.join('?' * 13)})",
            (
                (place.first + at, *_row(chunk), place.first_vector + at if with_vectors else None, section)
                for at, (chunk, section) in enumerate(zip(chunks, _sections(chunks, place.first), strict=True))
            ),
        )
        self._connection.executemany(
            "INSERT INTO pages VALUES (?, ?, ?, ?, ?, ?)",
            (
                (book_id, ordinal, page.number, page.label, page.start, text)
                for ordinal, (page, text) in enumerate(pages)
            ),
        )
        return self._placed(place)

    def copy(self, book_id: str) -> tuple[BookRows, BookRows]:
        """A book as `base` has it: where it stood there, and where it stands now."""
        first, count, first_vector, vectors = self._connection.execute(
            "SELECT min(row), count(*), min(vector_row), count(vector_row) FROM base.chunks WHERE book_id = ?",
            [book_id],
        ).fetchone()
        then = BookRows(first or 0, count, first_vector or 0, vectors)
        now = BookRows(self._rows, count, self._vectors, vectors)
        self._connection.execute(
            f"INSERT INTO chunks SELECT row + ?, {_COLUMNS}, vector_row + ?, section + ? "
            "FROM base.chunks WHERE book_id = ?",
            [now.first - then.first, now.first_vector - then.first_vector, now.first - then.first, book_id],
        )
        self._connection.execute("INSERT INTO pages SELECT * FROM base.pages WHERE book_id = ?", [book_id])
        return then, self._placed(now)

    def _placed(self, place: BookRows) -> BookRows:
        self._rows += place.chunks
        self._vectors += place.vectors
        return place


def _row(chunk: Chunk) -> tuple[object, ...]:
    spans = json.dumps([asdict(span) for span in chunk.spans], ensure_ascii=False)
    path = json.dumps(chunk.heading_path, ensure_ascii=False)
    place = (chunk.page, chunk.page_label, chunk.start, chunk.end)
    return (chunk.id, chunk.book_id, chunk.ordinal, chunk.part, path, *place, chunk.text, spans)


def _sections(chunks: Sequence[Chunk], first: int) -> Iterator[int]:
    """For each chunk the row of the first that stands under the same top heading of the book."""
    known: dict[tuple[str, ...], int] = {}
    for row, chunk in enumerate(chunks, first):
        yield known.setdefault(chunk.heading_path[:1], row)


@dataclass(frozen=True, slots=True)
class Rows:
    """All chunks by row. vectors: the row of each one's vector, -1 without one. sections: as in `_sections`."""

    ids: list[str]
    vectors: NDArray[np.int32]
    sections: NDArray[np.int32]


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

    def rows(self) -> Rows:
        """All chunks; row `i` is document `i` of the keyword index."""
        found = self._query("SELECT id, ifnull(vector_row, -1), section FROM chunks ORDER BY row")
        ids, vectors, sections = zip(*found, strict=True) if found else ((), (), ())
        return Rows([str(id_) for id_ in ids], np.array(vectors, dtype=np.int32), np.array(sections, dtype=np.int32))

    def ids_by_vector(self) -> list[str]:
        """Chunk ids by the row of their vector."""
        return [
            str(id_) for (id_,) in self._query("SELECT id FROM chunks WHERE vector_row NOT NULL ORDER BY vector_row")
        ]

    def stretches(self, book_id: str) -> list[tuple[str, int, int, str]]:
        """Id, start, end and text of each chunk of a book: enough to check it against its pages."""
        sql = "SELECT id, start, end, text FROM chunks WHERE book_id = ? ORDER BY ordinal"
        return [(str(i), int(str(a)), int(str(b)), str(text)) for i, a, b, text in self._query(sql, [book_id])]

    def get(self, ids: Sequence[str]) -> list[Chunk]:
        """The chunks of `ids`, in that order."""
        marks = ", ".join("?" * len(ids))
        found = {c.id: c for c in map(_chunk, self._query(f"SELECT {_COLUMNS} FROM chunks WHERE id IN ({marks})", ids))}
        return [found[id_] for id_ in ids]

    def at(self, book_id: str, ordinal: int) -> Chunk | None:
        """The chunk at a place in a book; None past its end."""
        sql = f"SELECT {_COLUMNS} FROM chunks WHERE book_id = ? AND ordinal = ?"
        return next(map(_chunk, self._query(sql, [book_id, ordinal])), None)

    def text(self, book_id: str, start: int, end: int) -> str:
        """`[start, end)` of a book's text."""
        parts = ((page.start, text) for page, text in self.pages(book_id))
        return "".join(text[max(start - at, 0) : max(end - at, 0)] for at, text in parts)

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
