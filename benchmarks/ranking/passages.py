"""What the systems rank: Keben's own passages, or windows of fixed length."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from core.errors import ConfigError
from core.settings import Settings, load_settings
from core.text import plain
from evaluate.corpus import prepare_set
from evaluate.gold import Unit
from evaluate.queries import Query
from ingest.rebuild import rebuild
from vector_db.files import EMBEDDINGS
from vector_db.library import open_knowledge_base
from vector_db.reader import LiveKnowledgeBase
from vector_db.writer import heading_of

KB = "benchmark"
WINDOW, SHARED = 500, 150
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Passages:
    """Units, the words under which each is indexed, and its vector if Keben made one."""

    units: list[Unit]
    words: list[str]
    vectors: list[Vectors | None]


@dataclass(frozen=True, slots=True)
class Indexed:
    """A set of which Keben has made a knowledge base. books: folder of its textbooks."""

    settings: Settings
    books: Path
    queries: list[Query]

    @contextmanager
    def opened(self) -> Iterator[LiveKnowledgeBase]:
        """The knowledge base, open."""
        base = open_knowledge_base(self.settings, KB)
        try:
            yield base
        finally:
            base.close()


def index_set(folder: Path, scratch: Path) -> Indexed:
    """Rebuild a set into `scratch`, with the settings of the environment; raises ConfigError when a file fails."""
    books = scratch / "books"
    books.mkdir()
    settings = load_settings(data_dir=scratch / "data", source_dir=books, kb=KB)
    queries = prepare_set(folder, books)
    report = rebuild(settings, KB)
    if report.failed:
        failed = next(file for file in report.files if file.status in {"failed", "stale"})
        raise ConfigError(f"{failed.source} of {folder.name}: {failed.reason}", mend="check the set")
    return Indexed(settings, books, queries)


def keben_passages(indexed: Indexed) -> Passages:
    """All passages of the knowledge base, with the words that Keben indexes them by."""
    passages = Passages([], [], [])
    with indexed.opened() as base, base.generation() as generation:
        vectors = np.load(generation.folder / EMBEDDINGS)
        for book in generation.books.values():
            for chunk, row in generation.store.of_book(book.id):
                passages.units.append(Unit(chunk.id, book.source, chunk.start, chunk.end, chunk.text))
                passages.words.append(f"{heading_of(book.title, chunk.heading_path)}\n{plain(chunk.reading)}")
                passages.vectors.append(None if row is None else vectors[row])
    return passages


def window_passages(books: Path) -> Passages:
    """Every file in windows of fixed length, wherever its sections and sentences end."""
    units: list[Unit] = []
    for path in sorted(books.iterdir()):
        text = path.read_text(encoding="utf-8")
        for start in range(0, max(len(text) - SHARED, 1), WINDOW - SHARED):
            end = min(start + WINDOW, len(text))
            units.append(Unit("", path.name, start, end, text[start:end]))
    return Passages(units, [unit.text for unit in units], [None] * len(units))


def embedded(passages: Passages, embedder: Embeddings) -> Vectors:
    """The vector of every passage, shape (n, dimension); those that Keben did not make are made here."""
    absent = [row for row, vector in enumerate(passages.vectors) if vector is None]
    made = embedder.embed_documents([passages.words[row] for row in absent]) if absent else []
    vectors = dict(enumerate(passages.vectors)) | dict(zip(absent, made, strict=True))
    return np.asarray([vectors[row] for row in range(len(vectors))], dtype=np.float32)


def asked(questions: Sequence[str], embedder: Embeddings) -> Vectors:
    """The vector of every question, shape (n, dimension)."""
    return np.asarray([embedder.embed_query(question) for question in questions], dtype=np.float32)
