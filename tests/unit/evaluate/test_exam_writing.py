"""How what a chat model writes becomes an answer."""

from fakes import ScriptedChat

from evaluate.exam.questions import ExamQuestion
from evaluate.exam.solvers import by_chance, by_writing, read
from rag.model_writer import Limits

CHOICE = ExamQuestion("1", "s", "zh", "线性的是", ("栈", "图"), ("A",))
SHORT = ExamQuestion("2", "s", "zh", "一半是多少？", (), ("1/2", "0.5"))
LIMITS = Limits(4000, 64)


def test_the_letter_of_a_choice() -> None:
    chat = ScriptedChat(reply="A\n因为栈是线性表。")
    (picks,) = by_writing([CHOICE], chat, LIMITS)
    assert (picks["written"].chosen, picks["written"].right) == ("A", 1)
    assert picks["written"].said.startswith("A\n")
    ((messages, options),) = chat.calls
    assert messages[-1].text.endswith("答案：")
    assert (options["max_new_tokens"], options["temperature"]) == (64, 0.0)


def test_what_cannot_be_read_is_wrong_and_told_apart() -> None:
    (picks,) = by_writing([CHOICE], ScriptedChat(reply="不知道"), LIMITS)
    assert (picks["written"].chosen, picks["written"].right) == (None, 0)


def test_a_short_answer_is_compared_as_number_and_as_formula() -> None:
    (picks,) = by_writing([SHORT], ScriptedChat(reply=r"答案是 $\frac{2}{4}$。"), LIMITS)
    assert picks["written"].right == 1
    formula = ExamQuestion("3", "s", "zh", "展开", (), ("x^2+2x+1",))
    (picks,) = by_writing([formula], ScriptedChat(reply=r"\boxed{(x+1)^2}"), LIMITS)
    assert (picks["written"].chosen, picks["written"].right) == ("(x+1)^2", 1)
    assert read(formula, "", lambda one, other: True).chosen is None


def test_many_questions_keep_their_order() -> None:
    questions = [ExamQuestion(str(at), "s", "zh", str(at), ("x", "y"), ("AB"[at % 2],)) for at in range(40)]
    picks = by_writing(questions, ScriptedChat(reply="B"), LIMITS, together=3)
    assert [one["written"].right for one in picks] == [0, 1] * 20


def test_guessing_leaves_short_answers_out() -> None:
    assert by_chance([CHOICE, SHORT])[0]["chance"].right == 0.5
    assert by_chance([SHORT]) == [{}]
