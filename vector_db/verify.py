"""Checks a generation from the outside: `python -m vector_db.verify FOLDER`.

Run by a fresh process, so that it sees what lies on disk and not what the builder has in memory.
"""

import sys
from pathlib import Path

import numpy as np

from core.errors import REBUILD, GenerationCorrupt, KebenError
from vector_db.chunk_store import ChunkStore
from vector_db.dense import DenseIndex
from vector_db.lexical import LexicalIndex
from vector_db.manifest import Manifest, read_manifest
from vector_db.writer import CHROMA, CHUNKS, EMBEDDINGS, LEXICAL, sha256

_SAMPLES = 200
_NEIGHBOURS = 10
_LEAST_RECALL = 0.9


def verify_generation(folder: Path) -> Manifest:
    """Check files, counts and recall of `folder`; raises GenerationCorrupt naming what is wrong."""
    manifest = read_manifest(folder)
    for name, digest in manifest.files.items():
        if not (folder / name).is_file() or sha256(folder / name) != digest:
            raise _corrupt(f"{name} is missing or was changed")
    store = ChunkStore(folder / CHUNKS)
    ids = store.ids()
    if len(ids) != manifest.chunks:
        raise _corrupt(f"{len(ids)} chunks, the manifest says {manifest.chunks}")
    for book in manifest.books:
        _check_book(store, book.id)
    LexicalIndex(folder / LEXICAL, len(ids)).scores(["a"])
    _check_recall(folder, manifest)
    return manifest


def _check_book(store: ChunkStore, book_id: str) -> None:
    text = "".join(text for _, text in store.pages(book_id))
    for chunk, _ in store.of_book(book_id):
        if text[chunk.start : chunk.end] != chunk.text:
            raise _corrupt(f"chunk {chunk.id} is not the text at its offsets")


def _check_recall(folder: Path, manifest: Manifest) -> None:
    """Sampled vectors must find themselves, and nearly the neighbours that brute force finds."""
    vectors = np.load(folder / EMBEDDINGS, mmap_mode="r")
    if len(vectors) != manifest.vectors:
        raise _corrupt(f"{len(vectors)} vectors, the manifest says {manifest.vectors}")
    index = DenseIndex(folder / CHROMA, manifest.vectors)
    try:
        rows = np.unique(np.linspace(0, max(len(vectors) - 1, 0), min(_SAMPLES, len(vectors)), dtype=int))
        k = min(_NEIGHBOURS, len(vectors))
        found = wanted = 0.0
        for row in rows:
            cosines = vectors @ vectors[row]
            worst = np.sort(cosines)[-k]
            near = [cosine for _, cosine in index.nearest(vectors[row], k)]
            # By cosine and not by id: equal texts have equal vectors.
            found += sum(cosine >= worst - 1e-3 for cosine in near)
            wanted += k
            if not near or near[0] < 1 - 1e-3:
                raise _corrupt(f"vector {row} does not find itself in the vector index")
        if wanted and found / wanted < _LEAST_RECALL:
            raise _corrupt(f"the vector index finds {found / wanted:.0%} of the true neighbours")
    finally:
        index.close()


def _corrupt(what: str) -> GenerationCorrupt:
    return GenerationCorrupt(what, mend=REBUILD)


if __name__ == "__main__":
    try:
        verify_generation(Path(sys.argv[1]))
    except KebenError as error:
        sys.exit(error.message)
