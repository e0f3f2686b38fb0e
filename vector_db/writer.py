"""Writes a new generation, has it verified by another process, and publishes it."""

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import GenerationCorrupt
from core.settings import PROJECT
from core.types import Chunk, Page
from vector_db.chunk_store import write_chunks
from vector_db.layout import IN_USE, KnowledgeBaseFolder
from vector_db.manifest import MANIFEST, BookRecord, EmbeddingRecord, FailureRecord, Manifest

CHUNKS, EMBEDDINGS, LEXICAL, CHROMA = "chunks.sqlite", "embeddings.npy", "lexical", "chroma"


@dataclass(frozen=True, slots=True)
class BookContent:
    """All of one book. vectors: shape (chunks, dimension), None if the embedder cannot read it."""

    record: BookRecord
    chunks: Sequence[Chunk]
    pages: Sequence[tuple[Page, str]]
    vectors: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class GenerationHeader:
    """What the manifest says besides the books."""

    source_dir: str
    embedding: EmbeddingRecord
    fingerprint: str
    failures: tuple[FailureRecord, ...]
    unread: tuple[str, ...]


def heading_of(title: str, path: Sequence[str]) -> str:
    """Title and headings over a chunk, each once: what stands before its text for search."""
    return " > ".join(dict.fromkeys((title, *path)))


def write_generation(target: KnowledgeBaseFolder, header: GenerationHeader, books: Sequence[BookContent]) -> Manifest:
    """Write, verify and publish; the served generation is untouched until the last step.

    Only while `target.building()` is held. Raises GenerationCorrupt when verification fails.
    """
    folder = target.new_folder()
    vectors = _write_data(folder, header.embedding.dimension, books)
    manifest = Manifest(
        id=folder.stem,
        kb=target.kb,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        source_dir=header.source_dir,
        embedding=header.embedding,
        fingerprint=header.fingerprint,
        books=tuple(book.record for book in books),
        failures=header.failures,
        unread=header.unread,
        chunks=sum(len(book.chunks) for book in books),
        vectors=len(vectors),
        files=_checksums(folder),
    )
    (folder / IN_USE).touch()
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
    _verify_in_new_process(folder)
    target.publish(folder)
    target.remove_old()
    return manifest


def _write_data(folder: Path, dimension: int, books: Sequence[BookContent]) -> NDArray[np.float32]:
    # Imported here: a rebuild that finds nothing changed need not wait seconds for the index libraries.
    from vector_db.dense import write_dense
    from vector_db.lexical import index_terms, write_lexical

    rows: list[tuple[Chunk, int | None]] = []
    parts: list[NDArray[np.float32]] = [np.zeros((0, dimension), dtype=np.float32)]
    terms: list[list[str]] = []
    count = 0
    for book in books:
        for chunk in book.chunks:
            terms.append(index_terms(heading_of(book.record.title, chunk.heading_path), chunk.reading))
            rows.append((chunk, None if book.vectors is None else count))
            count += book.vectors is not None
        if book.vectors is not None:
            parts.append(book.vectors)
    vectors = np.concatenate(parts)
    write_chunks(folder / CHUNKS, rows, ((book.record.id, book.pages) for book in books))
    np.save(folder / EMBEDDINGS, vectors)
    write_lexical(folder / LEXICAL, terms)
    write_dense(folder / CHROMA, [chunk.id for chunk, row in rows if row is not None], vectors)
    return vectors


def _checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of everything but Chroma's folder, which its own client writes to when opened."""
    files = [folder / CHUNKS, folder / EMBEDDINGS, *sorted((folder / LEXICAL).rglob("*"))]
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files if path.is_file()}


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verify_in_new_process(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vector_db.verify", str(folder.resolve())],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise GenerationCorrupt(
            f"the new generation failed its check and was not published: {words[-1]}",
            mend="the old one is still served; look at the disk's free space, then run again",
        )
