"""Markdown as HTML that is safe to show: nothing in it runs, and nothing in it is fetched."""

import re
from collections.abc import Sequence
from html import escape
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from mdit_py_plugins.dollarmath import dollarmath_plugin

from core.text import without_invisible
from server.rendering.formulas import mathml
from server.rendering.programs import program

# Language models also write \( … \) and \[ … \]; a number in brackets is an escaped marker.
_BRACKETED = re.compile(r"\\\((?P<inline>.{1,2000}?)\\\)|\\\[(?!\d+\\\])(?P<display>.{1,4000}?)\\\]", re.DOTALL)
_ALIGNED = {"text-align:left": "left", "text-align:center": "center", "text-align:right": "right"}


def html_of(markdown: str) -> str:
    """HTML without scripts, styles, pictures, or addresses other than those of links to http and https.

    Raw HTML is shown as its source, a picture as the text that stands for it, a formula as MathML. Markers such as
    [1] stay as they are, also where the text defines a link of that name.
    """
    # Entities may stand for characters that nobody sees.
    return without_invisible(str(_parser().render(markdown)))


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": False}, renderer_cls=_Renderer)
    parser.enable(["table", "strikethrough"]).disable("reference")
    parser.use(dollarmath_plugin, allow_labels=False, allow_digits=False, double_inline=True, renderer=_formula)
    parser.inline.ruler.before("escape", "bracketed_formula", _bracketed)
    return parser


def _bracketed(state: StateInline, silent: bool) -> bool:
    found = _BRACKETED.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        token = state.push("math_inline" if found["inline"] else "math_inline_double", "math", 0)
        token.content = found["inline"] or found["display"]
    state.pos = found.end()
    return True


def _formula(latex: str, how: dict[str, Any]) -> str:
    return mathml(latex, block=bool(how.get("display_mode")))


class _Renderer(RendererHTML):
    """As the one of markdown-it, but for what could fetch, lead away or carry a style."""

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """A picture: its text in brackets."""
        alt = self.renderInlineAsText(tokens[idx].children or [], options, env).strip()
        return f'<span class="picture">[{escape(alt or "image")}]</span>'

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """A link to another site; of any other, the text alone."""
        address = _address(tokens[idx])
        return f'<a href="{escape(address)}" rel="noopener noreferrer nofollow" target="_blank">' if address else ""

    def link_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Behind the text of a link, where it leads."""
        opened = next(at for at in range(idx, -1, -1) if tokens[at].type == "link_open")
        address = _address(tokens[opened])
        if not address:
            return ""
        text = "".join(token.content for token in tokens[opened + 1 : idx])
        return "</a>" if text == address else f'</a> <span class="address">({escape(address)})</span>'

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """A program."""
        language = tokens[idx].info.strip().split(maxsplit=1)[0] if tokens[idx].info.strip() else ""
        return f"<pre><code>{program(tokens[idx].content, language)}</code></pre>\n"

    def td_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """A cell, aligned by a class: styles in attributes are not allowed on the page."""
        token = tokens[idx]
        aligned = _ALIGNED.get(str(token.attrGet("style") or ""))
        return f'<{token.tag} class="{aligned}">' if aligned else f"<{token.tag}>"

    th_open = td_open

    def ordered_list_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """A numbered list, from the number that it has in the text."""
        start = tokens[idx].attrGet("start")
        return f'<ol start="{int(start)}">\n' if start is not None else "<ol>\n"


def _address(token: Token) -> str:
    """Where a link leads, if a browser may follow it; else an empty string."""
    address = str(token.attrGet("href") or "")
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return address if parts.scheme in {"http", "https"} and parts.netloc else ""
