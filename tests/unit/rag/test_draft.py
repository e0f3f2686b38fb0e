"""From chosen units to the text of an answer and its citations, over books made at random."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fakes import gathered
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from made_books import even_weights, passage_of, passages_of
from markdown_it import MarkdownIt

from core.settings import ChunkSettings
from core.types import BlockKind, Citation, ExtractedBook, GenerationOptions, Passage
from ingest.readers.text_builder import TextBuilder
from rag.draft import Segment, answer_text, segments_of
from rag.units import Unit, units_of
from rag.writers import Draft, ExtractiveWriter, Task

ZH = "进程 线程 资源 内存 调度 中断 磁盘 缓存 页面 信号量".split()
EN = "process thread kernel memory page cache signal buffer queue node".split()
SMALL = ChunkSettings(target=40, limit=60)
MARKER = re.compile(r"\[(\d+)\]")
MARKDOWN = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Broken:
    """A sentence that runs over a page break: what stands before it, after it, and between the two when joined."""

    first: str
    second: str
    joint: str


def words(language: str, least: int = 1) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(ZH if language == "zh" else EN), min_size=least, max_size=9)


def joined(parts: list[str], language: str) -> str:
    return "".join(parts) if language == "zh" else " ".join(parts)


@st.composite
def sentence(draw: st.DrawFn, language: str) -> str:
    body = joined(draw(words(language)), language)
    return f"{body}。" if language == "zh" else f"{body.capitalize()}."


@st.composite
def paragraph(draw: st.DrawFn) -> str:
    language = draw(st.sampled_from(["zh", "en"]))
    return joined(draw(st.lists(sentence(language), min_size=1, max_size=4)), language)


@st.composite
def code(draw: st.DrawFn) -> str:
    line = st.lists(st.sampled_from(["x", "=", "1", "<y>", "**", "`"]), min_size=1, max_size=8).map(" ".join)
    lines = ["begin", *draw(st.lists(line, max_size=12)), "end"]
    shape = draw(st.sampled_from(["```c", "~~~", "indented", "bare", "with a fence inside"]))
    if shape == "indented":
        return "\n".join(f"    {line}" for line in lines)
    if shape == "bare":
        return "\n".join(lines)
    if shape == "with a fence inside":
        return "\n".join([*lines, "````", *lines])
    return "\n".join([shape, *lines, shape[:3]])


@st.composite
def table(draw: st.DrawFn) -> str:
    rows = draw(st.lists(st.tuples(st.sampled_from(ZH), st.sampled_from(EN)), min_size=1, max_size=6))
    return "\n".join(["| 甲 | b |", "| --- | --- |", *(f"| {left} | {right} |" for left, right in rows)])


def item_list() -> st.SearchStrategy[str]:
    item = st.one_of(sentence("zh"), sentence("en"), st.just("如下\n\n  ```\n  x = 1\n  ```"))
    return st.lists(item, min_size=1, max_size=5).map(lambda items: "\n".join(f"- {item}" for item in items))


def blocks() -> st.SearchStrategy[tuple[BlockKind, str]]:
    return st.one_of(
        paragraph().map(lambda text: (BlockKind.paragraph, text)),
        st.sampled_from(["条件如下：", "The steps are:", "**要点**"]).map(lambda text: (BlockKind.paragraph, text)),
        st.sampled_from(ZH + EN).map(lambda text: (BlockKind.heading, text)),
        item_list().map(lambda text: (BlockKind.list, text)),
        table().map(lambda text: (BlockKind.table, text)),
        code().map(lambda text: (BlockKind.code, text)),
        st.just((BlockKind.formula, "$$\nT_{n} = C - A\n$$")),
        st.just((BlockKind.caption, "表 3-1 比较")),
    )


@st.composite
def books(draw: st.DrawFn) -> tuple[ExtractedBook, list[Broken]]:
    """A book of one to four pages, some of them empty, some joined by a sentence; and those sentences."""
    builder = TextBuilder()
    broken: list[Broken] = []
    last = draw(st.integers(1, 4))
    carried = ""
    for number in range(1, last + 1):
        builder.start_page(number, draw(st.sampled_from([None, "ii", str(number + 6)])))
        if carried:
            builder.add(BlockKind.paragraph, carried, continues=True)
        carried = ""
        for kind, text in draw(st.lists(blocks(), max_size=5)):
            builder.add(kind, text, level=2 if kind is BlockKind.heading else 0)
        if number < last and draw(st.booleans()):
            language = draw(st.sampled_from(["zh", "en"]))
            first, second = (joined(draw(words(language)), language) for _ in range(2))
            broken.append(Broken(first, second, "" if language == "zh" else " "))
            builder.add(BlockKind.paragraph, draw(st.sampled_from(["", "前一句。"])) + first)
            carried = second + ("。" if language == "zh" else ".")
    return builder.build(title="教材"), broken


@st.composite
def drafts(draw: st.DrawFn) -> tuple[ExtractedBook, list[Broken], list[Passage], list[Unit]]:
    """A book, its passages in any order, and some of their units in reading order."""
    book, broken = draw(books())
    passages = draw(st.permutations(passages_of(book, settings=SMALL)))
    units = [unit for rank, passage in enumerate(passages) for unit in units_of(passage, rank)]
    assume(units)
    chosen = draw(st.lists(st.sampled_from(units), unique=True, min_size=1, max_size=12))
    return book, broken, passages, sorted(chosen, key=lambda unit: (passages[unit.rank].chunk.ordinal, unit.start))


AT_RANDOM = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@AT_RANDOM
@given(drafts())
def test_a_quote_is_the_books_text_on_the_one_page_it_names(
    draft: tuple[ExtractedBook, list[Broken], list[Passage], list[Unit]],
) -> None:
    book, _, passages, units = draft
    for segment in segments_of(units, passages):
        assert_true(segment.citation, book)


def assert_true(citation: Citation, book: ExtractedBook) -> None:
    assert citation.quote
    assert citation.quote == book.text[citation.start : citation.end]
    (page,) = [page for page in book.pages if page.start <= citation.start < page.end]
    assert (citation.page, citation.page_label) == (page.number, page.label)
    assert citation.end <= page.end


@AT_RANDOM
@given(drafts())
def test_markers_count_the_citations_and_stand_outside_tables_and_code(
    draft: tuple[ExtractedBook, list[Broken], list[Passage], list[Unit]],
) -> None:
    _, _, passages, units = draft
    segments = segments_of(units, passages)
    assert [segment.citation.id for segment in segments] == list(range(1, len(segments) + 1))
    text = answer_text(segments)
    assert [int(number) for number in MARKER.findall(text)] == [segment.citation.id for segment in segments]
    assert markers_in_running_text(text) == [segment.citation.id for segment in segments]


def markers_in_running_text(markdown: str) -> list[int]:
    """The markers that a Markdown reader shows as text, outside of tables and code."""
    numbers: list[int] = []
    in_table = 0
    for token in MARKDOWN.parse(markdown):
        in_table += (token.type == "table_open") - (token.type == "table_close")
        if token.type == "inline" and not in_table:
            numbers += [int(number) for number in MARKER.findall(token.content)]
    return numbers


@AT_RANDOM
@given(drafts())
def test_code_and_nothing_but_code_is_fenced(
    draft: tuple[ExtractedBook, list[Broken], list[Passage], list[Unit]],
) -> None:
    _, _, passages, units = draft
    for segment, run in zip(segments_of(units, passages), runs_of(units), strict=True):
        written = code_lines(run, passages)
        if any(BlockKind.list in unit.kinds for unit in run):
            continue  # a list may hold code of its own
        shown = [line for token in MARKDOWN.parse(segment.text) if token.type == "fence" for line in lines_of(token)]
        assert [line for line in shown if not is_fence(line)] == [line for line in written if not is_fence(line)]


def runs_of(units: list[Unit]) -> list[list[Unit]]:
    """Units that stand side by side in one passage, together."""
    runs: list[list[Unit]] = []
    for unit in units:
        if runs and (runs[-1][-1].rank, runs[-1][-1].order + 1) == (unit.rank, unit.order):
            runs[-1].append(unit)
        else:
            runs.append([unit])
    return runs


def code_lines(run: Iterable[Unit], passages: list[Passage]) -> list[str]:
    chunks = [(unit, passages[unit.rank].chunk) for unit in run]
    return [
        line.strip()
        for unit, chunk in chunks
        for span in chunk.spans
        if span.kind is BlockKind.code and unit.start <= span.start < unit.end
        for line in chunk.text[span.start : span.end].split("\n")
    ]


def lines_of(token: object) -> list[str]:
    return [line.strip() for line in str(getattr(token, "content", "")).rstrip("\n").split("\n")]


def is_fence(line: str) -> bool:
    return line.startswith(("```", "~~~"))


@AT_RANDOM
@given(drafts())
def test_a_sentence_over_a_page_break_is_shown_whole_and_quoted_in_part(
    draft: tuple[ExtractedBook, list[Broken], list[Passage], list[Unit]],
) -> None:
    _, broken, passages, units = draft
    for segment, run in zip(segments_of(units, passages), runs_of(units), strict=True):
        for unit in run:
            text = unit.text(passages[unit.rank])
            for halves in broken:
                if text.startswith(f"{halves.first}\n\n{halves.second}"):
                    assert f"{halves.first}{halves.joint}{halves.second}" in segment.text
                    assert f"{halves.first}\n\n{halves.second}" not in segment.citation.quote


@AT_RANDOM
@given(books(), words("zh", 1), words("en", 0))
def test_the_extractive_writers_pieces_add_up_to_its_draft(
    made: tuple[ExtractedBook, list[Broken]], chinese: list[str], english: list[str]
) -> None:
    book, _ = made
    question = f"{''.join(chinese)} {' '.join(english)}"
    passages = passages_of(book, settings=SMALL)[:5]
    task = Task(question, passages, even_weights(question), (), GenerationOptions())
    *pieces, draft = gathered(ExtractiveWriter().stream(task))
    assert isinstance(draft, Draft)
    assert "".join(str(piece) for piece in pieces) == draft.text
    assert [int(number) for number in MARKER.findall(draft.text)] == [citation.id for citation in draft.citations]
    for citation in draft.citations:
        assert_true(citation, book)


def segments(passage: Passage, *orders: int) -> list[Segment]:
    units = units_of(passage, 0)
    return segments_of([units[order] for order in orders], [passage])


def test_neighbouring_sentences_share_a_citation_and_others_do_not() -> None:
    passage = passage_of(("paragraph", "一。二。三。四。"))
    first, second = segments(passage, 0, 1, 3)
    assert (first.text, second.text) == ("一。二。[1]", "四。[2]")
    assert (first.citation.quote, second.citation.quote) == ("一。二。", "四。")


def test_english_sentences_are_joined_by_a_space_and_paragraphs_by_a_blank_line() -> None:
    passage = passage_of(("paragraph", "One is here. Two is there."), ("paragraph", "Three is apart."))
    (segment,) = segments(passage, 0, 1, 2)
    assert segment.text == "One is here. Two is there.\n\nThree is apart.[1]"


def test_the_longer_part_of_a_broken_sentence_is_quoted() -> None:
    builder = TextBuilder()
    builder.start_page(7, "五")
    builder.add(BlockKind.paragraph, "死锁是指")
    builder.start_page(8, "六")
    builder.add(BlockKind.paragraph, "进程互相等待对方占有的资源。", continues=True)
    (passage,) = passages_of(builder.build())
    (segment,) = segments(passage, 0)
    assert segment.text == "死锁是指进程互相等待对方占有的资源。[1]"
    assert (segment.citation.page, segment.citation.page_label) == (8, "六")
    assert segment.citation.quote == "进程互相等待对方占有的资源。"


def test_markup_is_left_out_of_the_answer_but_not_of_the_quote() -> None:
    passage = passage_of(("paragraph", "见[死锁](deadlock.html)与 **互斥** <b>条件</b> $a<b$ `x<y`。"))
    (segment,) = segments(passage, 0)
    assert segment.text == "见死锁与 互斥 条件 $a<b$ `x<y`。[1]"
    assert segment.citation.quote == passage.chunk.text


def test_code_without_a_fence_of_its_own_gets_one_and_loses_its_indentation() -> None:
    (segment,) = segments(passage_of(("code", "    if (a < b) {\n        return;\n    }")), 0)
    assert segment.text == "```\nif (a < b) {\n    return;\n}\n```\n\n[1]"


def test_a_part_of_a_long_code_block_is_fenced() -> None:
    builder = TextBuilder()
    builder.add(BlockKind.code, "\n".join(["```python", *(f"value{n} = {n}" for n in range(280)), "```"]))
    passages = passages_of(builder.build(), settings=SMALL)
    assert len(passages) > 1
    for passage in passages:
        (segment,) = segments(passage, 0)
        fences = [token for token in MARKDOWN.parse(segment.text) if token.type == "fence"]
        assert len(fences) == 1
        assert all(line.startswith("value") for line in lines_of(fences[0]))


def test_the_marker_after_a_list_that_ends_with_code_is_not_part_of_the_code() -> None:
    (segment,) = segments(passage_of(("list", "1. 编译：\n\n   ```\n   make\n   ```")), 0)
    assert markers_in_running_text(segment.text) == [1]


def test_no_units_give_no_segments() -> None:
    assert segments_of([], [passage_of(("paragraph", "一。"))]) == []
    assert answer_text([]) == ""
