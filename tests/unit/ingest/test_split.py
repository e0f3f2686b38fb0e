"""Chunks: nothing lost, nothing twice, nothing cut that belongs together."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from word_counter import count_words

from core.blocks import announces
from core.settings import ChunkSettings
from core.text import heading_title, length
from core.types import Block, BlockKind, Chunk, ExtractedBook
from ingest.readers.markdown import parse_markdown
from ingest.readers.text_builder import TextBuilder
from ingest.split import split_book

SMALL = ChunkSettings(target=40, limit=60)
NORMAL = ChunkSettings(target=240, limit=360)
NOT_INDEXED = {BlockKind.heading, BlockKind.contents}

WORDS = st.sampled_from(
    ["进程是程序的一次执行。", "死锁的条件如下：", "The kernel runs. ", "See Fig. 3 for it. ", "线程呢？", "调度", " ",
     "\n", "$x. y$", "`a. b`", "round robin ", "，", "公式为："]
)  # fmt: skip
PROSE = st.lists(WORDS, min_size=1, max_size=25).map("".join)
LINES = st.lists(
    st.sampled_from(["- 就绪", "  - 运行中的进程", "", "| a | b |", "int main(void);", "x" * 30]),
    min_size=1,
    max_size=30,
)
HEADING = st.sampled_from(["第一章 进程", "1.1 Scheduling", "操作系统", "`fork()`  调用", "小结"])
ENTRY = st.one_of(
    st.tuples(st.just(BlockKind.heading), HEADING, st.integers(1, 6)),
    st.tuples(st.sampled_from([BlockKind.paragraph, BlockKind.caption, BlockKind.formula]), PROSE, st.just(0)),
    st.tuples(
        st.sampled_from([BlockKind.list, BlockKind.table, BlockKind.code, BlockKind.contents]),
        LINES.map("\n".join),
        st.just(0),
    ),
    st.tuples(st.just(None), st.just(""), st.integers(0, 3)),  # a page break
)  # fmt: skip


@st.composite
def books(draw: st.DrawFn) -> ExtractedBook:
    builder = TextBuilder()
    number = 0
    for kind, text, level in draw(st.lists(ENTRY, max_size=25)):
        if kind is None:
            number += 1 + level
            builder.start_page(number, f"{number}")
        else:
            continues = kind is BlockKind.paragraph and draw(st.booleans())
            if number == 0:
                number = 1
                builder.start_page(1, "1")
            builder.add(kind, text, level=level, continues=continues)
    return builder.build(title=draw(st.sampled_from([None, "操作系统", "另一本书"])))


SETTINGS = st.integers(40, 80).flatmap(
    lambda target: st.builds(ChunkSettings, target=st.just(target), limit=st.integers(max(target, 60), 120))
)


def spans_of(chunk: Chunk) -> list[tuple[BlockKind, int, int]]:
    return [(span.kind, chunk.start + span.start, chunk.start + span.end) for span in chunk.spans]


def headings_above(book: ExtractedBook, offset: int) -> tuple[str, ...]:
    """Told by another way than the one under test: the last heading of each level that still counts."""
    path: list[tuple[int, str]] = []
    above = [block for block in book.blocks if block.kind is BlockKind.heading]
    if above and above[0] in book.blocks[:20] and title_of(book, above[0]) == heading_title(book.title or ""):
        above = above[1:]
    lowest = 7
    for block in reversed([block for block in above if block.start < offset]):
        if block.level < lowest:
            path.append((block.level, title_of(book, block)))
            lowest = block.level
    return tuple(title for _, title in reversed(path))


def title_of(book: ExtractedBook, block: Block) -> str:
    return heading_title(book.text[block.start : block.end])


@examples(max_examples=50, deadline=None)
@given(book=books(), settings=SETTINGS)
def test_chunks_are_stretches_of_the_book_in_order(book: ExtractedBook, settings: ChunkSettings) -> None:
    position = 0
    for number, chunk in enumerate(split_book(book, "b", settings, count_words)):
        assert chunk.ordinal == number
        assert chunk.book_id == "b"
        assert position <= chunk.start < chunk.end <= len(book.text)
        assert chunk.text == book.text[chunk.start : chunk.end]
        assert chunk.text.strip()
        position = chunk.end


@examples(max_examples=50, deadline=None)
@given(book=books(), settings=SETTINGS)
def test_spans_lie_inside_their_chunk_and_their_block(book: ExtractedBook, settings: ChunkSettings) -> None:
    for chunk in split_book(book, "b", settings, count_words):
        spans = spans_of(chunk)
        assert spans[0][1] == chunk.start and spans[-1][2] == chunk.end
        assert all(left[2] <= right[1] for left, right in pairwise(spans))
        for kind, start, end in spans:
            assert any(block.kind is kind and block.start <= start < end <= block.end for block in book.blocks)


@examples(max_examples=50, deadline=None)
@given(book=books(), settings=SETTINGS)
def test_every_block_but_headings_and_contents_is_covered_once(book: ExtractedBook, settings: ChunkSettings) -> None:
    covered = [0] * len(book.text)
    for chunk in split_book(book, "b", settings, count_words):
        for _, start, end in spans_of(chunk):
            for offset in range(start, end):
                covered[offset] += 1
    for block in book.blocks:
        wanted = 0 if block.kind in NOT_INDEXED else 1
        for offset in range(block.start, block.end):
            assert covered[offset] == wanted or (wanted and book.text[offset].isspace()), (block, offset)


@examples(max_examples=50, deadline=None)
@given(book=books(), settings=SETTINGS)
def test_ids_are_unique_and_the_same_again(book: ExtractedBook, settings: ChunkSettings) -> None:
    chunks = split_book(book, "b", settings, count_words)
    assert len({chunk.id for chunk in chunks}) == len(chunks)
    assert all(chunk.id.startswith("b-") for chunk in chunks)
    assert split_book(book, "b", settings, count_words) == chunks


@examples(max_examples=50, deadline=None)
@given(book=books(), settings=SETTINGS)
def test_blocks_under_the_limit_are_not_cut(book: ExtractedBook, settings: ChunkSettings) -> None:
    found = {span for chunk in split_book(book, "b", settings, count_words) for span in spans_of(chunk)}
    for block in book.blocks:
        # Headings take up to half of the limit; a paragraph may lose the sentence that announces the next block.
        small = count_words([book.text[block.start : block.end]])[0] <= settings.limit // 2
        small = small and not announces(book.text[block.start : block.end])
        if block.kind not in NOT_INDEXED and (small or block.kind is BlockKind.formula):
            assert (block.kind, block.start, block.end) in found


def check_length(chunk: Chunk, settings: ChunkSettings) -> None:
    """Only a piece that cannot be cut is longer than the limit; a small rest or a lead-in may join it."""
    longest = max(length(chunk.text[span.start : span.end]) for span in chunk.spans)
    assert length(chunk.text) <= max(longest, settings.limit) + settings.limit // 4


@examples(max_examples=50, deadline=None)
@given(book=books(), settings=SETTINGS)
def test_the_limit_holds_but_for_a_piece_that_cannot_be_cut(book: ExtractedBook, settings: ChunkSettings) -> None:
    for chunk in split_book(book, "b", settings, count_words):
        check_length(chunk, settings)


def test_paragraphs_over_many_pages_do_not_pile_up() -> None:
    builder = TextBuilder()
    for number, words in enumerate((10, 45, 50, 50, 50)):
        builder.add(BlockKind.paragraph, sentence(words), continues=number > 0)
    chunks = split_book(builder.build(), "b", SMALL, count_words)
    assert len(chunks) > 2
    for chunk in chunks:
        check_length(chunk, SMALL)


@examples(max_examples=50, deadline=None)
@given(book=books(), settings=SETTINGS)
def test_heading_paths_and_pages_are_those_of_the_place(book: ExtractedBook, settings: ChunkSettings) -> None:
    for chunk in split_book(book, "b", settings, count_words):
        page = book.page_at(chunk.start)
        assert (chunk.page, chunk.page_label) == (page.number, page.label)
        for span in chunk.spans:
            assert headings_above(book, chunk.start + span.start) == chunk.heading_path
            assert span.page == book.page_at(chunk.start + span.start).number


@examples(max_examples=50, deadline=None)
@given(book=books(), settings=SETTINGS)
def test_a_paragraph_that_goes_on_says_so(book: ExtractedBook, settings: ChunkSettings) -> None:
    flags = {block.start: block.continues for block in book.blocks}
    for chunk in split_book(book, "b", settings, count_words):
        for span in chunk.spans:
            assert span.continues == flags.get(chunk.start + span.start, False)


def split(text: str, settings: ChunkSettings = SMALL) -> list[Chunk]:
    return split_book(parse_markdown(text), "b", settings, count_words)


def sentence(words: int) -> str:
    """A Chinese sentence of `words` characters."""
    return ("进程调度" * words)[:words] + "。"


def items(count: int, words: int = 10) -> str:
    return "\n".join(f"- {sentence(words)}" for _ in range(count))


@pytest.mark.parametrize("before", [0, 10, 25, 35, 39])
@pytest.mark.parametrize("count", [1, 3, 4])
def test_a_sentence_that_announces_a_list_stays_with_it(before: int, count: int) -> None:
    lead = "条件如下："
    first = f"{sentence(before)}\n\n" if before else ""
    chunks = split(f"{first}{lead}\n\n{items(count)}\n\n{sentence(50)}\n")
    home = [chunk for chunk in chunks if lead in chunk.text]
    assert len(home) == 1
    assert items(count) in home[0].text


def test_a_caption_stays_with_its_table() -> None:
    table = "| 状态 | 含义 |\n|---|---|\n" + "\n".join(f"| 就绪 | {sentence(8)} |" for _ in range(4))
    builder = TextBuilder()
    builder.add(BlockKind.paragraph, sentence(38))
    builder.add(BlockKind.caption, "表 3-1 进程的状态")
    builder.add(BlockKind.table, table)
    chunks = split_book(builder.build(), "b", SMALL, count_words)
    assert [chunk.text for chunk in chunks] == [sentence(38), f"表 3-1 进程的状态\n\n{table}"]


def test_a_formula_stays_with_the_sentence_before_it() -> None:
    chunks = split(f"{sentence(38)}\n\n周转时间\n\n$$\nT = a + b + c + d\n$$\n\n{sentence(50)}\n")
    assert "周转时间\n\n$$\nT = a + b + c + d\n$$" in chunks[0].text or "周转时间\n\n$$" in chunks[1].text


def test_lists_tables_and_formulas_under_the_limit_are_whole() -> None:
    table = "| a | b |\n|---|---|\n" + "\n".join("| 一二三 | 四五六 |" for _ in range(8))
    formula = "$$\n" + "\n".join(f"x_{number} = y_{number}" for number in range(10)) + "\n$$"
    text = "\n\n".join([sentence(30), items(5), sentence(30), table, sentence(30), formula])
    assert max(length(part) for part in (items(5), table, formula)) <= SMALL.limit
    chunks = split(text)
    assert len(chunks) > 1
    for part in (items(5), table, formula):
        assert sum(part in chunk.text for chunk in chunks) == 1


def test_a_paragraph_over_the_limit_is_cut_between_its_sentences() -> None:
    text = "".join(sentence(number) for number in range(5, 30))
    chunks = split(text)
    assert "".join(chunk.text for chunk in chunks) == text
    assert all(chunk.text.endswith("。") for chunk in chunks)
    assert max(length(chunk.text) for chunk in chunks) <= SMALL.limit


def test_short_paragraphs_share_a_chunk_and_sections_do_not() -> None:
    text = "# 书\n\n## 甲\n\n一。\n\n二。\n\n## 乙\n\n三。\n\n### 丙\n\n四。\n\n## 丁\n\n五。\n"
    chunks = split(text, NORMAL)
    assert [(chunk.heading_path, chunk.text) for chunk in chunks] == [
        (("甲",), "一。\n\n二。"),
        (("乙",), "三。"),
        (("乙", "丙"), "四。"),
        (("丁",), "五。"),
    ]


def test_chunks_are_counted_in_their_section() -> None:
    section = "\n\n".join(sentence(40) for _ in range(3))
    chunks = split(f"## 甲\n\n{section}\n\n## 乙\n\n{section}\n")
    assert [chunk.part for chunk in chunks] == [0, 1, 2, 0, 1, 2]
    assert [chunk.ordinal for chunk in chunks] == [0, 1, 2, 3, 4, 5]


def test_a_level_that_was_left_out_does_not_hang_over() -> None:
    chunks = split("### 深\n\n一。\n\n## 浅\n\n二。\n\n#### 更深\n\n三。\n", NORMAL)
    assert [chunk.heading_path for chunk in chunks] == [(), ("浅",), ("浅", "更深")]


def test_a_heading_that_repeats_the_title_is_left_out() -> None:
    for title in ("操作系统", "`C`  语言", "**重点**"):
        builder = TextBuilder()
        builder.add(BlockKind.paragraph, "前言。")
        builder.add(BlockKind.heading, title, level=1)
        builder.add(BlockKind.paragraph, "正文。")
        builder.add(BlockKind.heading, title, level=1)
        builder.add(BlockKind.paragraph, "又来。")
        chunks = split_book(builder.build(), "b", NORMAL, count_words)
        assert [chunk.heading_path for chunk in chunks] == [(), (heading_title(title),)]
        assert chunks[0].text.startswith("前言。") and chunks[1].text == "又来。"


def test_another_title_leaves_the_first_heading() -> None:
    book = replace(parse_markdown("# 进程\n\n正文。\n"), title="操作系统")
    assert [chunk.heading_path for chunk in split_book(book, "b", NORMAL, count_words)] == [("进程",)]


def test_contents_are_not_indexed() -> None:
    assert [chunk.text for chunk in split("- [甲](a.md)\n- [乙](b.md)\n\n正文。\n")] == ["正文。"]


def test_nothing_but_headings_gives_no_chunks() -> None:
    assert split("# 甲\n\n## 乙\n") == []


def test_another_book_or_place_gives_another_id() -> None:
    book = parse_markdown("## 甲\n\n同样的话。\n\n## 乙\n\n同样的话。\n")
    ids = {chunk.id for name in ("b", "c") for chunk in split_book(book, name, NORMAL, count_words)}
    assert len(ids) == 4


def test_a_small_rest_joins_the_chunk_before_it() -> None:
    chunks = split(f"{sentence(39)}\n\n{sentence(3)}\n\n{sentence(3)}\n")
    assert len(chunks) == 1


def test_chunks_know_the_page_they_begin_on() -> None:
    builder = TextBuilder()
    for number, label in ((1, "i"), (2, "ii"), (5, "1")):
        builder.start_page(number, label)
        builder.add(BlockKind.paragraph, sentence(30), continues=number == 2)
    chunks = split_book(builder.build(), "b", SMALL, count_words)
    assert [(chunk.page, chunk.page_label) for chunk in chunks] == [(1, "i"), (5, "1")]
    assert [(span.page, span.label, span.continues) for span in chunks[0].spans] == [(1, "i", False), (2, "ii", True)]
