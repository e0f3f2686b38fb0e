"""The vector index: Chroma itself, in a folder of the test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from small_books import DIMENSION, unit_vectors

from core.errors import GenerationCorrupt
from vector_db.dense import DenseIndex, write_dense

COUNT = 60
# Above Chroma's threshold for writing the graph to its own files.
MANY = 1200


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chroma")
    write_dense(folder, [f"chunk-{row}" for row in range(COUNT)], unit_vectors(COUNT))
    return folder


@pytest.fixture(scope="module")
def large_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large-chroma")
    write_dense(folder, [f"chunk-{row}" for row in range(MANY)], unit_vectors(MANY))
    return folder


@pytest.fixture
def index(folder: Path) -> Iterator[DenseIndex]:
    index = DenseIndex(folder, COUNT)
    yield index
    index.close()


def test_every_vector_finds_itself_with_cosine_one(index: DenseIndex) -> None:
    for row, vector in enumerate(unit_vectors(COUNT)):
        id_, cosine = index.nearest(vector, 3)[0]
        assert id_ == f"chunk-{row}"
        assert cosine == pytest.approx(1, abs=1e-5)


def test_neighbours_are_those_of_brute_force_best_first(index: DenseIndex) -> None:
    question = unit_vectors(1, seed=7)[0]
    cosines = unit_vectors(COUNT) @ question
    found = index.nearest(question, 10)
    assert [id_ for id_, _ in found] == [f"chunk-{row}" for row in np.argsort(-cosines)[:10]]
    assert [cosine for _, cosine in found] == pytest.approx(np.sort(cosines)[::-1][:10], abs=1e-5)


def test_plain_numbers_do_as_a_question(index: DenseIndex) -> None:
    question = [float(x) for x in unit_vectors(COUNT)[5]]
    assert index.nearest(question, 1)[0][0] == "chunk-5"


def test_asking_for_more_than_there_is_gives_all(index: DenseIndex) -> None:
    assert len(index.nearest(unit_vectors(1)[0], COUNT * 10)) == COUNT


def test_a_large_index_is_read_back_from_its_files(large_folder: Path) -> None:
    index = DenseIndex(large_folder, MANY)
    vectors = unit_vectors(MANY)
    assert all(index.nearest(vectors[row], 1)[0][0] == f"chunk-{row}" for row in range(0, MANY, 40))
    index.close()


def test_an_index_of_no_vectors_finds_nothing(tmp_path: Path) -> None:
    write_dense(tmp_path / "chroma", [], np.zeros((0, DIMENSION), dtype=np.float32))
    index = DenseIndex(tmp_path / "chroma", 0)
    assert index.nearest(unit_vectors(1)[0], 5) == []
    index.close()


def test_two_readers_of_one_folder_do_not_close_each_other(folder: Path) -> None:
    first, second = DenseIndex(folder, COUNT), DenseIndex(folder, COUNT)
    first.close()
    assert second.nearest(unit_vectors(COUNT)[3], 1)[0][0] == "chunk-3"
    second.close()


@pytest.mark.parametrize("size", [COUNT - 1, COUNT + 1, 0])
def test_another_count_than_the_manifest_says_is_corrupt(folder: Path, size: int) -> None:
    with pytest.raises(GenerationCorrupt, match=f"holds {COUNT} vectors, its manifest says {size}") as caught:
        DenseIndex(folder, size)
    assert str(folder) in caught.value.message and "--force" in caught.value.mend


def test_a_missing_folder_is_corrupt_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(GenerationCorrupt, match="nowhere"):
        DenseIndex(tmp_path / "nowhere", COUNT)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("damage", ["deleted", "empty", "garbage"])
def test_a_damaged_database_is_corrupt(folder: Path, tmp_path: Path, damage: str) -> None:
    copy = tmp_path / "chroma"
    shutil.copytree(folder, copy)
    database = copy / "chroma.sqlite3"
    if damage == "deleted":
        database.unlink()
    else:
        database.write_bytes(b"" if damage == "empty" else b"\x00garbage\xff" * 5000)
    with pytest.raises(GenerationCorrupt, match="vector index"):
        DenseIndex(copy, COUNT)
