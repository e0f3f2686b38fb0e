"""Offsets that are right by construction."""

import pytest
from files import check_offsets, shown
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from core.types import BlockKind
from ingest.readers.text_builder import BETWEEN_BLOCKS, TextBuilder, paragraph_kind, visible

TEXTS = st.text(alphabet=st.sampled_from("进程 a\n\t\u200b\ufeff\x00\xa0"), max_size=12)


@examples(max_examples=100, deadline=None)
@given(pages=st.lists(st.lists(TEXTS, max_size=4), max_size=5))
def test_every_block_is_found_at_its_offsets_and_on_its_page(pages: list[list[str]]) -> None:
    builder = TextBuilder()
    wanted: list[tuple[int, str]] = []
    for number, texts in enumerate(pages, 1):
        builder.start_page(number, f"p{number}")
        for text in texts:
            builder.add(BlockKind.paragraph, text)
            if kept := visible(text).strip("\n").rstrip():
                wanted.append((number, kept))
    book = builder.build()
    check_offsets(book)
    assert [
        (book.page_at(block.start).number, text) for block, (_, text) in zip(book.blocks, shown(book), strict=True)
    ] == wanted
    assert book.text == BETWEEN_BLOCKS.join(text for _, text in wanted)
    assert [page.label for page in book.pages] == ([f"p{number}" for number in range(1, len(pages) + 1)] or [None])


def test_the_first_heading_of_the_first_level_is_the_title() -> None:
    builder = TextBuilder()
    builder.add(BlockKind.heading, "序", level=2)
    builder.add(BlockKind.heading, "操作系统", level=1)
    builder.add(BlockKind.heading, "第二章", level=1)
    assert builder.build().title == "操作系统"
    assert builder.build(title="目录页上的书名").title == "目录页上的书名"
    assert TextBuilder().build().title is None


def test_visible_drops_what_nobody_sees() -> None:
    assert visible("a\r\nb\rc\xa0d\u200be\ufefff\u202eg\x00h\ufffei\tj") == "a\nb\nc defghi\tj"


@pytest.mark.parametrize("text", ["表 3-1 各级存储器", "Table 3.", "TABLE IV Costs", "Figure A.1: heap", "figure 2 b"])
def test_captions(text: str) -> None:
    assert paragraph_kind(text) is BlockKind.caption


@pytest.mark.parametrize(
    "text", ["Table with merged cells", "Figure out the rest", "Algorithm design", "表 3-1 有误。"]
)
def test_lines_that_only_begin_like_captions(text: str) -> None:
    assert paragraph_kind(text) is BlockKind.paragraph
