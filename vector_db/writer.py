"""Writes a new generation, has it verified by another process, and publishes it."""

import shutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.errors import FREE_SPACE, KebenError, RecallTooLow, StorageError
from core.types import Chunk, Course, Page
from vector_db.chunk_store import BookRows, ChunkStore, ChunkWriter
from vector_db.files import CHROMA, CHUNKS, EMBEDDINGS, LEXICAL, REPORT, checksums
from vector_db.layout import IN_USE, KnowledgeBaseFolder
from vector_db.manifest import (
    MANIFEST,
    BookRecord,
    Calibration,
    EmbeddingRecord,
    FailureRecord,
    Manifest,
    read_manifest,
)
from vector_db.verify import verify_in_new_process

if TYPE_CHECKING:
    from vector_db.lexical import StoredTerms, TermTable

# A copied vector index pays while most of it stays, and while few of its places are left from deletions.
_LEAST_KEPT, _MOST_TOMBSTONES = 0.5, 0.25
Vectors = NDArray[np.float32]
# From the folder of a finished generation.
Calibrate = Callable[[Path], Calibration]


@dataclass(frozen=True, slots=True)
class BookContent:
    """All of one book. vectors: shape (chunks, dimension), None if the embedder cannot read it."""

    record: BookRecord
    chunks: Sequence[Chunk]
    pages: Sequence[tuple[Page, str]]
    vectors: Vectors | None


@dataclass(frozen=True, slots=True)
class KeptBook:
    """A book whose passages are those of the generation before; its record may say other things of it."""

    record: BookRecord


@dataclass(frozen=True, slots=True)
class GenerationHeader:
    """What the manifest says besides the books. report: what the rebuild did with each file, as JSON."""

    source_dir: str
    embedding: EmbeddingRecord
    fingerprint: str
    failures: tuple[FailureRecord, ...] = ()
    unread: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    report: str = "{}"
    course: Course = field(default_factory=Course)


def heading_of(title: str, path: Sequence[str]) -> str:
    """Title and headings over a chunk, each once: what stands before its text for search."""
    return " > ".join(dict.fromkeys((title, *path)))


def write_generation(
    target: KnowledgeBaseFolder,
    header: GenerationHeader,
    books: Sequence[BookContent | KeptBook],
    base: Path | None = None,
    calibrate: Calibrate | None = None,
) -> Manifest:
    """Write, verify, calibrate and publish; the served generation is untouched until the last step.

    base: folder of the generation before, from which the kept books are copied. calibrate: measures what the finished
    generation is to refuse. Only while `target.building()` is held. Raises VerificationFailed, or StorageError when the
    disk is full or cannot be written.
    """
    folder: Path | None = None
    try:
        folder = target.new_folder()
        manifest = _Build(folder, target, header, books, base, calibrate).run()
        target.publish(folder)
        target.remove_old(manifest.id, manifest.parent)
    except (KebenError, OSError, sqlite3.Error) as error:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, KebenError):
            raise
        raise StorageError(f"the knowledge base '{target.kb}' cannot be written: {error}", mend=FREE_SPACE) from error
    return manifest


