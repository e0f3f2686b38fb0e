"""Text files of questions and answers after marks."""

from pathlib import Path

import pytest

from finetune.dataset.found import Found
from finetune.dataset.pairs import looks_like_pairs, read_pairs


def read(text: str) -> Found:
    return read_pairs(text, Path("qa.txt"), "qa.txt")


@pytest.mark.parametrize(
    "text",
    [
        "input: 甲\noutput: 乙\n丙\n\ninput:丁\noutput:戊\n",
        "问：甲\n答：乙\n丙\n问：丁\n答：戊",
        "Q: 甲\nA: 乙\n丙\n\nq：丁\na：戊\n",
        "  问题：甲\n  答案：乙\n丙\n  问题：丁\n  答案：戊\n",
    ],
)
def test_marks_and_values_of_several_lines(text: str) -> None:
    assert looks_like_pairs(text)
    found = read(text)
    assert [(one.exchanges[0].input, one.exchanges[0].output) for one in found.kept] == [("甲", "乙\n丙"), ("丁", "戊")]
    assert found.left_out == found.outside == []


def test_what_has_no_partner_is_listed() -> None:
    found = read("标题\n问：甲\n问：乙\n答：丙\n答：丁\n问：戊\n答：\n问：己\n答：庚\n问：辛")
    assert [one.exchanges[0].input for one in found.kept] == ["乙", "己"]
    assert [(one.where, one.reason) for one in found.left_out] == [
        ("qa.txt, line 2", "the question has no answer"),
        ("qa.txt, line 5", "the answer has no question"),
        ("qa.txt, line 6", "the answer is empty"),
        ("qa.txt, line 10", "the question has no answer"),
    ]
    assert [one.reason for one in found.outside] == ["belongs to no question: 标题"]
    assert found.rows == 6


def test_options_with_colons_are_no_answers() -> None:
    found = read("问题：选哪个？\nA：栈\nB：队列\n答案：B\n问题：甲\n答案：乙\n")
    assert (found.kept[0].exchanges[0].input, found.kept[0].exchanges[0].output) == ("选哪个？\nA：栈\nB：队列", "B")


@pytest.mark.parametrize(
    "text", ["", "1. 题目\nA: 甲\nB: 乙\n答案: A", "一段文字，没有记号。", "问：没有答案\n问：也没有"]
)
def test_other_texts(text: str) -> None:
    assert not looks_like_pairs(text)
