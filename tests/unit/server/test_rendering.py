"""Markdown as HTML: what it looks like, and that nothing in it runs or fetches."""

import re
import time
from html.parser import HTMLParser

import pytest
from hostile_texts import PAYLOADS

from server.rendering.formulas import mathml
from server.rendering.markdown import html_of

MATHML = {"math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mfrac", "msqrt", "mroot", "msub", "msup", "msubsup"} | {
    "munder", "mover", "munderover", "mtable", "mtr", "mtd", "mstyle", "mpadded", "mphantom", "menclose"
}  # fmt: skip
HTML = {"p", "br", "em", "strong", "s", "code", "pre", "ul", "ol", "li", "blockquote", "hr", "a", "span", "div"} | {
    "h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"
}  # fmt: skip
FORMS = ["{}", "死锁 {} 是", "- {}", "| a |\n| --- |\n| {} |", "[{}](http://a.example)", "$${}$$"]
SIGNS = ["[", "![", "**", "`", "$", "$$", r"\(", r"\[", "<", "> ", "- ", "|a", "[a](", "_a_ ", "\n1. ", "~~", "&#"]
ATTRIBUTES = {"class", "start", "href", "rel", "target"}


class Elements(HTMLParser):
    """Every element of a page, with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize(
    "form", ["{}", "死锁 {} 是", "- {}", "| a |\n| --- |\n| {} |", "[{}](http://a.example)", "$${}$$"]
)
def test_only_harmless_elements_and_attributes_come_out(payload: str, form: str) -> None:
    for tag, attributes in Elements(html_of(form.format(payload))).found:
        assert tag in HTML | MATHML, (tag, attributes)
        if tag in MATHML:
            assert not {name for name in attributes if name.startswith("on") or name in {"href", "style", "src"}}
            continue
        assert set(attributes) <= ATTRIBUTES, (tag, attributes)
        if "href" in attributes:
            assert re.match(r"https?://", attributes["href"] or ""), attributes
            assert attributes["target"] == "_blank" and "noopener" in (attributes["rel"] or "")


def test_marks_of_markdown_become_elements() -> None:
    html = html_of("# 死锁\n\n**互斥** ~~x~~\n\n3. 三\n4. 四\n\n| a | b |\n| --- | ---: |\n| 1 | 2 |")
    for part in ("<h1>死锁</h1>", "<strong>互斥</strong>", "<s>x</s>", '<ol start="3">', "<td>1</td>"):
        assert part in html
    assert '<td class="right">2</td>' in html and "style=" not in html


def test_a_marker_stays_text_whatever_is_defined() -> None:
    html = html_of("见[1][2]。\n\n[1]: http://a.example")
    assert "见[1][2]。" in html and "<a" not in html


def test_a_picture_is_its_text_and_a_link_says_where_it_leads() -> None:
    assert html_of("![图 1](http://a.example/x.png)") == '<p><span class="picture">[图 1]</span></p>\n'
    html = html_of("[书](https://a.example/b)")
    assert 'href="https://a.example/b"' in html and "(https://a.example/b)" in html
    assert html_of("<https://a.example/b>").count("https://a.example/b") == 2
    assert html_of("[这里](/docs)") == "<p>这里</p>\n"


@pytest.mark.parametrize(
    ("markdown", "parts"),
    [
        (r"$\frac{1}{n}$", ["<mfrac>", "<mn>1</mn>", "<mi>n</mi>"]),
        ("$$\n\\sum_{i=1}^{n} C_i\n$$", ['display="block"', "<munderover>", "∑"]),
        (r"$O(n\log n)$", ["<mi>n</mi><mspace", "<mi>log</mi><mspace"]),
        (r"\(a^2\)", ["<msup>", "<mi>a</mi>", "<mn>2</mn>"]),
        (r"\[ \sqrt{x} \]", ["<msqrt>", 'display="block"']),
        (r"$$\begin{aligned}a&=b\\c&=d\end{aligned}$$", ["<mtable", "<mtr>", "<mi>d</mi>"]),
        (r"$$\begin{pmatrix}1&2\\3&4\end{pmatrix}$$", ["<mtable>", "<mn>4</mn>"]),
    ],
)
def test_formulas_become_mathml(markdown: str, parts: list[str]) -> None:
    html = html_of(markdown)
    for part in parts:
        assert part in html
    assert "$" not in html and "\\" not in html


@pytest.mark.parametrize("latex", [r"\frac{", r"\left(", r"}{", r"\begin{x}", "^" * 50, "{" * 3000, r"\def\a{\a\a}\a"])
def test_what_is_no_formula_is_shown_as_it_is(latex: str) -> None:
    html = mathml(latex, block=True)
    assert html.startswith(('<code class="formula">', "<math"))
    assert "<code" in html or len(html) < 20_000


def test_macros_that_grow_are_not_followed() -> None:
    bomb = "".join(rf"\newcommand{{\{chr(98 + at)}}}{{\{chr(97 + at) * 1}\{chr(97 + at)}}}" for at in range(20))
    assert mathml(rf"\newcommand{{\a}}{{xx}}{bomb}\u", block=False).startswith("<code")


def test_amounts_of_money_are_no_formulas() -> None:
    assert "<math" not in html_of("It costs $5 or $6, not $7.")


def test_words_of_a_program_are_marked_where_its_language_is_known() -> None:
    assert 'class="code-kt"' in html_of("```c\nint x = 1;\n```")
    assert html_of("```nonesuch\na < b\n```") == "<pre><code>a &lt; b\n</code></pre>\n"


@pytest.mark.parametrize("unit", [*SIGNS, "```c\n"])
def test_the_longest_text_of_any_sign_is_rendered_in_bounded_time(unit: str) -> None:
    start = time.process_time()
    html_of(unit * (32_000 // len(unit)))
    assert time.process_time() - start < 30
