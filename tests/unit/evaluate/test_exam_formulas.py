"""Formulas as trees, and whether two of them are equal."""

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluate.exam.formulas import NoFormula, tree_of
from evaluate.exam.symbol_worker import same
from evaluate.exam.symbols import SymbolicEquality

EQUAL = [
    ("1/2", r"\frac{1}{2}"),
    ("0.5", r"\frac12"),
    (r"$\dfrac{\pi}{2}$", "pi/2"),
    ("x^2+2x+1", "(x+1)^2"),
    ("x²", "x*x"),
    (r"\sqrt{8}", r"2\sqrt{2}"),
    (r"\sqrt[3]{27}", "3"),
    ("2^{10}", "1024"),
    ("2**10", "1024"),
    (r"e^{2\ln x}", "x^2"),
    (r"\sin^2 x + \cos^2 x", "1"),
    ("sin(2x)", "2sinx cosx"),
    (r"\log_2 8", "3"),
    (r"\lg 100", "2"),
    ("y = x + 1", "1 + x"),
    ("f(x)=x^2", "x^2"),
    ("x^2/2 + C", r"\frac{x^2}{2}"),
    ("x + y = 1", "y = 1 - x + 0y"),
    ("2x + 2y - 2 = 0", "1 - x - y + (1 - x - y) = 0"),
    (r"\left( 1, \frac{1}{2} \right)", "(1, 0.5)"),
    (r"\{1, 2\}", r"\{2, 1\}"),
    ("n(n-1)/2", r"\frac{n^2 - n}{2}"),
    ("5!", "120"),
    ("|-3|", "3"),
    ("x_1 + x_{2}", "x_2+x_1"),
    ("-x^2", "0 - x*x"),
    ("e^{-1}", "1/e"),
    ("∞", r"\infty"),
]
UNEQUAL = [
    ("x+1", "x-1"),
    ("(1, 2)", "(2, 1)"),
    ("x", "y"),
    ("1/3", "0.333"),
    ("-x^2", "(-x)^2"),
    ("x = 1", "x + y = 1"),
    ("(1, 2)", "3"),
    (r"\infty", "1"),
    ("hello world", "hello world"),
    ("", ""),
]
HOSTILE = [
    "__import__('os').system('true')",
    "().__class__",
    "lambda x: x",
    "9^9^9^9",
    "(10^1000)^1000",
    "99999!",
    "(" * 100 + "1" + ")" * 100,
    "1+" * 500 + "1",
    r"\input{/etc/passwd}",
    "x_{__class__}",
    "a\nb",
]


@pytest.fixture(scope="module")
def symbols() -> Iterator[SymbolicEquality]:
    with SymbolicEquality(20) as started:
        yield started


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_equal_formulas(symbols: SymbolicEquality, one: str, other: str) -> None:
    assert symbols.same(one, other)
    assert symbols.same(other, one)


@pytest.mark.parametrize(("one", "other"), UNEQUAL)
def test_unequal_formulas(symbols: SymbolicEquality, one: str, other: str) -> None:
    assert not symbols.same(one, other)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_unequal_to_everything_at_once(symbols: SymbolicEquality, text: str) -> None:
    started = time.monotonic()
    assert not symbols.same(text, "1")
    assert time.monotonic() - started < 5


def test_a_comparison_that_takes_too_long_is_ended_and_the_next_one_works() -> None:
    with SymbolicEquality() as symbols:
        assert symbols.same("1", "1")
        symbols._seconds = 0.001
        slow = "+".join(f"sin(x+{at})^9" for at in range(20))
        assert not symbols.same(slow, slow.replace("+", "-"))
        symbols._seconds = 20
        assert symbols.same("2", "1+1")


def test_a_process_that_was_ended_is_replaced() -> None:
    with SymbolicEquality(20) as symbols:
        assert symbols.same("1", "1")
        assert symbols._process
        symbols._process.kill()
        symbols._process.wait()
        assert not symbols.same("1", "1")
        assert symbols.same("1", "1")


@given(st.text(alphabet="x1.+-*/^_(){}[]|\\=,! fracsqrtlogin", max_size=40))
def test_any_text_is_a_tree_or_no_formula(text: str) -> None:
    try:
        tree_of(text)
    except NoFormula:
        return


def test_trees() -> None:
    assert tree_of(r"\frac{1}{2}x") == ["*", ["/", "1", "2"], "x"]
    assert tree_of("2^-1") == ["^", "2", ["neg", "1"]]
    assert tree_of(r"\log_2 n") == ["log", "n", "2"]
    assert not same("process", "process")
