"""Pandoc's syntax tree as blocks of a book.

Walking the tree, rather than pandoc's Markdown output, keeps the text free of Markdown escapes.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from core.types import BlockKind
from ingest.readers.html import SHIELD
from ingest.readers.text_builder import TextBuilder, paragraph_kind, pipe_table

Node = dict[str, Any]
_HAN = "\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
_HAN_OR_MARK = f"{_HAN}“”‘’…—"
_UNSHIELD = {ord(mark): chr(code) for code, mark in SHIELD.items()}
_BREAK = "\ufdd2"  # never a character; see SHIELD
_NO_SPACE = re.compile(
    f"(?<=[{_HAN}]){_BREAK}(?=[{_HAN_OR_MARK}])|(?<=[{_HAN_OR_MARK}]){_BREAK}(?=[{_HAN}])|(?<=\n){_BREAK}|{_BREAK}(?=\n)"
)
_ROMAN = ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX")


def meta_text(tree: Node, name: str) -> str:
    """The inlines of a field of the document's metadata, "" without one."""
    field = tree["meta"].get(name, {})
    return inline_text(field["c"]) if field.get("t") == "MetaInlines" else ""


def image_targets(nodes: Any) -> list[str]:
    """Where the images below `nodes` point to, in reading order."""
    return [node["c"][2][0] for node in _nodes(nodes) if node["t"] == "Image"]


def _nodes(tree: Any) -> Iterator[Node]:
    if isinstance(tree, list):
        for part in tree:
            yield from _nodes(part)
    elif isinstance(tree, dict):
        yield tree
        yield from _nodes(tree.get("c"))


class TreeWalker:
    """Puts the blocks of a pandoc tree into a TextBuilder, in reading order."""

    def __init__(self) -> None:
        self.builder = TextBuilder()

    def blocks(self, nodes: Iterable[Node]) -> None:
        for node in nodes:
            self._block(node["t"], node.get("c"))

    def _block(self, tag: str, content: Any) -> None:
        add = self.builder.add
        match tag:
            case "Header":
                add(BlockKind.heading, " ".join(inline_text(content[2]).split()), level=min(content[0], 6))
            case "Para" | "Plain":
                add(_paragraph_kind(content), inline_text(content))
            case "CodeBlock":
                add(BlockKind.code, _unshielded(content[1]))
            case "BulletList" | "OrderedList":
                kind = BlockKind.contents if _only_links(tag, content) else BlockKind.list
                add(kind, _list(tag, content, depth=0))
            case "DefinitionList":
                add(BlockKind.list, _definitions(content))
            case "Table":
                self._table(content)
            case "LineBlock":
                add(BlockKind.paragraph, "\n".join(inline_text(line) for line in content))
            case "Figure":
                add(BlockKind.caption, _flat(content[1][1]))
                self.blocks(node for node in content[2] if node["t"] not in {"Plain", "Para"})
            case "BlockQuote":
                self.blocks(content)
            case "Div":
                self.blocks(content[1])
            case "RawBlock" | "HorizontalRule" | "Null":
                pass

    def _table(self, content: Any) -> None:
        _, caption, columns, head, bodies, foot = content
        self.builder.add(BlockKind.caption, _flat(caption[1]))
        heads = _grid(head[1], len(columns))
        rows = [row for body in bodies for part in (body[2], body[3]) for row in _grid(part, len(columns))]
        rows += _grid(foot[1], len(columns))
        self.builder.add(BlockKind.table, pipe_table(heads + rows))


def _paragraph_kind(inlines: list[Node]) -> BlockKind:
    visible = [node for node in inlines if node["t"] not in {"Space", "SoftBreak", "LineBreak"}]
    if visible and all(node["t"] == "Math" and node["c"][0]["t"] == "DisplayMath" for node in visible):
        return BlockKind.formula
    if visible and all(node["t"] == "Image" for node in visible):
        return BlockKind.caption
    return paragraph_kind(inline_text(inlines))


def _unshielded(text: str) -> str:
    return text.translate(_UNSHIELD)


