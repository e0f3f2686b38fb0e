"""Builds the text of a book block by block, so that offsets are right by construction."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from core.text import title_line, without_invisible
from core.types import Block, BlockKind, ExtractedBook, OcrPage, Page

BETWEEN_BLOCKS = "\n\n"


_CAPTION = re.compile(
    r"^\W{0,3}(?:图|表|算法|代码|(?i:Table|Figure|Fig\.|Listing|Algorithm))"
    r"\s*(?:[A-Z]?[0-9]+[A-Za-z]?|[A-Z]{1,5})(?:[-–.．][0-9]+)*[\s.:：、]"
)
_LONGEST_CAPTION = 80
_NUMBERED_HEADING = re.compile(
    r"(?:(?P<chapter>第[0-9一二三四五六七八九十百]{1,4}[章篇])|第[0-9一二三四五六七八九十百]{1,4}节|[一二三四五六七八九十]{1,3}、)"
    r"\s*[^。！？；：，,;:\n]{1,28}"
)


def paragraph_kind(text: str) -> BlockKind:
    """`caption` for a short line such as 「表 3-1 各级存储器的比较」, else `paragraph`."""
    line = text.strip()
    short = len(line) <= _LONGEST_CAPTION and "\n" not in line and not line.endswith(("。", "；", ";"))
    return BlockKind.caption if short and _CAPTION.match(line + " ") else BlockKind.paragraph


@dataclass(frozen=True, slots=True)
class Piece:
    """A block before it has a place. `level` and `continues` as in Block."""

    kind: BlockKind
    text: str
    level: int = 0
    continues: bool = False


def letters(text: str) -> int:
    """How many letters and digits `text` has; a Chinese character is one."""
    return sum(character.isalnum() for character in text)


def pipe_table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose first row is its head; "" where no cell holds text. Short rows are filled up."""
    width = max((len(row) for row in rows), default=0)
    if not any(cell.strip() for row in rows for cell in row):
        return ""
    lines = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in rows]
    lines = [row + [""] * (width - len(row)) for row in lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in [lines[0], ["---"] * width, *lines[1:]])


def visible(text: str) -> str:
    """`text` without characters that nobody sees and that would break search and quotes."""
    # pdfium yields U+FFFE for soft hyphens.
    return without_invisible(text.replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " "))


def _with_numbered_headings(text: str, blocks: list[Block]) -> list[Block]:
    """Short lines such as 「二、散列函数的构造」 become headings, though set like the body.

    Where the next block begins in the same way too, they are the items of an enumeration.
    """
    numbered = [
        block.kind is BlockKind.paragraph and _NUMBERED_HEADING.fullmatch(text[block.start : block.end])
        for block in blocks
    ]
    deepest = max((block.level for block in blocks if block.kind is BlockKind.heading), default=0)
    return [
        replace(block, kind=BlockKind.heading, level=1 if match["chapter"] else min(deepest + 1, 6))
        if (match := numbered[at]) and not block.continues and at + 1 < len(blocks) and not numbered[at + 1]
        else block
        for at, block in enumerate(blocks)
    ]


class TextBuilder:
    """Collects pages and blocks in reading order.

    A format without pages never calls `start_page`: all its text is one page without a number.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._pages: list[tuple[int | None, str | None, int]] = []

    def start_page(self, number: int, label: str | None) -> None:
        """Blocks added from now on stand on page `number` (1-based), printed `label`."""
        self._pages.append((number, title_line(label or "") or None, self._length))

    def add(self, kind: BlockKind, text: str, *, level: int = 0, continues: bool = False) -> None:
        """Append a block; blank text adds nothing. `level` is 1 to 6 for headings."""
        text = visible(text).strip("\n").rstrip()
        if not text.strip():
            return
        if self._blocks:
            self._parts.append(BETWEEN_BLOCKS)
            self._length += len(BETWEEN_BLOCKS)
        start = self._length
        self._parts.append(text)
        self._length += len(text)
        self._blocks.append(Block(kind, start, self._length, level, continues))

    def add_all(self, pieces: Iterable[Piece]) -> None:
        """Append each of `pieces`."""
        for piece in pieces:
            self.add(piece.kind, piece.text, level=piece.level, continues=piece.continues)

    def build(
        self,
        *,
        title: str | None = None,
        ocr: tuple[OcrPage, ...] = (),
        notes: tuple[str, ...] = (),
    ) -> ExtractedBook:
        """The finished book. Page `k` runs from its first block to the start of page `k + 1`.

        Without a `title`, the first heading of the first level is the title.
        """
        starts = self._pages or [(None, None, 0)]
        ends = [start for _, _, start in starts[1:]] + [self._length]
        pages = tuple(
            Page(number, label, start, max(start, end))
            for (number, label, start), end in zip(starts, ends, strict=True)
        )
        text = "".join(self._parts)
        self._blocks = _with_numbered_headings(text, self._blocks)
        top = next((b for b in self._blocks if b.kind is BlockKind.heading and b.level == 1), None)
        if not title and top:
            title = text[top.start : top.end]
        return ExtractedBook(text, pages, tuple(self._blocks), title or None, ocr, notes)
