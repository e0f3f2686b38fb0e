"""Small generations made without a model: real files and indexes, vectors drawn by chance."""

import fcntl
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.types import BlockKind, Chunk, Page, Span
from vector_db.layout import IN_USE, KnowledgeBaseFolder
from vector_db.manifest import BookRecord, EmbeddingRecord, Manifest
from vector_db.writer import BookContent, GenerationHeader, write_generation

DIMENSION = 16
EMBEDDING = EmbeddingRecord(model="by-chance", revision="0", dimension=DIMENSION)


def unit_vectors(count: int, seed: int = 0) -> np.ndarray:
    """Shape (count, DIMENSION), unit length, the same for the same seed."""
    vectors = np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def small_book(book_id: str, paragraphs: Sequence[str]) -> BookContent:
    """A book with a page and a chunk for each paragraph, and a vector for each chunk."""
    chunks: list[Chunk] = []
    pages: list[tuple[Page, str]] = []
    start = 0
    for number, text in enumerate(paragraphs, 1):
        end = start + len(text)
        pages.append((Page(number, str(number), start, end), text))
        span = Span(BlockKind.paragraph, 0, len(text), number, str(number))
        chunks.append(
            Chunk(
                id=f"{book_id}-{number}",
                book_id=book_id,
                ordinal=number - 1,
                part=number - 1,
                heading_path=("Chapter",),
                page=number,
                page_label=str(number),
                start=start,
                end=end,
                text=text,
                spans=(span,),
            )
        )
        start = end
    record = BookRecord(
        id=book_id,
        source=f"{book_id}.txt",
        title=book_id,
        subject=book_id,
        language="en",
        edition="",
        sha256=hashlib.sha256("".join(paragraphs).encode()).hexdigest(),
        pages=len(pages),
        characters=start,
        chunks=len(chunks),
        unknown_token_rate=0,
        dense=True,
    )
    return BookContent(record, chunks, pages, unit_vectors(len(chunks)))


def publish_books(target: KnowledgeBaseFolder, *books: BookContent) -> Manifest:
    """Write, verify and publish a generation of `books`."""
    header = GenerationHeader(source_dir="/books", embedding=EMBEDDING, fingerprint="test", failures=(), unread=())
    with target.building():
        return write_generation(target, header, books)


def has_reader(generation: Path) -> bool:
    """Whether somebody holds the generation open."""
    with (generation / IN_USE).open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
