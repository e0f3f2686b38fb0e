"""What the generation before knows, so that unchanged books are not parsed or embedded again."""

from collections.abc import Sequence

import numpy as np

from core.errors import REBUILD, GenerationCorrupt, KnowledgeBaseError, KnowledgeBaseMissing
from ingest.catalog import CatalogEntry
from vector_db.chunk_store import ChunkStore
from vector_db.layout import KnowledgeBaseFolder
from vector_db.manifest import BookRecord, FailureRecord, Manifest, read_manifest
from vector_db.writer import CHUNKS, EMBEDDINGS, BookContent


class Previous:
    """Read access to the served generation, or to nothing."""

    def __init__(self, target: KnowledgeBaseFolder | None, manifest: Manifest | None) -> None:
        """Use `load`."""
        self.manifest = manifest
        self._records = {record.id: record for record in manifest.books} if manifest else {}
        self._failures = {failure.source: failure for failure in manifest.failures} if manifest else {}
        if target and manifest:
            folder = target.generations / manifest.id
            self._store = ChunkStore(folder / CHUNKS)
            try:
                self._vectors = np.load(folder / EMBEDDINGS, mmap_mode="r")
            except (OSError, ValueError, EOFError) as error:
                raise GenerationCorrupt(f"{folder / EMBEDDINGS} cannot be read: {error}", mend=REBUILD) from error

    @classmethod
    def load(cls, target: KnowledgeBaseFolder, *, tolerant: bool) -> "Previous":
        """The served generation; nothing when there is none, or when it is damaged and `tolerant`."""
        try:
            return cls(target, read_manifest(target.current()))
        except KnowledgeBaseMissing:
            return cls(None, None)
        except KnowledgeBaseError:
            if not tolerant:
                raise
            return cls(None, None)

    @property
    def fingerprint(self) -> str | None:
        """Of the settings and versions it was built with."""
        return self.manifest.fingerprint if self.manifest else None

    def books(self) -> Sequence[BookRecord]:
        """All its books."""
        return list(self._records.values())

    def book(self, book_id: str) -> BookRecord | None:
        """One book."""
        return self._records.get(book_id)

    def failure(self, source: str) -> FailureRecord | None:
        """Why a file gave nothing last time."""
        return self._failures.get(source)

    def content(self, record: BookRecord, entry: CatalogEntry) -> BookContent:
        """Passages and vectors of a book, with what the catalogue says of it now."""
        rows = self._store.of_book(record.id)
        vector_rows = [row for _, row in rows if row is not None]
        vectors = np.asarray(self._vectors[vector_rows], dtype=np.float32) if vector_rows else None
        update = {
            "subject": entry.subject or record.subject,
            "language": entry.language or record.language,
            "edition": entry.edition,
        }
        chunks = [chunk for chunk, _ in rows]
        return BookContent(record.model_copy(update=update), chunks, self._store.pages(record.id), vectors)

    def differs(self, books: Sequence[BookRecord], failures: Sequence[FailureRecord], unread: Sequence[str]) -> bool:
        """Whether these outcomes are other than what is served."""
        if self.manifest is None:
            return True
        then = (self.manifest.books, self.manifest.failures, self.manifest.unread)
        return then != (tuple(books), tuple(failures), tuple(unread))
