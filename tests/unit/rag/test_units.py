"""The pieces of a passage that may stand in an answer."""

import pytest
from made_books import book_of, passage_of, passages_of, unit_texts

from core.types import BlockKind
from ingest.readers.text_builder import TextBuilder
from rag.units import units_of

LIST = "1. 互斥条件。\n2. 循环等待。第二句。"
TABLE = "| 项目 | 值 |\n| --- | --- |\n| 甲。 | 乙。 |"
CODE = "```c\nint a; // 一。二。\nreturn a;\n```"
FORMULA = "$$\nT = C - A\n$$"


def test_a_paragraph_is_cut_into_its_sentences() -> None:
    passage = passage_of(("paragraph", "进程是程序的一次执行。线程是调度的单位！"))
    assert unit_texts(passage) == ["进程是程序的一次执行。", "线程是调度的单位！"]
    assert [(unit.order, unit.kinds) for unit in units_of(passage, 3)] == [
        (0, (BlockKind.paragraph,)),
        (1, (BlockKind.paragraph,)),
    ]
    assert {unit.rank for unit in units_of(passage, 3)} == {3}


@pytest.mark.parametrize(("kind", "text"), [("list", LIST), ("table", TABLE), ("code", CODE), ("formula", FORMULA)])
def test_what_is_no_paragraph_is_one_unit(kind: str, text: str) -> None:
    passage = passage_of(("paragraph", "前一句。"), (kind, text), ("paragraph", "后一句。"))
    assert unit_texts(passage) == ["前一句。", text, "后一句。"]


@pytest.mark.parametrize(("kind", "text"), [("list", LIST), ("table", TABLE), ("code", CODE), ("formula", FORMULA)])
@pytest.mark.parametrize("announcement", ["必须满足以下条件：", "The conditions are:", "必须满足**以下条件：**"])
def test_a_block_stays_with_the_sentence_that_announces_it(kind: str, text: str, announcement: str) -> None:
    passage = passage_of(("paragraph", f"另一句。{announcement}"), (kind, text), ("paragraph", "后一句。"))
    assert unit_texts(passage) == ["另一句。", f"{announcement}\n\n{text}", "后一句。"]


@pytest.mark.parametrize(("kind", "text"), [("table", TABLE), ("code", CODE)])
def test_a_block_stays_with_its_caption(kind: str, text: str) -> None:
    passage = passage_of(("paragraph", "见下表。"), ("caption", "表 3-1 比较"), (kind, text))
    assert unit_texts(passage) == ["见下表。", f"表 3-1 比较\n\n{text}"]


def test_a_formula_stays_with_the_sentence_around_it() -> None:
    passage = passage_of(
        ("paragraph", "作业有周转时间。平均周转时间为"),
        ("formula", FORMULA),
        ("paragraph", "其中 $C$ 是完成时刻。周转时间越短越好。"),
    )
    whole = f"平均周转时间为\n\n{FORMULA}\n\n其中 $C$ 是完成时刻。"
    assert unit_texts(passage) == ["作业有周转时间。", whole, "周转时间越短越好。"]
    middle = units_of(passage, 0)[1]
    assert middle.kinds == (BlockKind.paragraph, BlockKind.formula, BlockKind.paragraph)
    assert middle.whole_block


def test_an_english_formula_takes_the_sentence_that_explains_its_symbols() -> None:
    passage = passage_of(
        ("paragraph", "The time is"),
        ("formula", FORMULA),
        ("paragraph", "where C is the completion time. It should be short."),
    )
    assert unit_texts(passage) == [
        f"The time is\n\n{FORMULA}\n\nwhere C is the completion time.",
        "It should be short.",
    ]


def test_a_formula_after_a_full_stop_stands_alone() -> None:
    passage = passage_of(("paragraph", "前一句。"), ("formula", FORMULA), ("paragraph", "这样就算完了。"))
    assert unit_texts(passage) == ["前一句。", FORMULA, "这样就算完了。"]


@pytest.mark.parametrize(("kind", "text"), [("list", LIST), ("table", TABLE), ("code", CODE)])
def test_a_block_that_nothing_announces_stands_alone(kind: str, text: str) -> None:
    passage = passage_of(("paragraph", "前一句没有句号"), (kind, text))
    assert unit_texts(passage) == ["前一句没有句号", text]


def test_a_bold_line_is_the_heading_of_what_follows() -> None:
    passage = passage_of(("paragraph", "**互斥条件**"), ("paragraph", "资源只能被一个进程使用。后一句。"))
    assert unit_texts(passage) == ["**互斥条件**\n\n资源只能被一个进程使用。", "后一句。"]


def test_a_bold_sentence_is_no_heading() -> None:
    passage = passage_of(("paragraph", "**死锁不可恢复。**"), ("paragraph", "后一句。"))
    assert unit_texts(passage) == ["**死锁不可恢复。**", "后一句。"]


def test_a_paragraph_that_goes_on_over_a_page_break_is_one() -> None:
    builder = TextBuilder()
    builder.start_page(1, "i")
    builder.add(BlockKind.paragraph, "第一句。死锁是指进程互相")
    builder.start_page(2, "ii")
    builder.add(BlockKind.paragraph, "等待资源。最后一句。", continues=True)
    (passage,) = passages_of(builder.build())
    assert unit_texts(passage) == ["第一句。", "死锁是指进程互相\n\n等待资源。", "最后一句。"]


def test_two_paragraphs_are_not_joined() -> None:
    (passage,) = passages_of(book_of([("paragraph", "没有句号的一行"), ("paragraph", "另一段。")]))
    assert unit_texts(passage) == ["没有句号的一行", "另一段。"]
