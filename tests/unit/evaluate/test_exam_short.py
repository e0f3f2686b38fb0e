"""Whether short answers are right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluate.exam.short import final_answer, is_right, quantity

NO_FORMULA = lambda one, other: False  # noqa: E731


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("42", "42"),
        ("42。\n因为 [1] 6×7=42。", "42"),
        ("答案是 42。", "42"),
        ("先算 1+1，得到 2。所以答案为：1/2", "1/2"),
        ("The answer is 3.5 ms.", "3.5 ms"),
        ("So we get $\\boxed{\\frac{1}{2}}$.", "\\frac{1}{2}"),
        ("<think>答案是 1</think>\n\n2", "2"),
        ("**正确**\n因为", "正确"),
        ("", ""),
    ],
)
def test_the_final_answer(text: str, answer: str) -> None:
    assert final_answer(text) == answer


RIGHT = [
    ("先进先出", "先进先出。"),
    ("The Stack", "stack"),
    ("ＦＩＦＯ", "fifo"),
    ("對", "正确"),
    ("False", "错误"),
    ("√", "对"),
    ("42", "四十二"),
    ("1,024", "1024"),
    ("1024个", "1024"),
    ("50%", "0.5"),
    ("50 %", "1/2"),
    ("百分之五十", "0.5"),
    ("三分之一", "1/3"),
    ("0.333", "1/3"),
    (r"\frac{1}{4}", "0.25"),
    (r"25\%", "1/4"),
    ("3.0", "3"),
    ("1e3", "1000"),
    (r"2\times10^{3}", "2000"),
    ("2 × 10^3", "2000"),
    ("3万", "30000"),
    ("1 KB", "1024 B"),
    ("1500 ms", "1.5 s"),
    ("1.5", "1.5 s"),
    ("20毫秒", "20ms"),
    ("负三", "-3"),
    ("−3", "-3"),
    ("100 Mbps", "100 Mb/s"),
    ("零点五", "0.5"),
    ("约 3.14", "3.14159"),
]
WRONG = [
    ("先进后出", "先进先出"),
    ("正确", "错误"),
    ("43", "42"),
    ("5", "50%"),
    ("0.3", "1/3"),
    ("1000", "1000.4"),
    ("1.5 ms", "1.5 s"),
    ("3 km", "3 kg"),
    ("x", "y"),
    ("", "1"),
    ("1/0", "1"),
    ("3", "-3"),
    ("2x", "2"),
]


@pytest.mark.parametrize(("said", "answer"), RIGHT)
def test_right_answers(said: str, answer: str) -> None:
    assert is_right(said, [answer], NO_FORMULA)
    assert is_right(answer, ["no", said], NO_FORMULA)


@pytest.mark.parametrize(("said", "answer"), WRONG)
def test_wrong_answers(said: str, answer: str) -> None:
    assert not is_right(said, [answer], NO_FORMULA)


def test_formulas_are_compared_as_formulas() -> None:
    asked: list[tuple[str, str]] = []

    def same(one: str, other: str) -> bool:
        asked.append((one, other))
        return True

    assert is_right("x+x", ["2x"], same)
    assert asked == [("x+x", "2x")]
    assert not is_right("一个栈", ["队列"], same)


@given(st.integers(-(10**9), 10**9))
def test_a_number_is_itself_however_it_is_grouped(number: int) -> None:
    assert is_right(f"{number:,}", [str(number)], NO_FORMULA)
    assert not is_right(str(number + 1), [str(number)], NO_FORMULA)


@given(st.text(max_size=30))
def test_any_text_is_a_number_or_none(text: str) -> None:
    quantity(text)
    final_answer(text)
