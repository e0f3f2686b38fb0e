"""What the generation before knows, so that unchanged books are not parsed or embedded again."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import REBUILD, GenerationCorrupt, IndexMismatch, KnowledgeBaseMissing
from core.types import Chunk
from vector_db.chunk_store import ChunkStore
from vector_db.files import CHUNKS, EMBEDDINGS, check_files
from vector_db.layout import KnowledgeBaseFolder
from vector_db.manifest import BookRecord, FailureRecord, Manifest, read_manifest
from vector_db.writer import BookContent

Vectors = NDArray[np.float32]


class Previous:
    """Read access to a generation, or to nothing. `folder` is where it lies."""

    def __init__(self, folder: Path | None = None) -> None:
        """Read the manifest in `folder`; raises GenerationCorrupt or IndexMismatch."""
        self.folder = folder
        self.manifest: Manifest | None = read_manifest(folder) if folder else None
        books = self.manifest.books if self.manifest else ()
        self._records = {record.id: record for record in books}
        self._by_digest = {record.sha256: record for record in books}
        self._failures = {failure.source: failure for failure in (self.manifest.failures if self.manifest else ())}

    def check(self) -> None:
        """Make sure that what is copied from it is as it was written; raises GenerationCorrupt."""
        if self.folder and self.manifest:
            check_files(self.folder, self.manifest)

    @property
    def fingerprint(self) -> str | None:
        """Of the settings and versions it was built with."""
        return self.manifest.fingerprint if self.manifest else None

    @property
    def removed(self) -> tuple[str, ...]:
        """Files that were taken out by hand."""
        return self.manifest.removed if self.manifest else ()

    def books(self) -> Sequence[BookRecord]:
        """All its books."""
        return list(self._records.values())

    def book(self, book_id: str) -> BookRecord | None:
        """One book."""
        return self._records.get(book_id)

    def same_content(self, digest: str) -> BookRecord | None:
        """A book whose file had these bytes, wherever it lay."""
        return self._by_digest.get(digest)

    def failures(self) -> Sequence[FailureRecord]:
        """All files that gave nothing."""
        return list(self._failures.values())

    def failure(self, source: str) -> FailureRecord | None:
        """Why a file gave nothing last time."""
        return self._failures.get(source)

    def content(self, record: BookRecord) -> BookContent:
        """Passages and vectors of a book."""
        store = self._store()
        rows = store.of_book(record.id)
        vector_rows = [row for _, row in rows if row is not None]
        vectors = np.asarray(self._vectors()[vector_rows], dtype=np.float32) if vector_rows else None
        return BookContent(record, [chunk for chunk, _ in rows], store.pages(record.id), vectors)

    def passages(self, book_id: str) -> tuple[list[Chunk], Vectors | None]:
        """Chunks of a book and their vectors, to be used again where a passage stayed the same."""
        record = self._records.get(book_id)
        if record is None or not record.dense:
            return [], None
        content = self.content(record)
        return list(content.chunks), content.vectors

    def _store(self) -> ChunkStore:
        assert self.folder is not None
        return ChunkStore(self.folder / CHUNKS)

    def _vectors(self) -> Vectors:
        assert self.folder is not None
        try:
            vectors: Vectors = np.load(self.folder / EMBEDDINGS, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise GenerationCorrupt(f"{self.folder / EMBEDDINGS} cannot be read: {error}", mend=REBUILD) from error
        return vectors


def previous_generations(target: KnowledgeBaseFolder) -> Iterator[Previous]:
    """The served generation, then those before it that can be read, then nothing.

    A rebuild goes on to the next one when the first proves to be damaged, so that no book is lost.
    """
    try:
        current: str | None = target.current().name
    except KnowledgeBaseMissing:
        current = None
    others = [name for name in reversed(target.finished()) if name != current]
    for name in [current, *others] if current else others:
        try:
            yield Previous(target.generations / name)
        except (GenerationCorrupt, IndexMismatch):
            continue
    yield Previous()
