"""Chunks and pages as values."""

from hypothesis import given
from hypothesis import strategies as st

from core.types import BlockKind, ExtractedBook, Page, Span, with_leads

TEXT = "一二三四五六七八九十"
SPANS = (
    Span(BlockKind.paragraph, 0, 2, None, None),
    Span(BlockKind.table, 3, 6, None, None, lead="头"),
    Span(BlockKind.list, 7, 10, None, None),
)


def test_leads_stand_before_their_spans() -> None:
    assert with_leads(TEXT, SPANS) == "一二三头四五六七八九十"
    assert with_leads(TEXT, SPANS, 3, 6) == "头四五六"
    assert with_leads(TEXT, SPANS, 0, 3) == "一二三"
    assert with_leads(TEXT, SPANS, 4, 10) == "五六七八九十"


@given(lengths=st.lists(st.integers(0, 3), min_size=1, max_size=6), offset=st.integers(0, 20))
def test_the_page_of_an_offset_is_the_last_that_begins_before_it(lengths: list[int], offset: int) -> None:
    starts = [sum(lengths[:number]) for number in range(len(lengths))]
    pages = tuple(Page(number, None, start, start) for number, start in enumerate(starts))
    book = ExtractedBook("", pages, ())
    assert book.page_at(offset) is [page for page in pages if page.start <= offset][-1]
