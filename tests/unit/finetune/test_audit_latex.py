import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.audit.formulas import faults, words_around
from finetune.audit.latex import latex
from finetune.audit.rows import rows_of
from finetune.conversations import Conversation, Exchange

WELL_FORMED = [
    "由 $f(x)=\\frac{1}{2}x^{2}$ 得 $f'(x)=x$。",
    "$$\n\\begin{array}{c}{{I=\\int_{1}^{2}\\mathrm{d}y}}\\\\ {{=\\pi.}}\\end{array}\n$$",
    "\\[ \\left\\{ x \\mid x>0 \\right\\} \\] 与 \\( [0, 1) \\)",
    "\\begin{equation} a \\\\ b \\end{equation}",
    "区间 $[0,1)$ 和 $\\left(0,1\\right]$，集合 $\\{1,2\\}$。",
    "It costs $5, not $6; set $HOME/bin:$PATH and C:\\new\\text.",
    "`\\frac{1` 是命令，\n```\n\\begin{x}\n```\n不是公式。",
    "矩阵 $A$、$n!$、$c[u]$、$a,b$ 与 $k-1$。",
    "$I_1=\\iint_D x,\nI_2=\\iint_D y$ 其中",
    "$\\text{NAME(} u \\text{)}$",
    "$\\int f(x) \\mathrm{~d} x$",
    "没有公式。",
]
BROKEN = [
    ("$\\frac{1}{2$", "{ without }"),
    ("$x}^2$", "} without {"),
    ("$\\left( x )$", "\\left without \\right"),
    ("$( x \\right)$", "\\right without \\left"),
    ("$$\\begin{aligned} x$$", "\\begin without its \\end"),
    ("$$x \\end{aligned}$$", "\\end without its \\begin"),
    ("$$\\begin{array}{c} x \\end{aligned}$$", "\\end without its \\begin"),
    ("由 $x^2 得", "a $ without its partner"),
    ("设 a_{n}=\\frac{3}{2}, 则", "formulas without $…$ around them"),
    ("解 \\\\ x=\\sqrt{2}", "line breaks \\\\ outside a formula"),
    ("则 n=( ).\\A. 4\\B. 3", "a single \\ before an option"),
    ("$x$ \\frac{1}{2} .\\\\\\由已知", "a \\ before a Chinese character"),
    ("$\\sqrt{\\cos(x^{2}+y^{2}})$", "a bracket is opened inside {…} and closed outside"),
    ("\x0crac{1}{2}", "a JSON escape swallowed the beginning of a command"),
    ("$a \times b$", "a JSON escape swallowed the beginning of a command"),
]
UGLY = [
    ("$\\operatorname { l i m } x$", "blanks as OCR leaves them in a command"),
    ("$\\mathrm { ~d } x$", "blanks as OCR leaves them in a command"),
    ("$r = 2sin \\theta$", "the name of a function without \\"),
]


@pytest.mark.parametrize("text", WELL_FORMED)
def test_well_formed_latex_has_no_faults(text: str) -> None:
    assert faults(text) == []


@pytest.mark.parametrize(("text", "why"), BROKEN)
def test_broken_latex_is_named(text: str, why: str) -> None:
    found = faults(text)
    assert why in [fault.why for fault in found]
    assert not next(fault for fault in found if fault.why == why).style


@pytest.mark.parametrize(("text", "why"), UGLY)
def test_ugly_latex_is_a_matter_of_style(text: str, why: str) -> None:
    assert [(fault.why, fault.style) for fault in faults(text)] == [(why, True)]


def test_rows_with_broken_latex_are_counted_once() -> None:
    rows = rows_of(
        [Conversation((Exchange("求 \\frac{1}{2", "\\frac{1}{2"),)), Conversation((Exchange("$x$", "好"),))], "train"
    )
    (found,) = latex(rows)
    assert (found.check, found.severity, found.count, found.share) == ("latex", "warning", 1, 0.5)


def test_words_around_formulas() -> None:
    assert words_around("设 $x=1$，则 \\begin{array}{l}\\alpha 成立").split() == ["设", "，则", "成立"]


FORMULA = st.recursive(
    st.sampled_from(["x", "1", "\\alpha", "\\{", "a+b", "[0,1)"]),
    lambda inner: st.one_of(
        st.builds("{{{}}}".format, inner),
        st.builds("\\frac{{{}}}{{{}}}".format, inner, inner),
        st.builds("\\left({}\\right)".format, inner),
        st.builds("\\begin{{cases}}{}\\\\{}\\end{{cases}}".format, inner, inner),
    ),
    max_leaves=6,
)


@given(FORMULA, st.sampled_from(["${}$", "$${}$$", "\\[{}\\]", "\\({}\\)"]))
def test_what_is_built_well_formed_has_no_faults(formula: str, around: str) -> None:
    assert faults("由 " + around.format(formula) + " 得证") == []


@given(FORMULA, st.sampled_from(["}", "\\right)", "\\end{cases}"]))
def test_one_sign_too_many_is_found(formula: str, more: str) -> None:
    assert faults(f"由 ${formula}{more}$ 得证")


@given(st.text(alphabet="\\{}$()[]AB中 x\n&_^", max_size=60))
def test_any_text_can_be_examined(text: str) -> None:
    faults(text)
