"""Writing generations: what is copied from the one before, and equal vectors."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_books import DIMENSION, EMBEDDING, publish_books, small_book, unit_vectors

from vector_db.chunk_store import ChunkStore
from vector_db.dense import DenseIndex
from vector_db.files import CHROMA, CHUNKS, EMBEDDINGS
from vector_db.layout import KnowledgeBaseFolder
from vector_db.lexical import LexicalIndex
from vector_db.manifest import Manifest, read_manifest
from vector_db.writer import BookContent, GenerationHeader, KeptBook, write_generation


@pytest.fixture
def target(tmp_path: Path) -> KnowledgeBaseFolder:
    return KnowledgeBaseFolder(tmp_path, "default")


def change(target: KnowledgeBaseFolder, *books: BookContent | KeptBook) -> Manifest:
    """A generation on the ground of the served one."""
    with target.building():
        header = GenerationHeader("/books", EMBEDDING, "test")
        return write_generation(target, header, books, target.current())


def found(target: KnowledgeBaseFolder, vector: np.ndarray) -> str:
    manifest = read_manifest(target.current())
    index = DenseIndex(target.current() / CHROMA, manifest.indexed)
    try:
        return index.nearest(vector, 1)[0][0]
    finally:
        index.close()


def many(book_id: str, count: int, seed: int) -> BookContent:
    book = small_book(book_id, [f"{book_id} says {number}" for number in range(count)])
    return replace(book, vectors=unit_vectors(count, seed))


def test_kept_books_are_copied_with_everything(target: KnowledgeBaseFolder) -> None:
    first, second, third = many("a", 30, 1), many("b", 40, 2), many("c", 5, 3)
    publish_books(target, first, second, third)
    whole = ChunkStore(target.current() / CHUNKS)
    before = {book: whole.of_book(book) for book in "abc"}
    new = many("c", 7, 4)
    manifest = change(target, KeptBook(second.record), KeptBook(first.record), new)
    assert (manifest.chunks, manifest.vectors, manifest.indexed) == (77, 77, 77) and manifest.tombstones == 0
    store, vectors = ChunkStore(target.current() / CHUNKS), np.load(target.current() / EMBEDDINGS)
    for book, content in (("a", first), ("b", second), ("c", new)):
        rows = store.of_book(book)
        assert [chunk for chunk, _ in rows] == list(content.chunks)
        assert content.vectors is not None
        for (chunk, row), vector in zip(rows, content.vectors, strict=True):
            assert row is not None and np.array_equal(vectors[row], vector)
            assert found(target, vector) == chunk.id
        assert store.pages(book) == list(content.pages)
    assert [chunk for chunk, _ in before["a"]] == [chunk for chunk, _ in store.of_book("a")]
    lexical = LexicalIndex(target.current() / "lexical", 77)
    assert store.rows().ids[int(lexical.scores(["b", "7"]).argmax())] == "b-8"


def test_a_deleted_book_leaves_the_copied_index_and_its_places_are_counted(target: KnowledgeBaseFolder) -> None:
    first, second = many("a", 40, 1), many("b", 5, 2)
    publish_books(target, first, second)
    assert second.vectors is not None
    manifest = change(target, KeptBook(first.record))
    assert (manifest.indexed, manifest.tombstones) == (40, 5)
    assert found(target, second.vectors[0]).startswith("a-")


def test_an_index_of_many_deletions_is_made_anew(target: KnowledgeBaseFolder) -> None:
    first, second = many("a", 30, 1), many("b", 25, 2)
    publish_books(target, first, second)
    assert change(target, KeptBook(first.record)).tombstones == 0


def test_equal_vectors_share_a_place_and_the_last_of_them_keeps_it(target: KnowledgeBaseFolder) -> None:
    first, second = many("a", 30, 1), many("b", 3, 2)
    assert first.vectors is not None
    twin = replace(second, vectors=first.vectors[:3])
    manifest = publish_books(target, first, twin)
    assert (manifest.vectors, manifest.indexed) == (33, 30)
    assert found(target, first.vectors[1]) == "a-2"
    rest = many("c", 40, 3)
    publish_books(target, first, twin, rest)
    manifest = change(target, KeptBook(rest.record), KeptBook(twin.record))
    assert manifest.indexed == 43 and found(target, first.vectors[1]) == "b-2"


def test_a_book_that_says_the_same_a_thousand_times_can_be_served(target: KnowledgeBaseFolder) -> None:
    vectors = np.repeat(unit_vectors(20), 60, axis=0)
    book = replace(small_book("a", [f"page {number}" for number in range(1200)]), vectors=vectors)
    assert publish_books(target, book).indexed == 20


def test_vectors_in_dense_clusters_are_indexed_more_thoroughly(target: KnowledgeBaseFolder) -> None:
    chance = np.random.default_rng(0)
    centres = np.repeat(unit_vectors(12), 100, axis=0)
    vectors = centres + chance.normal(scale=1e-6, size=centres.shape).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    book = replace(small_book("a", [f"page {number}" for number in range(1200)]), vectors=vectors)
    assert vectors.shape == (1200, DIMENSION) and publish_books(target, book).indexed == 1200
