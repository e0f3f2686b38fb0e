import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.audit.choices import chance, choices, labels, letter_of, options_of
from finetune.audit.rows import Row, rows_of
from finetune.conversations import Conversation, Exchange

OPTIONS = "\nA. 数组\nB. 链表\nC. 栈\nD. 二叉树"


def choice_rows(counts: dict[str, int]) -> tuple[Row, ...]:
    pairs = [(f"问题 {letter}{at}？{OPTIONS}", letter) for letter, count in counts.items() for at in range(count)]
    return rows_of([Conversation((Exchange(question, answer),)) for question, answer in pairs], "train")


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("D", "D"),
        ("B. 链表", "B"),
        ("答案：C", "C"),
        ("The answer is B.", "B"),
        ("解：由定义可知，\\mathrm{C} 正确", "C"),
        ("因为栈后进先出，故选 C。", "C"),
        ("A 与 B 都可以，A 正确，B 正确", None),
        ("A stack is a list.", None),
        ("链表", None),
    ],
)
def test_the_right_letter(answer: str, right: str | None) -> None:
    found = letter_of(f"线性表不包括？{OPTIONS}", answer)
    assert found is not None and found[0] == list("ABCD")
    if right:
        assert found[1] == right
    elif not answer.startswith("A 与"):
        assert found[1] is None


@pytest.mark.parametrize(
    "question", ["什么是栈？", "比较 A. 栈和 B. 队列", "f(A) 与 A(x) 的关系", "Vitamin A: what is it?"]
)
def test_no_options(question: str) -> None:
    assert letter_of(question, "A") is None


def test_options_after_latex_line_breaks() -> None:
    assert letter_of("则 f(x) (\\quad)\\\\A. 可导\\\\B. 连续\\\\C. 极限存在\\\\D. 极限不存在", "A 正确") == (
        list("ABCD"),
        "A",
    )


def test_options_apart_from_their_question() -> None:
    options = {"A": "数组", "B": "链表", "C": "栈", "D": "二叉树"}
    assert options_of(f"线性表不包括？{OPTIONS}") == ("线性表不包括？", options)
    assert options_of("线性表不包括？ A．数组 B．链表 C．栈") == (
        "线性表不包括？",
        {"A": "数组", "B": "链表", "C": "栈"},
    )
    assert options_of("比较 A. 栈和 B. 队列") == ("比较 A. 栈和 B. 队列", {})


@given(st.text(alphabet="ABCD.、：:( )\n\\栈x", max_size=40))
def test_any_question_has_options_or_none(question: str) -> None:
    stem, options = options_of(question)
    assert question.startswith(stem) or stem in question
    assert len(options) != 1 and len(options) != 2


def test_a_letter_that_is_seldom_right() -> None:
    (found,) = choices(choice_rows({"A": 30, "B": 31, "C": 30, "D": 9}))
    assert (found.check, found.severity) == ("label-skew", "warning")
    assert found.count == 9 and "D 9" in found.summary
    assert choices(choice_rows({"A": 25, "B": 24, "C": 27, "D": 24})) == []
    assert labels(choice_rows({"A": 2, "C": 1})) == {"A": 2, "B": 0, "C": 1}


def test_a_letter_that_is_never_or_always_right() -> None:
    assert "another right answer than D" in choices(choice_rows({"A": 12, "B": 12, "C": 12}))[0].summary
    assert choices(choice_rows({"B": 9}))[0].count == 9
    assert choices(choice_rows({"B": 3})) == []


def test_an_answer_that_is_no_option() -> None:
    (found,) = choices(choice_rows({"E": 1, "A": 1}))
    assert (found.check, found.count, found.share) == ("option-letter", 1, 0.5)


def test_chance_agrees_with_tables() -> None:
    # scipy.stats.chi2.sf(13.68, 3) and (13.3333, 4)
    assert chance([25, 25, 25, 25]) == pytest.approx(1.0)
    assert chance([30, 31, 30, 9]) == pytest.approx(0.0033747, abs=1e-6)
    assert chance([40, 20, 20, 20, 20]) == pytest.approx(0.0097569, abs=1e-6)
    assert chance([8, 0]) == pytest.approx(4 / 256)


@given(st.lists(st.integers(0, 60), min_size=2, max_size=8).filter(any))
def test_chance_is_a_probability_and_knows_no_order(counts: list[int]) -> None:
    assert 0 <= chance(counts) <= 1
    assert chance(counts) == pytest.approx(chance(sorted(counts)))
