"""Which option a model's words choose, in Chinese and English."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluate.exam.letters import chosen_letter

CHOSEN = [
    ("B", "B"),
    ("b", None),
    (" B\n因为……", "B"),
    ("B.", "B"),
    ("B. 队列是先进先出的线性表", "B"),
    ("B、队列", "B"),
    ("（B）", "B"),
    ("(B) queue", "B"),
    ("**B**", "B"),
    ("Ｂ．队列", "B"),
    ("B 队列", "B"),
    ("选项B", "B"),
    ("Option B.", "B"),
    ("答案是B", "B"),
    ("答案：B", "B"),
    ("答案是：B。因为A和C都不对", "B"),
    ("正确答案为（C）。", "C"),
    ("正确答案应该是 **C**", "C"),
    ("本题的正确选项是C", "C"),
    ("选 C", "C"),
    ("选C。", "C"),
    ("因此应选择 D", "D"),
    ("故选：A", "A"),
    ("综上，本题选D。", "D"),
    ("A 错，B 错，D 错，所以选 C", "C"),
    ("A不正确，因为它是线性结构。正确答案是D。", "D"),
    ("首先看A，答案是A吗？不，答案是B", "B"),
    ("The answer is (D)", "D"),
    ("The answer is D.", "D"),
    ("The correct answer is: B", "B"),
    ("Answer: C", "C"),
    ("**Answer:** C", "C"),
    ("The correct answer to this question is option A.", "A"),
    ("I would choose B because a queue is FIFO", "B"),
    ("B is correct", "B"),
    ("C选项是正确的", "C"),
    ("$\\boxed{C}$", "C"),
    ("\\boxed{\\text{D}}", "D"),
    ("<think>答案是A？不对</think>\nB", "B"),
    ("<think>答案是A", None),
    ("不知道", None),
    ("I don't know", None),
    ("", None),
    ("A process is a program in execution", None),
    ("API 是接口", None),
    ("ACD", None),
    ("A、B", None),
    ("A和C", None),
    ("A或B都可以", None),
    ("答案不是A", None),
    ("The answer is not A", None),
    ("C++ 是一种语言", None),
    ("我认为是 C", "C"),
    ("Both A and B hold", None),
    ("答案是E", None),
    ("A. 数组\nB. 链表\nC. 栈\nD. 图\n\n答案是 D。", "D"),
    ("A. 数组是线性的。\n\nB. 链表也是。", None),
    ("A: array\nB: list\n\nThe answer is B: list", "B"),
    ("A\nB 错在把栈当队列", "A"),
    ("A. 栈\n理由：后进先出 [1]。", "A"),
    ("D\nA. 错\nB. 错", "D"),
    ("根据段落 [1]，应选（C）", "C"),
    ("此题选A、B、C、D中的B", None),
    ("Let me think. Option A is wrong because of X. So the answer must be C.", "C"),
    ("The right option is therefore B", "B"),
    ("答案：\n\nC", "C"),
    ("答案 B", "B"),
    ("【答案】C", "C"),
    ("我选择B选项。", "B"),
    ("正确的选项是：D. 图", "D"),
    ("A 和 B 都错，C 对", None),
]


@pytest.mark.parametrize(("text", "letter"), CHOSEN)
def test_the_letter_that_is_chosen(text: str, letter: str | None) -> None:
    assert chosen_letter(text, "ABCD") == letter


@given(st.text(alphabet="ABCDEabcd答案是选不正确.()（）*: \n", max_size=60))
def test_what_is_chosen_is_an_option_that_the_text_names(text: str) -> None:
    letter = chosen_letter(text, "ABCD")
    assert letter is None or (letter in "ABCD" and letter in text)
