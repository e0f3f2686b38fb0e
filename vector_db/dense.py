"""The vector index: Chroma, embedded, one collection in each generation.

Chroma is only ever asked with vectors of ours: an embedding function stored in a Chroma folder can
run code when it is opened (CVE-2026-45829).
"""

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import chromadb
import numpy as np
from chromadb.api.client import Client
from chromadb.api.collection_configuration import CreateHNSWConfiguration
from chromadb.config import Settings as ChromaSettings
from chromadb.errors import ChromaError
from numpy.typing import NDArray

from core.errors import FREE_SPACE, REBUILD, GenerationCorrupt, StorageError

_COLLECTION = "chunks"
_BATCH = 5000
# Every batch reaches the files at once, so that they stay as they are when the index is opened.
_HNSW = CreateHNSWConfiguration(
    space="cosine", ef_construction=200, ef_search=100, max_neighbors=16, batch_size=2, sync_threshold=2
)
_THOROUGH = CreateHNSWConfiguration(
    space="cosine", ef_construction=500, ef_search=500, max_neighbors=64, batch_size=2, sync_threshold=2
)


def _client(folder: Path) -> Client:
    settings = ChromaSettings(anonymized_telemetry=False, allow_reset=False)
    client = chromadb.PersistentClient(str(folder), settings=settings)
    assert isinstance(client, Client)
    return client


def distinct_rows(vectors: NDArray[np.float32]) -> NDArray[np.intp]:
    """Rows of `vectors` without those that repeat an earlier one.

    Many equal vectors link to one another alone, and the rest of a graph is then not reached from them.
    """
    first: dict[bytes, int] = {}
    for row, vector in enumerate(vectors):
        first.setdefault(hashlib.blake2b(vector.tobytes(), digest_size=16).digest(), row)
    return np.fromiter(first.values(), dtype=np.intp, count=len(first))


def write_dense(folder: Path, ids: Sequence[str], vectors: NDArray[np.float32], *, thorough: bool = False) -> None:
    """Index distinct `vectors`, shape (len(ids), dimension), under `ids` in a new Chroma folder.

    thorough: with more links, for vectors that lie in dense clusters; several times slower. Raises
    StorageError when the folder cannot be written.
    """
    hnsw = _THOROUGH if thorough else _HNSW
    with _writing(folder) as client:
        collection = client.create_collection(_COLLECTION, embedding_function=None, configuration={"hnsw": hnsw})
        for rows in _batches(len(ids)):
            collection.add(ids=list(ids[rows]), embeddings=vectors[rows])


def update_dense(
    base: Path, folder: Path, gone: Sequence[str], ids: Sequence[str], vectors: NDArray[np.float32]
) -> None:
    """A copy of the index in `base` without `gone`, and with `vectors` under `ids`; `base` is left as it is.

    A graph keeps the places of what was deleted, so after many deletions `write_dense` is the better way.
    """
    shutil.copytree(base, folder)
    with _writing(folder) as client:
        collection = client.get_collection(_COLLECTION, embedding_function=None)
        for rows in _batches(len(gone)):
            collection.delete(ids=list(gone[rows]))
        for rows in _batches(len(ids)):
            collection.upsert(ids=list(ids[rows]), embeddings=vectors[rows])


@contextmanager
def _writing(folder: Path) -> Iterator[Client]:
    try:
        client = _client(folder)
        try:
            yield client
        finally:
            client.close()
    except (ChromaError, ValueError) as error:
        raise StorageError(f"the vector index in {folder} cannot be written: {error}", mend=FREE_SPACE) from error


def _batches(count: int) -> Iterator[slice]:
    return (slice(start, start + _BATCH) for start in range(0, count, _BATCH))


class DenseIndex:
    """Read-only nearest-neighbour search over the chunks that the embedder can read."""

    def __init__(self, folder: Path, size: int) -> None:
        """Open the index of `size` vectors; raises GenerationCorrupt."""
        self._folder = folder
        if not folder.is_dir():
            raise self._corrupt("it is missing")  # Chroma would make an empty one.
        try:
            self._client = _client(folder)
        # AttributeError: Chroma keeps a client that could not be opened, without its parts, for the next who asks.
        except (ChromaError, ValueError, AttributeError) as error:
            raise self._corrupt(error) from error
        try:
            self._collection = self._client.get_collection(_COLLECTION, embedding_function=None)
            count = self._collection.count()
        except (ChromaError, ValueError) as error:
            self._client.close()
            raise self._corrupt(error) from error
        if count != size:
            self._client.close()
            raise GenerationCorrupt(
                f"the vector index in {folder} holds {count} vectors, its manifest says {size}",
                mend=REBUILD,
            )
        self._size = size

    def nearest(self, vector: Iterable[float], k: int) -> list[tuple[str, float]]:
        """Ids and cosines of the `k` nearest chunks, best first; raises GenerationCorrupt."""
        if not self._size:
            return []
        query = np.asarray(list(vector), dtype=np.float32)
        try:
            found = self._collection.query(
                query_embeddings=query.reshape(1, -1), n_results=min(k, self._size), include=["distances"]
            )
        except ChromaError as error:
            raise self._corrupt(error) from error
        distances = (found["distances"] or [[]])[0]
        return [(id_, 1.0 - float(distance)) for id_, distance in zip(found["ids"][0], distances, strict=True)]

    def _corrupt(self, error: object) -> GenerationCorrupt:
        return GenerationCorrupt(f"the vector index in {self._folder} cannot be read: {error}", mend=REBUILD)

    def close(self) -> None:
        """Release the files; the index must not be asked afterwards."""
        self._client.close()
