"""Chunks and pages through SQLite and back."""

import sqlite3
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_books import small_book

from core.errors import GenerationCorrupt
from core.types import BlockKind, Chunk, Page, Span
from vector_db.chunk_store import ChunkStore, ChunkWriter

# Chinese, Latin, formulas, quotes that SQL or JSON might trip over, NUL, characters beyond the first plane.
TEXT = st.text(
    st.one_of(
        st.sampled_from("死锁的必要条件，。「」\n\t '\"\\$%{}\x00𠀀😀é"), st.characters(exclude_categories=["Cs"])
    ),
    max_size=60,
)
LABEL = st.one_of(st.none(), TEXT)
NUMBER = st.one_of(st.none(), st.integers(1, 3000))
SPANS = st.builds(
    Span,
    kind=st.sampled_from(BlockKind),
    start=st.integers(0, 10_000),
    end=st.integers(0, 10_000),
    page=NUMBER,
    label=LABEL,
    continues=st.booleans(),
    lead=TEXT,
)
CHUNKS = st.lists(
    st.builds(
        Chunk,
        id=st.uuids().map(str),
        book_id=st.sampled_from(["操作系统", "databases"]),
        ordinal=st.integers(0, 10**6),
        part=st.integers(0, 10**4),
        heading_path=st.lists(TEXT, max_size=4).map(tuple),
        page=NUMBER,
        page_label=LABEL,
        start=st.integers(0, 10**7),
        end=st.integers(0, 10**7),
        text=TEXT,
        spans=st.lists(SPANS, max_size=3).map(tuple),
    ),
    max_size=6,
    unique_by=lambda chunk: chunk.id,
)


BOOKS = {"操作系统": True, "databases": False}


@settings(deadline=None)
@given(chunks=CHUNKS)
def test_chunks_come_back_as_they_were_also_from_a_copy(chunks: list[Chunk]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, copy = Path(folder, "chunks.sqlite"), Path(folder, "copy.sqlite")
        wanted = {book: [chunk for chunk in chunks if chunk.book_id == book] for book in BOOKS}
        with ChunkWriter(path) as writer:
            for book, with_vectors in BOOKS.items():
                writer.add(book, wanted[book], [], with_vectors=with_vectors)
        with ChunkWriter(copy, path) as writer:
            # In the other order: every row and every vector moves.
            moved = {book: writer.copy(book) for book in reversed(BOOKS)}
        store, copied = ChunkStore(path), ChunkStore(copy)
        assert store.rows().ids == [chunk.id for book in BOOKS for chunk in wanted[book]]
        assert copied.rows().ids == [chunk.id for book in reversed(BOOKS) for chunk in wanted[book]]
        for book, with_vectors in BOOKS.items():
            then, now = moved[book]
            count = len(wanted[book])
            assert (then.chunks, now.chunks) == (count, count)
            assert then.vectors == now.vectors == (count if with_vectors else 0)
            for kept, place in ((store, then), (copied, now)):
                assert kept.get([chunk.id for chunk in wanted[book]]) == wanted[book]
                first = place.vector_rows.start
                vectors = {c.id: first + at if with_vectors else None for at, c in enumerate(wanted[book])}
                found = kept.of_book(book)
                assert {chunk.id: row for chunk, row in found} == vectors
                assert [c.ordinal for c, _ in found] == sorted(c.ordinal for c in wanted[book])


@given(texts=st.lists(st.tuples(NUMBER, LABEL, TEXT), max_size=8))
def test_pages_come_back_as_they_were(texts: list[tuple[int | None, str | None, str]]) -> None:
    pages: list[tuple[Page, str]] = []
    start = 0
    for number, label, text in texts:
        pages.append((Page(number, label, start, start + len(text)), text))
        start += len(text)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "chunks.sqlite")
        with ChunkWriter(path) as writer:
            writer.add("操作系统", [], pages, with_vectors=False)
            writer.add("other", [], [(Page(1, None, 0, 3), "abc")], with_vectors=False)
        with ChunkWriter(Path(folder, "copy.sqlite"), path) as writer:
            writer.copy("操作系统")
        assert ChunkStore(path).pages("操作系统") == pages
        assert ChunkStore(Path(folder, "copy.sqlite")).pages("操作系统") == pages
        assert ChunkStore(Path(folder, "copy.sqlite")).pages("other") == []


