"""Which option passages support, on passages written here."""

import numpy as np
import pytest

from core.types import BlockKind, Book, Chunk, Passage, Span
from evaluate.exam.questions import ExamQuestion
from evaluate.exam.support import is_negative, queries, support, supported_letter
from vector_db.embedder import bundled_embedder

BOOK = Book("b", "os.md", "操作系统", "操作系统", "zh")
LIFO = "栈是一种后进先出的线性表，只在栈顶插入和删除元素。"
DEADLOCK = "产生死锁的四个必要条件是互斥条件、请求与保持条件、不可剥夺条件和循环等待条件。"


def passage(text: str, score: float = 1.0) -> Passage:
    span = Span(BlockKind.paragraph, 0, len(text), None, None)
    return Passage(Chunk(text[:4], "b", 0, 0, (), None, None, 0, len(text), text, (span,)), BOOK, score, 0.9)


def question(text: str, *options: str) -> ExamQuestion:
    return ExamQuestion("1", "s", "zh", text, options, ("A",))


@pytest.mark.parametrize(
    "text",
    [
        "下列不属于线性结构的是",
        "下列说法不正确的是（ ）",
        "关于进程，以下叙述错误的是",
        "下面哪项不是操作系统的功能？",
        "以下都是调度算法，除了",
        "Which of these is NOT a page replacement algorithm?",
        "All of the following are scheduling policies except",
    ],
)
def test_negative_questions(text: str) -> None:
    assert is_negative(text)


@pytest.mark.parametrize(
    "text",
    ["下列属于线性结构的是", "TCP不是UDP，其特点是（ ）", "哪种算法会产生Belady异常？", "Notation for trees is", ""],
)
def test_positive_questions(text: str) -> None:
    assert not is_negative(text)


def test_the_option_that_the_passage_holds_is_picked() -> None:
    asked = question("栈的特点是", "先进先出", "随机存取", "后进先出", "按优先级")
    found = [[passage(LIFO)]] * 5
    assert supported_letter(asked, found, bundled_embedder().encode) == "C"
    values = support(asked, found, bundled_embedder().encode)
    assert sum(values) == pytest.approx(0, abs=1e-6)


def test_of_a_negative_question_the_option_that_it_does_not_hold() -> None:
    asked = question("下列不属于死锁必要条件的是", "互斥条件", "时间片轮转", "请求与保持条件", "循环等待条件")
    assert supported_letter(asked, [[passage(DEADLOCK)]] * 5, bundled_embedder().encode) == "B"


def test_the_rank_of_question_and_option_together_counts() -> None:
    asked = question("它是", "甲", "乙")
    found = [[passage(LIFO)], [passage(LIFO, 0.1)], [passage(LIFO, 2.0)]]
    flat = lambda texts: np.zeros((len(texts), 4), dtype=np.float32)  # noqa: E731
    assert supported_letter(asked, found, flat) == "B"


def test_without_passages_there_is_no_answer() -> None:
    asked = question("它是", "甲", "乙")
    assert queries(asked) == ["它是", "它是 甲", "它是 乙"]
    assert supported_letter(asked, [[], [], []], bundled_embedder().encode) is None
