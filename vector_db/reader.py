"""Opens generations for reading, and follows `CURRENT` while a server runs."""

import fcntl
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import REBUILD, GenerationCorrupt, KebenError
from core.types import Book
from vector_db.chunk_store import ChunkStore
from vector_db.dense import DenseIndex
from vector_db.files import CHROMA, CHUNKS, EMBEDDINGS, LEXICAL, check_files
from vector_db.layout import IN_USE, KnowledgeBaseFolder
from vector_db.lexical import LexicalIndex
from vector_db.manifest import Manifest, read_manifest


class Generation:
    """One open generation. Counts its users, and closes when it is retired and nobody uses it."""

    def __init__(self, folder: Path) -> None:
        """Open `folder`; raises GenerationCorrupt or IndexMismatch."""
        try:
            # A shared lock tells the builder not to delete what is being read.
            self._lock = (folder / IN_USE).open("rb")
        except FileNotFoundError as error:
            raise GenerationCorrupt(f"{folder} is not a whole generation", mend=REBUILD) from error
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        self.folder = folder
        try:
            self._open()
        except BaseException:
            self._lock.close()
            raise
        self._users = 0
        self._retired = False
        self._guard = threading.Lock()

    def _open(self) -> None:
        self.manifest = read_manifest(self.folder)
        check_files(self.folder, self.manifest)
        self.books: dict[str, Book] = {record.id: record.book() for record in self.manifest.books}
        self.course = self.manifest.course
        self.store = ChunkStore(self.folder / CHUNKS)
        rows = self.store.rows()
        self.ids, self.vector_rows, self.sections = rows.ids, rows.vectors, rows.sections
        self.row_of = {id_: row for row, id_ in enumerate(self.ids)}
        books = self.manifest.books
        self.languages = np.repeat([book.language for book in books], [book.chunks for book in books])
        self.vectors: NDArray[np.float32] = np.load(self.folder / EMBEDDINGS, mmap_mode="r")
        self.lexical = LexicalIndex(self.folder / LEXICAL, len(self.ids))
        self.dense = DenseIndex(self.folder / CHROMA, self.manifest.indexed)

    def rows_of(self, books: Collection[str]) -> NDArray[np.bool_]:
        """Which rows are chunks of `books` (ids)."""
        chosen = np.zeros(len(self.ids), dtype=bool)
        start = 0
        for record in self.manifest.books:
            chosen[start : start + record.chunks] = record.id in books
            start += record.chunks
        return chosen

    @contextmanager
    def in_use(self) -> Iterator["Generation"]:
        """Keep the generation open for the duration."""
        with self._guard:
            self._users += 1
        try:
            yield self
        finally:
            with self._guard:
                self._users -= 1
                last = self._retired and self._users == 0
            if last:
                self._close()

    def retire(self) -> None:
        """Close now, or when the last user is done."""
        with self._guard:
            self._retired = True
            idle = self._users == 0
        if idle:
            self._close()

    def _close(self) -> None:
        self.dense.close()
        self._lock.close()


class LiveKnowledgeBase:
    """The served generation of one knowledge base; `refresh` swaps in a newer one.

    fault: why the generation that `CURRENT` names is not the one that is served; None when it is.
    """

    def __init__(self, folder: KnowledgeBaseFolder, check: Callable[[Manifest], None]) -> None:
        """Open the current generation, or the one before where it is damaged; raises KnowledgeBaseError.

        `check` may refuse a generation.
        """
        self._folder = folder
        self._check = check
        self._guard = threading.Lock()
        self._refused: tuple[str, int] | None = None
        self.fault: KebenError | None = None
        self._generation = self._open_served()

    def _open_served(self) -> Generation:
        """What `CURRENT` names; where that is damaged, the newest other generation that is whole."""
        current = self._folder.current()
        try:
            return self._open(current)
        except GenerationCorrupt as error:
            for name in reversed(self._folder.finished()):
                try:
                    if name != current.name:
                        generation = self._open(self._folder.generations / name)
                        self._refused, self.fault = self._folder.pointer(), error
                        return generation
                except KebenError:
                    continue
            raise

    def _open(self, folder: Path) -> Generation:
        generation = Generation(folder)
        try:
            self._check(generation.manifest)
        except KebenError:
            generation.retire()
            raise
        return generation

    @property
    def name(self) -> str:
        """Name of the knowledge base."""
        return self._folder.kb

    @property
    def has_vectors(self) -> bool:
        """Whether the dense leg has anything to search."""
        return self._generation.manifest.vectors > 0

    @contextmanager
    def generation(self) -> Iterator[Generation]:
        """The generation to answer one question from, start to end."""
        with ExitStack() as stack:
            with self._guard:
                generation = stack.enter_context(self._generation.in_use())
            yield generation

    def refresh(self) -> bool:
        """Open the generation that `CURRENT` names if it is another one; True when it was swapped.

        When the new one cannot be opened the old one is served on, and `fault` tells why.
        """
        pointer = self._folder.pointer()
        if pointer is None or pointer[0] == self._generation.folder.name or pointer == self._refused:
            return False
        try:
            fresh = self._open(self._folder.current())
        except KebenError as error:
            # It is not opened again and again, but when it becomes the served one again.
            self._refused, self.fault = pointer, error
            return False
        self._refused = self.fault = None
        with self._guard:
            old, self._generation = self._generation, fresh
        old.retire()
        return True

    def close(self) -> None:
        """Let go of the generation."""
        self._generation.retire()
