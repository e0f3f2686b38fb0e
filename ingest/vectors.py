"""The vectors of a book's passages: those that are known, and the rest from the embedder."""

import hashlib
from collections.abc import Sequence

import numpy as np

from core.settings import Settings
from core.text import plain
from core.types import Chunk
from ingest.previous import Previous
from ingest.progress import Progress
from ingest.staging import Staging
from vector_db.embedder import Embedder, Vectors, model_folder, model_revision, open_embedder
from vector_db.instructions import instructions
from vector_db.manifest import EmbeddingRecord
from vector_db.token_counter import TokenCounter
from vector_db.writer import heading_of

_SLAB = 1024  # passages embedded between two savings of the work done


class PassageVectors:
    """Embeds passages, each text once: neither what the generation before holds nor what a rebuild left."""

    def __init__(self, settings: Settings, previous: Previous, staging: Staging, progress: Progress) -> None:
        self._settings = settings
        self._previous = previous
        self._staging = staging
        self._progress = progress
        self._revision = model_revision(settings.embedding)
        self._embedder: Embedder | None = None
        self._counter: TokenCounter | None = None
        self._dimension = 0

    @property
    def embedder(self) -> Embedder:
        """Loaded when the first book needs it: a rebuild without changes loads no model."""
        if self._embedder is None:
            self._progress.stage("load the embedder")
            self._embedder = open_embedder(self._settings.embedding)
        return self._embedder

    @property
    def counter(self) -> TokenCounter:
        """Counts as the embedder does, without loading it: a book that it cannot read does not need it."""
        if self._counter is None:
            folder = model_folder(self._settings.embedding)
            self._counter = TokenCounter(folder, instructions(self._settings.embedding, folder).passage)
        return self._counter

    def record(self) -> EmbeddingRecord:
        """The model of this generation. Its dimension is 0 as long as no book has vectors."""
        manifest = self._previous.manifest
        if not self._dimension and manifest is not None and self._same_model(manifest.embedding):
            return manifest.embedding
        model = self._settings.embedding.model
        return EmbeddingRecord(model=model, revision=self._revision, dimension=self._dimension)

    def readable(self, unknown_rate: float) -> bool:
        """Whether the embedder knows enough of a text's tokens."""
        return unknown_rate <= self._settings.embedding.max_unknown_rate

    def of(self, book_id: str, title: str, chunks: Sequence[Chunk]) -> Vectors:
        """The vectors of the chunks (one or more) of a readable book, shape (chunks, dimension)."""
        texts = embedded_texts(title, chunks)
        keys = [self._key(text) for text in texts]
        known = self._known(book_id) | self._staging.vectors(keys)
        unknown = {key: row for row, key in enumerate(keys) if key not in known}
        # The longest first: batches of equal length waste nothing on padding, and memory is at its most at once.
        missing = sorted(unknown.values(), key=lambda row: -len(texts[row]))
        self._progress.embedded(0, len(missing))
        for start in range(0, len(missing), _SLAB):
            rows = missing[start : start + _SLAB]
            made = self.embedder.encode([texts[row] for row in rows])
            slab = [keys[row] for row in rows]
            self._staging.keep_vectors(slab, made)
            known.update(zip(slab, made, strict=True))
            self._progress.embedded(len(rows), len(missing) - start - len(rows))
        vectors = np.stack([known[key] for key in keys])
        self._dimension = vectors.shape[1]
        return vectors

    def _known(self, book_id: str) -> dict[bytes, Vectors]:
        """Vectors of the book in the generation before, if the same model made them."""
        manifest, record = self._previous.manifest, self._previous.book(book_id)
        if manifest is None or record is None:
            return {}
        if not self._same_model(manifest.embedding):
            return {}
        chunks, vectors = self._previous.passages(book_id)
        if vectors is None:
            return {}
        return dict(zip(map(self._key, embedded_texts(record.title, chunks)), vectors, strict=True))

    def _same_model(self, record: EmbeddingRecord) -> bool:
        return (record.model, record.revision) == (self._settings.embedding.model, self._revision)

    def _key(self, text: str) -> bytes:
        return hashlib.blake2b(f"{self._revision}\n{text}".encode("utf-8", "surrogatepass"), digest_size=20).digest()


def embedded_texts(title: str, chunks: Sequence[Chunk]) -> list[str]:
    """What the embedder is given of each chunk: title and headings, then its text without markup."""
    return [f"{heading_of(title, chunk.heading_path)}\n{plain(chunk.reading)}" for chunk in chunks]
