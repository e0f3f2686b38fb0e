"""What a language model is sent in an exam."""

import pytest

from core.errors import ConfigError
from core.types import BlockKind, Book, Chunk, Passage, Span
from evaluate.exam.asking import FEW, bare_messages, check_examples, exam_messages, examples_for
from evaluate.exam.questions import ExamQuestion
from rag.context import TURN

TEXT = "栈是后进先出的线性表。"
PASSAGE = Passage(
    Chunk(
        "c", "b", 0, 0, ("栈",), None, None, 0, len(TEXT), TEXT, (Span(BlockKind.paragraph, 0, len(TEXT), None, None),)
    ),
    Book("b", "ds.md", "数据结构", "数据结构", "zh"),
    1.0,
    0.9,
)
ROOM = 4000


def question(
    text: str, subject: str = "ds", options: tuple[str, ...] = ("栈", "图"), answer: str = "A"
) -> ExamQuestion:
    return ExamQuestion(text, subject, "zh", text, options, (answer,))


def test_an_exam_without_books() -> None:
    rules, shot, letter, asked = exam_messages(
        question("线性的是"), [question("非线性的是", answer="B")], None, len, ROOM
    )
    assert (rules.type, shot.type, letter.type, asked.type) == ("system", "human", "ai", "human")
    assert letter.text == "B"
    assert asked.text == "问题：线性的是\nA. 栈\nB. 图\n\n答案："


def test_an_exam_with_books_shows_the_passages() -> None:
    sent = exam_messages(question("线性的是"), [question("非线性的是", answer="B")], [PASSAGE], len, ROOM)
    assert [message.type for message in sent] == ["system", "human", "ai", "human"]
    assert "考题" in sent[0].text
    assert TEXT in sent[-1].text
    assert "A. 栈\nB. 图" in sent[-1].text
    assert TEXT not in sent[1].text


def test_examples_that_do_not_fit_are_left_out_from_the_first_on() -> None:
    shots = [question("一" * 50), question("二" * 50)]
    whole = exam_messages(question("问"), shots, None, len, ROOM)
    room = sum(len(message.text) + TURN for message in whole) + TURN  # one for the answer
    assert len(exam_messages(question("问"), shots, None, len, room)) == 6
    fewer = exam_messages(question("问"), shots, None, len, room - 1)
    assert len(fewer) == 4
    assert "二" in fewer[1].text
    with pytest.raises(ConfigError, match="there is room for 10"):
        exam_messages(question("问"), shots, None, len, 10)


def test_examples_are_of_the_subject_and_never_the_question_itself() -> None:
    shots = [question(f"{at}") for at in range(8)] + [question("x", subject="os"), question("y", options=())]
    found = examples_for(question("1"), shots)
    assert [shot.text for shot in found] == ["0", "2", "3", "4", "5"]
    assert len(found) == FEW
    with pytest.raises(ConfigError, match="the examples are of os"):
        check_examples([question("1")], [question("x", subject="os")])
    check_examples([question("1")], [])


def test_options_that_are_weighed_by_their_words_are_not_shown() -> None:
    assert "栈" not in bare_messages(question("线性的是"))[-1].text
