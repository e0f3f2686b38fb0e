"""Chunks and pages through SQLite and back."""

import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_books import small_book

from core.errors import GenerationCorrupt
from core.types import BlockKind, Chunk, Page, Span
from vector_db.chunk_store import ChunkStore, write_chunks

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
    st.tuples(
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
        st.one_of(st.none(), st.integers(0, 10**6)),
    ),
    max_size=6,
    unique_by=lambda row: row[0].id,
)


@given(rows=CHUNKS)
def test_chunks_come_back_as_they_were(rows: list[tuple[Chunk, int | None]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "chunks.sqlite")
        write_chunks(path, rows, [])
        store = ChunkStore(path)
        assert store.ids() == [chunk.id for chunk, _ in rows]
        assert store.get([chunk.id for chunk, _ in rows]) == [chunk for chunk, _ in rows]
        for book in ("操作系统", "databases"):
            wanted = [row for row in rows if row[0].book_id == book]
            found = store.of_book(book)
            assert [chunk.ordinal for chunk, _ in found] == sorted(chunk.ordinal for chunk, _ in wanted)
            assert sorted(found, key=lambda row: row[0].id) == sorted(wanted, key=lambda row: row[0].id)


@given(texts=st.lists(st.tuples(NUMBER, LABEL, TEXT), max_size=8))
def test_pages_come_back_as_they_were(texts: list[tuple[int | None, str | None, str]]) -> None:
    pages: list[tuple[Page, str]] = []
    start = 0
    for number, label, text in texts:
        pages.append((Page(number, label, start, start + len(text)), text))
        start += len(text)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "chunks.sqlite")
        write_chunks(path, [], [("操作系统", pages), ("other", [(Page(1, None, 0, 3), "abc")])])
        assert ChunkStore(path).pages("操作系统") == pages


@pytest.fixture
def store(tmp_path: Path) -> ChunkStore:
    book = small_book("os", ["进程", "线程", "死锁", "银行家算法"])
    write_chunks(tmp_path / "chunks.sqlite", [(chunk, None) for chunk in book.chunks], [("os", book.pages)])
    return ChunkStore(tmp_path / "chunks.sqlite")


def test_get_keeps_the_order_of_the_ids(store: ChunkStore) -> None:
    assert [chunk.text for chunk in store.get(["os-3", "os-1", "os-4"])] == ["死锁", "进程", "银行家算法"]
    assert [chunk.text for chunk in store.get(["os-4", "os-1", "os-3"])] == ["银行家算法", "进程", "死锁"]
    assert store.get([]) == []


def test_books_and_pages_that_are_not_there_are_empty(store: ChunkStore) -> None:
    assert store.of_book("nobody") == [] and store.pages("nobody") == []


def test_a_folder_with_signs_of_a_url_in_its_name_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / "课本 100%?mode=rw#1"
    folder.mkdir()
    write_chunks(folder / "chunks.sqlite", [(small_book("os", ["进程"]).chunks[0], None)], [])
    assert ChunkStore(folder / "chunks.sqlite").ids() == ["os-1"]


def test_reading_leaves_no_file_behind(store: ChunkStore, tmp_path: Path) -> None:
    store.of_book("os")
    assert [path.name for path in tmp_path.iterdir()] == ["chunks.sqlite"]


def test_the_same_id_twice_is_refused(tmp_path: Path) -> None:
    chunk = small_book("os", ["进程"]).chunks[0]
    with pytest.raises(sqlite3.IntegrityError):
        write_chunks(tmp_path / "chunks.sqlite", [(chunk, None), (chunk, None)], [])


def test_a_missing_file_is_corrupt(tmp_path: Path) -> None:
    with pytest.raises(GenerationCorrupt, match=r"chunks\.sqlite is missing") as caught:
        ChunkStore(tmp_path / "chunks.sqlite")
    assert "keben rebuild --force" in caught.value.mend


def test_a_file_that_is_no_database_is_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "chunks.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(GenerationCorrupt, match="chunks cannot be read"):
        ChunkStore(path).ids()
