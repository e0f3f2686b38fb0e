"""The vector index: Chroma, embedded, one collection in each generation.

Chroma is only ever asked with vectors of ours: an embedding function stored in a Chroma folder can
run code when it is opened (CVE-2026-45829).
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import chromadb
import numpy as np
from chromadb.api.client import Client
from chromadb.api.collection_configuration import CreateHNSWConfiguration
from chromadb.config import Settings as ChromaSettings
from chromadb.errors import ChromaError
from numpy.typing import NDArray

from core.errors import REBUILD, GenerationCorrupt

_COLLECTION = "chunks"
_BATCH = 5000
_HNSW = CreateHNSWConfiguration(space="cosine", ef_construction=200, ef_search=100, max_neighbors=16)


def _client(folder: Path) -> Client:
    settings = ChromaSettings(anonymized_telemetry=False, allow_reset=False)
    client = chromadb.PersistentClient(str(folder), settings=settings)
    assert isinstance(client, Client)
    return client


def write_dense(folder: Path, ids: Sequence[str], vectors: NDArray[np.float32]) -> None:
    """Index `vectors`, shape (len(ids), dimension), under `ids` in a new Chroma folder."""
    client = _client(folder)
    try:
        collection = client.create_collection(_COLLECTION, embedding_function=None, configuration={"hnsw": _HNSW})
        for start in range(0, len(ids), _BATCH):
            rows = slice(start, start + _BATCH)
            collection.add(ids=list(ids[rows]), embeddings=vectors[rows])
    finally:
        client.close()


class DenseIndex:
    """Read-only nearest-neighbour search over the chunks that the embedder can read."""

    def __init__(self, folder: Path, size: int) -> None:
        """Open the index of `size` vectors; raises GenerationCorrupt."""
        self._folder = folder
        if not folder.is_dir():
            raise self._corrupt("it is missing")  # Chroma would make an empty one.
        try:
            self._client = _client(folder)
        except (ChromaError, ValueError) as error:
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
