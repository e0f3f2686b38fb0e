"""Checks a generation from the outside: `python -m vector_db.verify FOLDER`.

Run by a fresh process, so that it sees what lies on disk and not what the builder has in memory.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np

from core.errors import FREE_SPACE, REBUILD, GenerationCorrupt, KebenError, RecallTooLow, VerificationFailed
from core.settings import PROJECT
from vector_db.chunk_store import ChunkStore
from vector_db.files import CHROMA, CHUNKS, EMBEDDINGS, LEXICAL, check_files
from vector_db.manifest import Manifest, read_manifest

_SAMPLES = 200
_NEIGHBOURS = 10
_LEAST_RECALL = 0.9
_RECALL_TOO_LOW = 4  # exit code


def verify_in_new_process(folder: Path, mend: str = FREE_SPACE) -> None:
    """Check the generation in `folder` by a fresh process, which a damaged index may crash.

    Raises VerificationFailed with its last words; RecallTooLow where the vector index is at fault.
    """
    done = subprocess.run(
        [sys.executable, "-m", "vector_db.verify", str(folder.resolve())],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines() or [f"it crashed with exit code {done.returncode}"]
        kind = RecallTooLow if done.returncode == _RECALL_TOO_LOW or done.returncode < 0 else VerificationFailed
        raise kind(f"the generation {folder.stem} failed its check: {words[-1]}", mend=mend)


def verify_generation(folder: Path) -> Manifest:
    """Check files, counts and recall of `folder`; raises GenerationCorrupt naming what is wrong."""
    # Imported here: whoever has the check done by another process need not wait for the index libraries.
    from vector_db.lexical import LexicalIndex

    manifest = read_manifest(folder)
    check_files(folder, manifest)
    store = ChunkStore(folder / CHUNKS)
    ids = store.rows().ids
    if len(ids) != manifest.chunks:
        raise _corrupt(f"{len(ids)} chunks, the manifest says {manifest.chunks}")
    for book in manifest.books:
        _check_book(store, book.id)
    LexicalIndex(folder / LEXICAL, len(ids)).scores(["a"])
    _check_recall(folder, manifest)
    return manifest


def _check_book(store: ChunkStore, book_id: str) -> None:
    text = "".join(text for _, text in store.pages(book_id))
    for id_, start, end, stored in store.stretches(book_id):
        if text[start:end] != stored:
            raise _corrupt(f"chunk {id_} is not the text at its offsets")


def _check_recall(folder: Path, manifest: Manifest) -> None:
    """Sampled vectors must find themselves, and nearly the neighbours that brute force finds."""
    from vector_db.dense import DenseIndex, distinct_rows

    vectors = np.load(folder / EMBEDDINGS, mmap_mode="r")
    if len(vectors) != manifest.vectors:
        raise _corrupt(f"{len(vectors)} vectors, the manifest says {manifest.vectors}")
    vectors = vectors[distinct_rows(vectors)]
    index = DenseIndex(folder / CHROMA, manifest.indexed)
    try:
        # Zeros stand for a passage of which the embedder knows no word: it is near nothing, not even itself.
        known = np.flatnonzero(vectors.any(axis=1))
        rows = known[np.unique(np.linspace(0, max(len(known) - 1, 0), min(_SAMPLES, len(known)), dtype=int))]
        k = min(_NEIGHBOURS, len(vectors))
        found = wanted = 0.0
        for row in rows:
            cosines = vectors @ vectors[row]
            worst = np.sort(cosines)[-k]
            near = [cosine for _, cosine in index.nearest(vectors[row], k)]
            # By cosine and not by id: of two that are nearly equal either will do.
            found += sum(cosine >= worst - 1e-3 for cosine in near)
            wanted += k
            if not near or near[0] < 1 - 1e-3:
                raise RecallTooLow(f"vector {row} does not find itself in the vector index", mend=REBUILD)
        if wanted and found / wanted < _LEAST_RECALL:
            raise RecallTooLow(f"the vector index finds {found / wanted:.0%} of the true neighbours", mend=REBUILD)
    finally:
        index.close()


def _corrupt(what: str) -> GenerationCorrupt:
    return GenerationCorrupt(what, mend=REBUILD)


if __name__ == "__main__":
    try:
        verify_generation(Path(sys.argv[1]))
    except RecallTooLow as error:
        print(error.message, file=sys.stderr)
        sys.exit(_RECALL_TOO_LOW)
    except KebenError as error:
        sys.exit(error.message)
