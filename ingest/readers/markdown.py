"""Markdown, plain or with MkDocs admonitions: the extracted text is the file itself.

Because nothing is rewritten, offsets of chunks and citations are offsets into the file.
"""

import re
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.front_matter import front_matter_plugin

from core.text import heading_title, plain
from core.types import Block, BlockKind, ExtractedBook, Page
from ingest.readers.context import ReaderContext
from ingest.readers.html import without_hidden
from ingest.readers.text import decode
from ingest.readers.text_builder import paragraph_kind, visible

_KINDS = {
    "heading_open": BlockKind.heading,
    "paragraph_open": BlockKind.paragraph,
    "blockquote_open": BlockKind.paragraph,
    "bullet_list_open": BlockKind.list,
    "ordered_list_open": BlockKind.list,
    "table_open": BlockKind.table,
    "fence": BlockKind.code,
    "code_block": BlockKind.code,
    "math_block": BlockKind.formula,
    "math_block_label": BlockKind.formula,
    "html_block": BlockKind.paragraph,
}
_ADMONITION = re.compile(r"^(?:!!!|\?\?\?\+?|===)\s")
_LINK_ITEM = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+(?:\*\*)?\[[^\]]+\]\([^)]*\)(?:\*\*)?\s*$")
_ONLY_IMAGES = re.compile(r"^(?:\s*!\[[^\]]*\]\([^)]*\)(\{[^}]*\})?)+\s*$")


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"maxNesting": 40}).enable("table")
    return parser.use(front_matter_plugin).use(dollarmath_plugin, double_inline=True)


def read_markdown(path: Path, context: ReaderContext) -> ExtractedBook:
    """Read one Markdown file; raises UnreadableBookError when it is not text."""
    return parse_markdown(visible(decode(path)))


def parse_markdown(text: str) -> ExtractedBook:
    """Blocks of `text`; `text` itself is the extracted text, one page without a number."""
    lines = text.split("\n")
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line) + 1)
    blocks: list[Block] = []
    for token in _parser().parse("\n".join(_without_admonitions(lines))):
        if token.level == 0 and token.map and token.type in _KINDS:
            first, last = token.map
            block = _block(token, text, offsets[first], min(offsets[last] - 1, len(text)))
            if block:
                blocks.append(block)
    title = next((heading_title(text[b.start : b.end]) for b in blocks if b.kind is BlockKind.heading), None)
    return ExtractedBook(text, (Page(None, None, 0, len(text)),), tuple(blocks), title)


def _block(token: Token, text: str, start: int, end: int) -> Block | None:
    raw = text[start:end]
    start += len(raw) - len(raw.lstrip("\n"))
    raw = raw.strip("\n").rstrip()
    kind, level = _KINDS[token.type], 0
    if kind is BlockKind.heading:
        level = int(token.tag[1])
    elif token.type == "html_block":
        if not plain(without_hidden(raw)):
            return None
        kind = BlockKind.table if "<table" in raw.lower() else BlockKind.paragraph
    elif kind is BlockKind.paragraph and _ONLY_IMAGES.match(raw):
        kind = BlockKind.caption
    elif token.type == "paragraph_open":
        kind = paragraph_kind(raw)
    elif kind is BlockKind.list and all(_LINK_ITEM.match(line) for line in raw.split("\n") if line.strip()):
        kind = BlockKind.contents
    if not plain(raw):
        return None
    return Block(kind, start, start + len(raw), level)


def _without_admonitions(lines: list[str]) -> list[str]:
    """The same number of lines, the bodies of admonitions and tabs moved to the margin.

    Only line numbers are taken from the parse, so the shift does not touch any offset.
    """
    result: list[str] = []
    inside = False
    for line in lines:
        if _ADMONITION.match(line):
            inside = True
        elif inside and line.strip() and not line.startswith("    "):
            inside = False
        result.append(line[4:] if inside and line.startswith("    ") else line)
    return result