@dataclass(slots=True)
class _Build:
    folder: Path
    target: KnowledgeBaseFolder
    header: GenerationHeader
    books: Sequence[BookContent | KeptBook]
    base: Path | None
    calibrate: Calibrate | None
    fresh_rows: list[int] = field(default_factory=list)
    distinct: NDArray[np.intp] = field(init=False)

    def run(self) -> Manifest:
        """All files, the manifest last, and the check."""
        from vector_db.dense import distinct_rows

        vectors = self._write_data()
        self.distinct = distinct_rows(vectors)
        (self.folder / REPORT).write_text(self.header.report, encoding="utf-8")
        (self.folder / IN_USE).touch()
        for write_dense in (self._copy_dense, self._write_dense, self._write_dense_thoroughly):
            if (tombstones := write_dense(vectors)) is None:
                continue
            manifest = self._write_manifest(vectors, tombstones)
            try:
                verify_in_new_process(self.folder)
                return self._calibrated(manifest)
            except RecallTooLow as error:
                too_low = error
                shutil.rmtree(self.folder / CHROMA)
        raise too_low

    def _calibrated(self, manifest: Manifest) -> Manifest:
        if self.calibrate is None:
            return manifest
        manifest = manifest.model_copy(update={"calibration": self.calibrate(self.folder)})
        self._save(manifest)
        return manifest

    def _save(self, manifest: Manifest) -> None:
        (self.folder / MANIFEST).write_text(manifest.model_dump_json(indent=1), encoding="utf-8")

    def _write_data(self) -> Vectors:
        """Chunks, vectors and keyword index; the vectors are those on disk."""
        # Imported here: a rebuild that finds nothing changed need not wait for the index libraries.
        from vector_db.embedder import bundled_embedder
        from vector_db.lexical import StoredTerms, TermTable, write_lexical

        kept = [book for book in self.books if isinstance(book, KeptBook)]
        stored = StoredTerms(self.base / LEXICAL) if self.base and kept else None
        terms, copied, added = TermTable(), list[tuple[slice, slice]](), list[tuple[slice, Vectors]]()
        with ChunkWriter(self.folder / CHUNKS, self.base / CHUNKS if self.base and kept else None) as writer:
            for book in self.books:
                if isinstance(book, KeptBook):
                    copied.append(self._copy(book, writer, stored, terms))
                    continue
                place = self._add(book, writer, terms)
                if book.vectors is not None:
                    added.append((place.vector_rows, book.vectors))
                    self.fresh_rows += range(place.vector_rows.start, place.vector_rows.stop)
        write_lexical(self.folder / LEXICAL, terms, bundled_embedder())
        return self._write_vectors(copied, added)

    def _add(self, book: BookContent, writer: ChunkWriter, terms: "TermTable") -> BookRows:
        from vector_db.book_terms import book_terms
        from vector_db.lexical import index_terms
        from vector_db.tokenizer import Words

        title = book.record.title
        own = book_terms(
            (heading for chunk in book.chunks for heading in (title, *chunk.heading_path)),
            [chunk.text for chunk in book.chunks],
        )
        terms.books[book.record.id], words = own, Words(own.words)
        terms.add(index_terms(heading_of(title, chunk.heading_path), chunk.reading, words) for chunk in book.chunks)
        return writer.add(book.record.id, book.chunks, book.pages, with_vectors=book.vectors is not None)

    def _copy(
        self, book: KeptBook, writer: ChunkWriter, stored: "StoredTerms | None", terms: "TermTable"
    ) -> tuple[slice, slice]:
        assert stored is not None, "a kept book needs the generation that holds it"
        then, now = writer.copy(book.record.id)
        terms.copy(stored, then.rows)
        terms.books[book.record.id] = stored.books[book.record.id]
        return then.vector_rows, now.vector_rows

    def _write_vectors(self, copied: list[tuple[slice, slice]], added: list[tuple[slice, Vectors]]) -> Vectors:
        count = max((now.stop for _, now in copied), default=0)
        count = max([count, *(rows.stop for rows, _ in added)])
        # A mapping writes to the disk as it goes, so that memory does not grow with the library.
        shape = (count, self.header.embedding.dimension)
        if not count:
            np.save(self.folder / EMBEDDINGS, np.zeros(shape, dtype=np.float32))
            return np.zeros(shape, dtype=np.float32)
        vectors = np.lib.format.open_memmap(self.folder / EMBEDDINGS, mode="w+", dtype=np.float32, shape=shape)
        if copied and self.base:
            before = np.load(self.base / EMBEDDINGS, mmap_mode="r")
            for then, now in copied:
                if then.stop > then.start:  # a generation without vectors has no dimension
                    vectors[now] = before[then]
        for rows, values in added:
            vectors[rows] = values
        vectors.flush()
        return vectors

    def _copy_dense(self, vectors: Vectors) -> int | None:
        """The vector index of the base with what changed; its tombstones, None where making it anew is better."""
        from vector_db.dense import distinct_rows, update_dense

        if self.base is None or len(vectors) - len(self.fresh_rows) < _LEAST_KEPT * max(len(vectors), 1):
            return None
        ids, before = (ChunkStore(folder / CHUNKS).ids_by_vector() for folder in (self.folder, self.base))
        now = {ids[row]: row for row in self.distinct}
        then = {before[row] for row in distinct_rows(np.load(self.base / EMBEDDINGS, mmap_mode="r"))}
        fresh, gone = set(self.fresh_rows), sorted(then - now.keys())
        tombstones = read_manifest(self.base).tombstones + len(gone)
        if tombstones > _MOST_TOMBSTONES * max(len(now), 1):
            return None
        added = {id_: row for id_, row in now.items() if row in fresh or id_ not in then}
        rows = list(added.values())
        update_dense(self.base / CHROMA, self.folder / CHROMA, gone, list(added), vectors[rows])
        return tombstones

    def _write_dense(self, vectors: Vectors, *, thorough: bool = False) -> int:
        """The vector index, made anew, without tombstones."""
        from vector_db.dense import write_dense

        ids, rows = ChunkStore(self.folder / CHUNKS).ids_by_vector(), self.distinct
        write_dense(self.folder / CHROMA, [ids[row] for row in rows], vectors[rows], thorough=thorough)
        return 0

    def _write_dense_thoroughly(self, vectors: Vectors) -> int:
        """As `_write_dense`, for vectors that it does not find well enough."""
        return self._write_dense(vectors, thorough=True)

    def _write_manifest(self, vectors: Vectors, tombstones: int) -> Manifest:
        header = self.header
        manifest = Manifest(
            id=self.folder.stem,
            kb=self.target.kb,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            source_dir=header.source_dir,
            embedding=header.embedding,
            fingerprint=header.fingerprint,
            books=tuple(book.record for book in self.books),
            failures=header.failures,
            unread=header.unread,
            removed=header.removed,
            parent=self.base.name if self.base else self.target.current_id(),
            chunks=sum(book.record.chunks for book in self.books),
            vectors=len(vectors),
            indexed=len(self.distinct),
            tombstones=tombstones,
            course=header.course,
            files=checksums(self.folder),
        )
        self._save(manifest)
        return manifest
