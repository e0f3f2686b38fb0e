"""Numbers and formulas in one form."""

import pytest

from rag.facts import Facts, facts, formula_form, formula_stands, stands, values_in
from rag.numerals import chinese_value, word_values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("共有 1,024 个", [1024]),
        ("占５０％", [0.5]),
        ("百分之五十二", [0.52]),
        ("约 3万 人", [30000]),
        ("1.5 million people", [1_500_000]),
        ("in the 1990s", [1990]),
        ("20世纪70年代", [1970]),
        ("5½ 次", [5.5]),
        ("三百二十四页", [324]),
        ("twenty-four pages", [24]),
        ("（1999）", [1999]),
        ("$5$ 个", [5]),
        ("第 1 点，步骤 2，图 3，(4) 如此", []),
        ("1. 互斥\n2、保持", []),
        ("IPv4 和 log2 和 a_1", []),
        ("一般有三种，两个一起", []),
        ("数百万人", []),
    ],
)
def test_the_numbers_that_a_sentence_claims(text: str, values: list[float]) -> None:
    assert [value for _, value in facts(text).values] == pytest.approx(values)


@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        ("最坏为 $O(n^2)$", ["O(n^2)"]),
        ("最坏为 O(n^2)", ["O(n^2)"]),
        ("最坏为 `O(n²)`", ["O(n^2)"]),
        ("其中 $n$ 是 \\(\\alpha\\) 的个数", []),
        ("\\[ x \\leq \\frac{a}{b+1} \\]", ["x≤a/(b+1)"]),
    ],
)
def test_the_formulas_that_a_sentence_claims(text: str, formulas: list[str]) -> None:
    assert [form for _, form in facts(text).formulas] == formulas


def test_a_sentence_may_claim_neither() -> None:
    assert facts("死锁是互相等待。") == Facts((), ())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"T = \frac{1}{n} \sum_{i=1}^{n} (C_i)", r"$T=\dfrac{1}{n}\sum\limits_{i=1}^n \left(C_i\right)$"),
        (r"O(n \log n)", r"\mathrm{O}\left(n\log{n}\right)"),
        (r"a \cdot b \le c", "a*b<=c"),
        (r"2 \times 3", "2*3"),
        ("x²", "x^{2}"),
        ("1/n", r"\frac{1}{n}"),
    ],
)
def test_what_changes_only_the_looks_of_a_formula_does_not_count(one: str, other: str) -> None:
    assert formula_form(one) == formula_form(other)


def test_a_formula_stands_as_a_whole_or_link_by_link() -> None:
    passage = formula_form("已知 $a = b + 1$，而 $b + 1 = c$，共 $n^{23}$ 步，12n 次")
    assert formula_stands("a=b+1", passage)
    assert formula_stands("a=b+1=c", passage)
    assert not formula_stands("a=c", passage)
    assert not formula_stands("n^2", passage)
    assert not formula_stands("2n", passage)


def test_values_in_a_passage_stand_in_whatever_form() -> None:
    values = values_in("In February 1,024 of 10% took twenty seconds, 三倍, 0.25, $x_7$ 和 30万")
    assert all(stands(value, values) for value in (2, 1024, 0.1, 20, 3, 0.25, 7, 300_000, 10))
    assert not stands(1025, values)


@pytest.mark.parametrize(
    ("text", "value"),
    [("十", 10), ("二十四", 24), ("两千零五", 2005), ("三万二千", 32000), ("二〇二三", 2023), ("三点一四", 3.14)],
)
def test_chinese_numerals(text: str, value: float) -> None:
    assert chinese_value(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["百", "一一", "万", "亿万"])
def test_words_made_of_numerals_are_no_numbers(text: str) -> None:
    assert chinese_value(text) is None


def test_english_numerals() -> None:
    found = dict(word_values("Twenty-one of three hundred in May, the fourteenth; someone and a tent"))
    assert found == {"Twenty-one": 21, "three hundred": 300, "May": 5, "fourteenth": 14}
