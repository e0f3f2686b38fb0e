"""Some books of a generation: which rows they have, and the nearest vectors among them alone."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from vector_db.files import EMBEDDINGS
from vector_db.reader import Generation


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the chunks of a book stand. rows: in the keyword index; vector_rows: of those in `ids`, in that order."""

    rows: NDArray[np.intp]
    vector_rows: NDArray[np.intp]
    ids: tuple[str, ...]


class Shelf:
    """Books of one generation. mask: shape (chunks,), whether a row of the keyword index is theirs."""

    def __init__(self, generation: Generation, places: Iterable[_Place]) -> None:
        self._places = tuple(places)
        self._path = generation.folder / EMBEDDINGS
        self.mask: NDArray[np.bool_] = np.zeros(len(generation.ids), dtype=np.bool_)
        for place in self._places:
            self.mask[place.rows] = True

    def nearest(self, vector: Iterable[float], k: int) -> dict[str, float]:
        """Cosines of the `k` nearest chunks by id, best first; exact."""
        query = np.asarray(list(vector), dtype=np.float32)
        vectors = np.load(self._path, mmap_mode="r")
        cosines = {
            id_: float(cosine)
            for place in self._places
            for id_, cosine in zip(place.ids, _cosines(vectors[place.vector_rows], query), strict=True)
        }
        return {id_: cosines[id_] for id_ in sorted(cosines, key=lambda id_: -cosines[id_])[:k]}


class Shelves:
    """Remembers where the books of open generations stand: finding that reads all their chunks."""

    def __init__(self) -> None:
        self._places: WeakKeyDictionary[Generation, dict[str, _Place]] = WeakKeyDictionary()

    def of(self, generation: Generation, books: Collection[str]) -> Shelf:
        """The shelf of `books`, ids of books of `generation`."""
        places = self._places.setdefault(generation, {})
        for book in books:
            if book not in places:
                places[book] = _place(generation, book)
        return Shelf(generation, (places[book] for book in sorted(books)))


def _place(generation: Generation, book: str) -> _Place:
    chunks = [(chunk.id, row) for chunk, row in generation.store.of_book(book)]
    read = [(id_, row) for id_, row in chunks if row is not None]
    return _Place(
        np.array([generation.row_of[id_] for id_, _ in chunks], dtype=np.intp),
        np.array([row for _, row in read], dtype=np.intp),
        tuple(id_ for id_, _ in read),
    )


def _cosines(vectors: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float32]:
    if not len(vectors):
        return np.zeros(0, dtype=np.float32)
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(query)
    return np.asarray(vectors @ query / np.maximum(lengths, np.finfo(np.float32).tiny), dtype=np.float32)
