"""DOCX, EPUB, HTML, reStructuredText, ODT, LaTeX and Jupyter notebooks, through pandoc.

Pandoc turns each of them into one syntax tree, with OMML and MathML formulas as LaTeX. Walking the
tree, rather than its Markdown output, keeps the text free of Markdown escapes.
"""

import json
import subprocess
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pypandoc

from core.errors import UnreadableBookError
from core.types import BlockKind, ExtractedBook
from ingest.readers.context import ReaderContext
from ingest.readers.html import epub_without_hidden, without_hidden
from ingest.readers.text import decode
from ingest.readers.text_builder import TextBuilder, paragraph_kind

FORMATS = {
    ".docx": "docx", ".epub": "epub", ".odt": "odt", ".ipynb": "ipynb", ".tex": "latex",
    ".rst": "rst", ".html": "html", ".htm": "html", ".xhtml": "html",
}  # fmt: skip
Node = dict[str, Any]


def read_pandoc(path: Path, context: ReaderContext) -> ExtractedBook:
    """Read a file whose suffix is in `FORMATS`; one page without a number.

    Raises UnreadableBookError with pandoc's own words when it cannot be read.
    """
    form = FORMATS[path.suffix.lower()]
    source = _without_hidden(path, form)
    # The memory bound makes a document that explodes fail with a message instead of a kill.
    command = [pypandoc.get_pandoc_path(), "+RTS", "-M1500m", "-RTS", "--sandbox", "-f", form, "-t", "json"]
    command += [] if source is not None else [str(path)]
    done = subprocess.run(command, input=source, capture_output=True, check=False)
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().splitlines() or ["pandoc failed without a word"]
        raise UnreadableBookError(
            f"{path.name} is not a readable {form} file: {reason[-1][:200]}",
            mend="open it in the program that made it and save it again",
        )
    tree = json.loads(done.stdout)
    walker = _Walker()
    walker.blocks(tree["blocks"])
    title = _inlines(tree["meta"].get("title", {}).get("c", [])) if _has_title(tree) else None
    return walker.builder.build(title=title or None)


def _without_hidden(path: Path, form: str) -> bytes | None:
    """What pandoc reads in place of the file; None: the file itself."""
    if form == "html":
        return without_hidden(decode(path)).encode()
    if form != "epub":
        return None
    try:
        return epub_without_hidden(path)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise UnreadableBookError(
            f"{path.name} is not a readable epub file: {error}", mend="it may be cut short: copy it again"
        ) from error


def _has_title(tree: Node) -> bool:
    return bool(tree["meta"].get("title", {}).get("t") == "MetaInlines")


class _Walker:
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
                add(BlockKind.heading, " ".join(_inlines(content[2]).split()), level=min(content[0], 6))
            case "Para" | "Plain":
                add(_paragraph_kind(content), _inlines(content))
            case "CodeBlock":
                add(BlockKind.code, content[1])
            case "BulletList" | "OrderedList":
                kind = BlockKind.contents if _only_links(tag, content) else BlockKind.list
                add(kind, _list(tag, content, depth=0))
            case "DefinitionList":
                add(BlockKind.list, _definitions(content))
            case "Table":
                self._table(content)
            case "LineBlock":
                add(BlockKind.paragraph, "\n".join(_inlines(line) for line in content))
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
        heads = [_row(row) for row in head[1]]
        rows = [_row(row) for body in bodies for part in (body[2], body[3]) for row in part]
        rows += [_row(row) for row in foot[1]]
        lines = heads or [[""] * len(columns)]
        table = [*lines[:1], ["---"] * max(len(columns), 1), *lines[1:], *rows]
        self.builder.add(BlockKind.table, "\n".join("| " + " | ".join(row) + " |" for row in table))


def _paragraph_kind(inlines: list[Node]) -> BlockKind:
    visible = [node for node in inlines if node["t"] not in {"Space", "SoftBreak", "LineBreak"}]
    if visible and all(node["t"] == "Math" and node["c"][0]["t"] == "DisplayMath" for node in visible):
        return BlockKind.formula
    if visible and all(node["t"] == "Image" for node in visible):
        return BlockKind.caption
    return paragraph_kind(_inlines(inlines))


def _row(row: Any) -> list[str]:
    cells: list[str] = []
    for _, _, _, span, blocks in row[1]:
        cells.append(_flat(blocks).replace("|", "\\|"))
        cells += [""] * (span - 1)
    return cells


def _flat(blocks: Iterable[Node]) -> str:
    """Blocks on one line: a table cell, a caption."""
    walker = _Walker()
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
    first, items = (content[0][0], content[1]) if tag == "OrderedList" else (0, content)
    lines: list[str] = []
    for number, item in enumerate(items, first):
        mark = f"{number}. " if tag == "OrderedList" else "- "
        indent, inside = " " * (3 * depth), " " * (3 * depth + 3)
        body: list[str] = []
        for node in item:
            if node["t"] in {"BulletList", "OrderedList"}:
                body += _list(node["t"], node["c"], depth + 1).split("\n")
            else:
                inner = _Walker()
                inner.blocks([node])
                body += [inside + line for line in inner.builder.build().text.split("\n")]
        lines += [indent + mark + "".join(body[:1]).removeprefix(inside), *body[1:]]
    return "\n".join(line for line in lines if line.strip())


def _definitions(content: Any) -> str:
    return "\n".join(f"- {_inlines(term)}: {' '.join(_flat(d) for d in definitions)}" for term, definitions in content)


def _inlines(nodes: Iterable[Node]) -> str:
    return "".join(_inline(node["t"], node.get("c")) for node in nodes)


def _inline(tag: str, content: Any) -> str:
    match tag:
        case "Str":
            return str(content)
        case "Space":
            return " "
        case "SoftBreak":
            return "\n"
        case "LineBreak":
            return "\n"
        case "Math":
            tex = content[1].strip()
            return f"$${tex}$$" if content[0]["t"] == "DisplayMath" else f"${tex}$"
        case "Code":
            return f"`{content[1]}`"
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