def _grid(rows: Any, width: int) -> list[list[str]]:
    """The cells of a part of a table; a merged cell stands in its first place, the others are empty."""
    grid: list[list[str]] = []
    below: dict[int, int] = {}  # rows that a merged cell above still covers, by column
    for row in rows:
        cells = [""] * width
        column = 0
        for _, _, down, across, blocks in row[1]:
            while column < width and below.get(column, 0) > 0:
                below[column] -= 1
                column += 1
            if column < width:
                cells[column] = _flat(blocks)
            for covered in range(column, min(column + across, width)):
                below[covered] = down - 1
            column += across
        for covered in range(column, width):
            below[covered] = max(below.get(covered, 0) - 1, 0)
        grid.append(cells)
    return grid


def _flat(blocks: Iterable[Node]) -> str:
    """Blocks on one line: a table cell, a caption."""
    walker = TreeWalker()
    walker.blocks(blocks)
    return " ".join(walker.builder.build().text.split())


def _only_links(tag: str, content: Any) -> bool:
    """Whether every item of a list, at every depth, is a link and nothing more."""
    for item in content[1] if tag == "OrderedList" else content:
        for node in item:
            if node["t"] in {"BulletList", "OrderedList"}:
                if not _only_links(node["t"], node["c"]):
                    return False
            elif node["t"] not in {"Plain", "Para"} or [inline["t"] for inline in node["c"]] != ["Link"]:
                return False
    return True


def _list(tag: str, content: Any, depth: int) -> str:
    ordered = tag == "OrderedList"
    first, items = (content[0][0], content[1]) if ordered else (0, content)
    lines: list[str] = []
    for number, item in enumerate(items, first):
        mark = _mark(number, content[0][1]["t"], content[0][2]["t"]) if ordered else "- "
        indent, inside = " " * (3 * depth), " " * (3 * depth + 3)
        body: list[str] = []
        for node in item:
            if node["t"] in {"BulletList", "OrderedList"}:
                body += _list(node["t"], node["c"], depth + 1).split("\n")
            else:
                inner = TreeWalker()
                inner.blocks([node])
                body += [inside + line for line in inner.builder.build().text.split("\n")]
        lines += [indent + mark + "".join(body[:1]).removeprefix(inside), *body[1:]]
    return "\n".join(line for line in lines if line.strip())


def _mark(number: int, style: str, delimiter: str) -> str:
    """The mark of an item as it is printed: answers name options by their letters."""
    shown = str(number)
    if style in {"UpperAlpha", "LowerAlpha"} and number <= 26:
        shown = chr(ord("A") + number - 1)
    elif style in {"UpperRoman", "LowerRoman"} and number < 40:
        shown = "X" * (number // 10) + _ROMAN[number % 10]
    if style.startswith("Lower"):
        shown = shown.lower()
    return {"OneParen": f"{shown}) ", "TwoParens": f"({shown}) "}.get(delimiter, f"{shown}. ")


def _definitions(content: Any) -> str:
    return "\n".join(f"- {inline_text(term)}: {' '.join(map(_flat, meanings))}" for term, meanings in content)


def inline_text(nodes: Iterable[Node]) -> str:
    """The text of inlines. A line break of the source alone is a space, and nothing amid Chinese."""
    return _NO_SPACE.sub("", _inlines(nodes)).replace(_BREAK, " ")


def _inlines(nodes: Iterable[Node]) -> str:
    return "".join(_inline(node["t"], node.get("c")) for node in nodes)


def _inline(tag: str, content: Any) -> str:
    match tag:
        case "Str":
            return _unshielded(content)
        case "Space":
            return " "
        case "SoftBreak":
            return _BREAK
        case "LineBreak":
            return "\n"
        case "Math":
            tex = content[1].strip()
            return f"$${tex}$$" if content[0]["t"] == "DisplayMath" else f"${tex}$"
        case "Code":
            return f"`{_unshielded(content[1])}`"
        case "Strong" | "Emph" | "Underline" | "SmallCaps":
            return _inlines(content)
        case "Note":
            return f"（{_flat(content)}）"
        case "Strikeout" | "RawInline":
            return ""
        case "Superscript":
            return f"^{_inlines(content)}"
        case "Subscript":
            return f"_{_inlines(content)}"
        case "Quoted":
            left, right = ("“", "”") if content[0]["t"] == "DoubleQuote" else ("‘", "’")
            return left + _inlines(content[1]) + right
        case "Link" | "Image" | "Span" | "Cite":
            return _inlines(content[1])
    return ""
