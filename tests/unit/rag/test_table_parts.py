"""A later part of a long table: shown and searched with its header, quoted without."""

from made_books import passages_of
from markdown_it import MarkdownIt

from core.settings import ChunkSettings
from core.types import BlockKind, Passage
from ingest.readers.markdown import parse_markdown
from ingest.readers.text_builder import TextBuilder
from rag.draft import segments_of
from rag.extractive import select_units
from rag.prompts import passage_block
from rag.units import units_of
from vector_db.lexical import index_terms

SMALL = ChunkSettings(target=40, limit=60)
CAPTION, HEADER = "表 3-1 存储器的比较", "| 存储器 | 访问时间 |\n|---|---|"
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")


def parts() -> list[Passage]:
    rows = "\n".join(f"| 第{number}级缓存 | 大约需要{number}个时钟周期才能读到其中的数据 |" for number in range(1, 13))
    builder = TextBuilder()
    builder.add(BlockKind.caption, CAPTION)
    builder.add(BlockKind.table, f"{HEADER}\n{rows}")
    return passages_of(builder.build(), settings=SMALL)


def test_a_part_is_shown_as_a_table_with_its_header_and_quoted_without() -> None:
    passages = parts()
    assert len(passages) > 2
    for rank, passage in enumerate(passages[1:], 1):
        (unit,) = units_of(passage, rank)
        (segment,) = segments_of([unit], passages)
        tokens = MARKDOWN.parse(segment.text)
        assert [token.type for token in tokens].count("table_open") == 1
        assert "访问时间" in segment.text and segment.text.startswith(CAPTION)
        assert segment.text.endswith("\n\n[1]")
        assert segment.citation.quote == passage.chunk.text
        assert "访问时间" not in segment.citation.quote and CAPTION not in segment.citation.quote


def test_a_part_is_found_by_its_header_and_chosen_for_it() -> None:
    passages = parts()
    last = passages[-1]
    assert "时间" in index_terms("", last.chunk.reading)[1]
    (unit, *_) = select_units("第12级缓存的访问时间是多少？", {"访问": 1.0, "时间": 1.0, "12": 1.0}, passages)
    assert unit.rank == len(passages) - 1


def test_a_model_is_given_the_header() -> None:
    last = parts()[-1]
    assert f"{CAPTION}\n\n{HEADER}\n{last.chunk.text}" in passage_block(1, last, "zh")


def test_a_part_of_an_html_table_is_closed() -> None:
    head = "<table>\n<tr><th>存储器</th><th>访问时间</th></tr>"
    rows = "\n".join(f"<tr><td>第{number}级缓存</td><td>大约需要{number}个时钟周期</td></tr>" for number in range(20))
    passages = passages_of(parse_markdown(f"{head}\n{rows}\n</table>\n"), settings=SMALL)
    assert len(passages) > 2
    for rank, passage in enumerate(passages):
        (segment,) = segments_of(units_of(passage, rank), passages)
        assert segment.text.count("<table>") == segment.text.count("</table>") == 1
        assert segment.text.count("<th>") == 2
        assert segment.text.endswith("</table>\n\n[1]")


def test_a_caption_below_its_table_is_part_of_its_unit() -> None:
    builder = TextBuilder()
    builder.add(BlockKind.table, f"{HEADER}\n| 缓存 | 一个周期 |")
    builder.add(BlockKind.caption, CAPTION)
    builder.add(BlockKind.list, "- 甲\n- 乙")
    (passage,) = passages_of(builder.build())
    assert [unit.kinds for unit in units_of(passage, 0)] == [(BlockKind.table, BlockKind.caption), (BlockKind.list,)]


def test_radicals_are_quoted_as_printed_and_given_to_a_model_as_characters() -> None:
    builder = TextBuilder()
    builder.start_page(4, "2")
    builder.add(BlockKind.paragraph, "⽤⼾态的程序不能执⾏特权指令，⼈⺠法院。")
    (passage,) = passages_of(builder.build())
    (segment,) = segments_of(units_of(passage, 0), [passage])
    assert segment.citation.quote == "⽤⼾态的程序不能执⾏特权指令，⼈⺠法院。"
    assert "用户态的程序不能执行特权指令，人民法院。" in passage_block(1, passage, "zh")
    assert index_terms("", passage.chunk.reading) == index_terms("", "用户态的程序不能执行特权指令，人民法院。")
