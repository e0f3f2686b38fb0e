"""Passages whose text runs over the end of their chunk."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.settings import ChunkSettings, Settings
from core.types import Chunk, Passage
from ingest.rebuild import rebuild
from rag.neighbours import with_neighbours
from vector_db.library import open_knowledge_base
from vector_db.reader import Generation

CAUSES = "\n".join(
    f"{number}. 第{number}个原因是某种资源在第{number}个时刻被占用而不能释放。" for number in range(1, 13)
)
BOOK = f"""# 操作系统

## 死锁的原因

死锁有下面这些原因：

{CAUSES}

## 线程

线程是处理机调度的基本单位。它共享进程的地址空间。

线程的切换比进程快。
"""


@pytest.fixture(scope="module")
def generation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generation]:
    folder = tmp_path_factory.mktemp("neighbours")
    (folder / "books").mkdir()
    Path(folder, "books", "os.md").write_text(BOOK, encoding="utf-8")
    small = ChunkSettings(target=40, limit=60)
    rebuild(Settings(data_dir=folder / "data", source_dir=folder / "books", chunk=small), "default")
    base = open_knowledge_base(Settings(data_dir=folder / "data", chunk=small), "default")
    with base.generation() as opened:
        yield opened
    base.close()


@pytest.fixture
def chunks(generation: Generation) -> list[Chunk]:
    (book,) = generation.books.values()
    return [chunk for chunk, _ in generation.store.of_book(book.id)]


def passages(generation: Generation, *chunks: Chunk) -> list[Passage]:
    (book,) = generation.books.values()
    return [Passage(chunk, book, 1.0, 0.9) for chunk in chunks]


def parts_of(chunks: list[Chunk], heading: str) -> list[Chunk]:
    return [chunk for chunk in chunks if chunk.heading_path[-1] == heading]


def test_a_list_that_goes_on_in_the_next_chunk_is_read_on(generation: Generation, chunks: list[Chunk]) -> None:
    first, second, *_ = parts_of(chunks, "死锁的原因")
    (joined,) = with_neighbours(passages(generation, first), generation)
    assert (joined.chunk.id, joined.chunk.start, joined.chunk.end) == (first.id, first.start, second.end)
    assert joined.chunk.text == BOOK[first.start : second.end]
    assert (joined.score, joined.relevance) == (1.0, 0.9)


def test_the_spans_of_both_chunks_hold_their_words(generation: Generation, chunks: list[Chunk]) -> None:
    first, second, *_ = parts_of(chunks, "死锁的原因")
    joined = with_neighbours(passages(generation, first), generation)[0].chunk
    wanted = [chunk.text[span.start : span.end] for chunk in (first, second) for span in chunk.spans]
    assert [joined.text[span.start : span.end] for span in joined.spans] == wanted


def test_a_chunk_that_was_joined_is_no_passage_of_its_own(generation: Generation, chunks: list[Chunk]) -> None:
    first, second, *_ = parts_of(chunks, "死锁的原因")
    thread = parts_of(chunks, "线程")[0]
    found = with_neighbours(passages(generation, first, second, thread), generation)
    assert [passage.chunk.id for passage in found] == [first.id, thread.id]


def test_a_section_that_ends_is_not_read_on_in_the_next(generation: Generation, chunks: list[Chunk]) -> None:
    last = parts_of(chunks, "死锁的原因")[-1]
    whole = parts_of(chunks, "线程")[0]
    for chunk in (last, whole):
        assert with_neighbours(passages(generation, chunk), generation)[0].chunk == chunk