@pytest.fixture
def store(tmp_path: Path) -> ChunkStore:
    book = small_book("os", ["进程", "线程", "死锁", "银行家算法"])
    with ChunkWriter(tmp_path / "chunks.sqlite") as writer:
        writer.add("os", book.chunks, book.pages, with_vectors=False)
    return ChunkStore(tmp_path / "chunks.sqlite")


def test_get_keeps_the_order_of_the_ids(store: ChunkStore) -> None:
    assert [chunk.text for chunk in store.get(["os-3", "os-1", "os-4"])] == ["死锁", "进程", "银行家算法"]
    assert [chunk.text for chunk in store.get(["os-4", "os-1", "os-3"])] == ["银行家算法", "进程", "死锁"]
    assert store.get([]) == []


def test_rows_tell_where_vectors_and_top_sections_stand(tmp_path: Path) -> None:
    paths = {"a": [("1", "1.1"), ("1",), ("2", "2.1"), ("1", "1.2"), ()], "b": [("1",), ("2",), ()]}
    with ChunkWriter(tmp_path / "base.sqlite") as writer:
        for name, headings in paths.items():
            book = small_book(name, ["进程"] * len(headings))
            chunks = [replace(one, heading_path=path) for one, path in zip(book.chunks, headings, strict=True)]
            writer.add(name, chunks, [], with_vectors=name == "b")
    rows = ChunkStore(tmp_path / "base.sqlite").rows()
    assert rows.ids == [*(f"a-{number}" for number in range(1, 6)), "b-1", "b-2", "b-3"]
    assert rows.vectors.tolist() == [-1] * 5 + [0, 1, 2]
    # Books share no section, and what stands under no heading is one of its own.
    assert rows.sections.tolist() == [0, 0, 2, 0, 4, 5, 6, 7]
    with ChunkWriter(tmp_path / "copy.sqlite", tmp_path / "base.sqlite") as writer:
        writer.copy("b")
        writer.copy("a")
    moved = ChunkStore(tmp_path / "copy.sqlite").rows()
    assert moved.vectors.tolist() == [0, 1, 2] + [-1] * 5
    assert moved.sections.tolist() == [0, 1, 2, 3, 3, 5, 3, 7]


def test_a_file_without_chunks_has_no_rows(tmp_path: Path) -> None:
    with ChunkWriter(tmp_path / "chunks.sqlite"):
        pass
    rows = ChunkStore(tmp_path / "chunks.sqlite").rows()
    assert (rows.ids, len(rows.vectors), len(rows.sections)) == ([], 0, 0)


def test_books_and_pages_that_are_not_there_are_empty(store: ChunkStore) -> None:
    assert store.of_book("nobody") == [] and store.pages("nobody") == []


def test_a_folder_with_signs_of_a_url_in_its_name_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / "课本 100%?mode=rw#1"
    folder.mkdir()
    for name, base in (("base.sqlite", None), ("chunks.sqlite", folder / "base.sqlite")):
        with ChunkWriter(folder / name, base) as writer:
            if base:
                writer.copy("os")
            else:
                writer.add("os", small_book("os", ["进程"]).chunks, [], with_vectors=False)
    assert ChunkStore(folder / "chunks.sqlite").rows().ids == ["os-1"]


def test_reading_leaves_no_file_behind(store: ChunkStore, tmp_path: Path) -> None:
    store.of_book("os")
    assert [path.name for path in tmp_path.iterdir()] == ["chunks.sqlite"]


def test_the_same_id_twice_is_refused(tmp_path: Path) -> None:
    chunk = small_book("os", ["进程"]).chunks[0]
    with pytest.raises(sqlite3.IntegrityError), ChunkWriter(tmp_path / "chunks.sqlite") as writer:
        writer.add("os", [chunk, chunk], [], with_vectors=False)


def test_a_missing_file_is_corrupt(tmp_path: Path) -> None:
    with pytest.raises(GenerationCorrupt, match=r"chunks\.sqlite is missing") as caught:
        ChunkStore(tmp_path / "chunks.sqlite")
    assert "keben rebuild --force" in caught.value.mend


def test_a_file_that_is_no_database_is_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "chunks.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(GenerationCorrupt, match="chunks cannot be read"):
        ChunkStore(path).rows()
