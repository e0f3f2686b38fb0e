"""The check of a generation from the outside, on damaged copies of a real one."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_books import unit_vectors

from core.errors import GenerationCorrupt
from core.settings import PROJECT, Settings
from vector_db.dense import distinct_rows, write_dense
from vector_db.files import CHROMA, CHUNKS, EMBEDDINGS, checksums
from vector_db.layout import KnowledgeBaseFolder
from vector_db.manifest import MANIFEST, read_manifest
from vector_db.verify import verify_generation


@pytest.fixture
def generation(library_settings: Settings, tmp_path: Path) -> Path:
    """A copy of the served generation that a test may damage."""
    copy = tmp_path / "generation"
    shutil.copytree(KnowledgeBaseFolder(library_settings.data_dir, "default").current(), copy)
    return copy


def sign(generation: Path, **changes: Any) -> None:
    """Make the checksums fit what is there now, as a builder with a fault would."""
    data = json.loads((generation / MANIFEST).read_text(encoding="utf-8"))
    data["files"] = checksums(generation)
    (generation / MANIFEST).write_text(json.dumps({**data, **changes}), encoding="utf-8")


def change_chunks(generation: Path, sql: str) -> None:
    connection = sqlite3.connect(generation / CHUNKS)
    assert connection.execute(sql).rowcount > 0
    connection.commit()
    connection.close()


def refuse(generation: Path) -> str:
    with pytest.raises(GenerationCorrupt) as caught:
        verify_generation(generation)
    assert "keben rebuild --force" in caught.value.mend
    return caught.value.message


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-64])


def test_a_good_generation_passes(generation: Path) -> None:
    assert verify_generation(generation) == read_manifest(generation)


def test_every_file_but_the_database_of_chroma_has_a_checksum(generation: Path) -> None:
    files = {path.relative_to(generation).as_posix() for path in generation.rglob("*") if path.is_file()}
    signed = files - {MANIFEST, "in-use.lock", "chroma/chroma.sqlite3"}
    assert len(signed) > 12 and set(read_manifest(generation).files) == signed


@pytest.mark.parametrize("damage", [Path.unlink, flip_a_byte, cut_off])
@pytest.mark.parametrize("name", [CHUNKS, EMBEDDINGS, "lexical/vocab.index.json", "lexical/data.csc.index.npy"])
def test_a_changed_file_is_named(generation: Path, name: str, damage: Callable[[Path], None]) -> None:
    damage(generation / name)
    assert refuse(generation) == f"{name} is missing or was changed"


def test_a_chunk_that_is_not_the_text_of_its_page_is_named(generation: Path) -> None:
    change_chunks(generation, "UPDATE chunks SET text = replace(text, '互斥', '互助') WHERE text LIKE '%互斥%'")
    sign(generation)
    assert "is not the text at its offsets" in refuse(generation)


def test_offsets_that_are_off_by_one_are_found(generation: Path) -> None:
    change_chunks(generation, "UPDATE chunks SET start = start + 1, end = end + 1 WHERE row = 0")
    sign(generation)
    first = sqlite3.connect(generation / CHUNKS)
    (id_,) = first.execute("SELECT id FROM chunks WHERE row = 0").fetchone()
    first.close()
    assert refuse(generation) == f"chunk {id_} is not the text at its offsets"


def test_a_lost_page_is_found(generation: Path) -> None:
    change_chunks(generation, "DELETE FROM pages WHERE book_id = (SELECT book_id FROM chunks WHERE row = 0)")
    sign(generation)
    assert "is not the text at its offsets" in refuse(generation)


def test_lost_chunks_are_counted(generation: Path) -> None:
    count = read_manifest(generation).chunks
    change_chunks(generation, "DELETE FROM chunks WHERE row = 0")
    sign(generation)
    assert refuse(generation) == f"{count - 1} chunks, the manifest says {count}"


def test_lost_vectors_are_counted(generation: Path) -> None:
    vectors = np.load(generation / EMBEDDINGS)
    np.save(generation / EMBEDDINGS, vectors[:-1])
    sign(generation)
    assert refuse(generation) == f"{len(vectors) - 1} vectors, the manifest says {len(vectors)}"


def test_a_vector_index_of_other_vectors_is_found(generation: Path) -> None:
    vectors = np.load(generation / EMBEDDINGS)
    shutil.rmtree(generation / CHROMA)
    write_dense(generation / CHROMA, [str(row) for row in range(len(vectors))], vectors[:, ::-1].copy())
    sign(generation)
    assert refuse(generation) == "vector 0 does not find itself in the vector index"


def test_a_vector_index_of_fewer_vectors_is_found(generation: Path) -> None:
    vectors = np.load(generation / EMBEDDINGS)
    shutil.rmtree(generation / CHROMA)
    write_dense(generation / CHROMA, [str(row) for row in range(len(vectors) - 1)], vectors[:-1])
    sign(generation)
    assert f"holds {len(vectors) - 1} vectors, its manifest says {len(vectors)}" in refuse(generation)


def test_a_missing_vector_index_is_found(generation: Path) -> None:
    shutil.rmtree(generation / CHROMA)
    assert "chroma/" in refuse(generation)
    sign(generation)
    assert "vector index" in refuse(generation)


def test_a_vector_index_that_misses_neighbours_is_found(generation: Path) -> None:
    # The check samples 200 vectors. Those are in the index, and find themselves; the others lie somewhere else.
    vectors = np.zeros((400, 16), dtype=np.float32)
    vectors[:, :8] = np.random.default_rng(0).normal(size=(400, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    indexed = vectors.copy()
    others = np.setdiff1d(np.arange(400), np.linspace(0, 399, 200, dtype=int))
    indexed[others] = np.roll(vectors[others], 8, axis=1)
    np.save(generation / EMBEDDINGS, vectors)
    shutil.rmtree(generation / CHROMA)
    write_dense(generation / CHROMA, [str(row) for row in range(400)], indexed)
    sign(generation, vectors=400, indexed=400)
    assert "of the true neighbours" in refuse(generation)


def test_equal_vectors_are_no_fault(generation: Path) -> None:
    vectors = np.repeat(np.eye(4, 8, dtype=np.float32), 25, axis=0)
    np.save(generation / EMBEDDINGS, vectors)
    shutil.rmtree(generation / CHROMA)
    rows = distinct_rows(vectors)
    write_dense(generation / CHROMA, [str(row) for row in rows], vectors[rows])
    sign(generation, vectors=100, indexed=4)
    verify_generation(generation)


def test_a_passage_without_a_word_that_the_embedder_knows_is_no_fault(generation: Path) -> None:
    # A static embedder gives it zeros, which are near nothing, themselves included.
    vectors = unit_vectors(30)
    vectors[[0, 7]] = 0
    np.save(generation / EMBEDDINGS, vectors)
    shutil.rmtree(generation / CHROMA)
    rows = distinct_rows(vectors)
    write_dense(generation / CHROMA, [str(row) for row in rows], vectors[rows])
    sign(generation, vectors=30, indexed=29)
    verify_generation(generation)


def test_a_library_of_nothing_else_is_no_fault_either(generation: Path) -> None:
    vectors = np.zeros((30, 16), dtype=np.float32)
    np.save(generation / EMBEDDINGS, vectors)
    shutil.rmtree(generation / CHROMA)
    write_dense(generation / CHROMA, ["0"], vectors[:1])
    sign(generation, vectors=30, indexed=1)
    verify_generation(generation)


def run_verify(generation: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vector_db.verify", str(generation)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def test_the_check_runs_in_a_process_of_its_own(generation: Path) -> None:
    done = run_verify(generation)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    flip_a_byte(generation / CHUNKS)
    done = run_verify(generation)
    assert (done.returncode, done.stderr) == (1, "chunks.sqlite is missing or was changed\n")


@pytest.mark.parametrize("name", ["data_level0.bin", "index_metadata.pickle"])
def test_a_damaged_graph_fails_the_check_however_chroma_takes_it(generation: Path, name: str) -> None:
    # Chroma searches a part of some damaged graphs, and others end its process: hence a process of its own.
    vectors = unit_vectors(1200)
    np.save(generation / EMBEDDINGS, vectors)
    shutil.rmtree(generation / CHROMA)
    write_dense(generation / CHROMA, [str(row) for row in range(1200)], vectors)
    sign(generation, vectors=1200, indexed=1200)
    verify_generation(generation)
    (graph,) = (generation / CHROMA).glob(f"*/{name}")
    if name == "data_level0.bin":
        graph.write_bytes(b"")
    else:
        graph.unlink()
    assert name in run_verify(generation).stderr
    sign(generation)
    assert run_verify(generation).returncode != 0
