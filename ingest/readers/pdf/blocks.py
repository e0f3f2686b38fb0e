"""Rows of a page → headings, paragraphs, lists, code, tables and captions. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from core.types import BlockKind
from ingest.readers.pdf.layout import Row, leading_of
from ingest.readers.pdf.lines import (
    BULLET,
    DASHES,
    code_text,
    ends_sentence,
    is_caption,
    is_full,
    join_lines,
    marker_kind,
    marker_of,
)
from ingest.readers.pdf.tables import is_contents_line, markdown, table_at
from ingest.readers.text_builder import Piece

_CHAPTER = re.compile(
    r"^(?:(?:chapter|part|appendix|lecture|unit|section)\s*)?[\dIVXLCA-Z]{1,4}\.?$|^第\s*\S{1,4}\s*[章讲講课課篇編编部卷单單元節节]+$",
    re.I,
)
_NUMBER = re.compile(r"^(?:第\s*\S{1,4}\s*[章节節讲課课]|\d+(?:\.\d+)+(?=[\s\u4e00-\u9fff])|\d+\.?\s|chapter\s)", re.I)


@dataclass(frozen=True, slots=True)
class Style:
    """How the book is set. leading: line distance in em; indents: paragraphs begin indented.

    compounds: hyphenated words seen inside lines, in lower case, which keep their hyphen at a line end.
    """

    leading: float = 1.5
    indents: bool = False
    compounds: frozenset[str] = frozenset()


def style_of(pages: Sequence[Sequence[Row]]) -> Style:
    """The style of a whole book."""
    steps = sorted(step for step in map(leading_of, pages) if step)
    pairs = [pair for rows in pages for pair in pairwise(rows)]
    opened = sum(
        0.8 * b.size < a.x0 - b.x0 < 4 * b.size and abs(b.x0 - b.left) < 0.5 * b.size and is_full(a)
        for a, b in pairs
        if a.column == b.column
    )
    texts = [row.text for rows in pages for row in rows if "-" in row.text]
    words = {word.lower() for text in texts for word in re.findall(r"[A-Za-z]+-[A-Za-z]+", text)}
    leading = steps[len(steps) // 2] if steps else 1.5
    return Style(leading, opened >= max(2, 0.03 * len(pairs)), frozenset(words))


def page_blocks(
    rows: Sequence[Row], levels: Mapping[int, int], style: Style, before: Row | None, *, noisy: bool = False
) -> tuple[list[Piece], Row | None]:
    """The blocks of a page, and its last row if that is a paragraph's (the next page may go on with it).

    levels: heading level by row; before: the last row of the page before, if it was a paragraph's;
    noisy: sizes come from recognised boxes.
    """
    return _Reader(rows, levels, style, before, 0.26 if noisy else 0.13).read()


class _Reader:
    """Walks over the rows of one page once."""

    def __init__(
        self, rows: Sequence[Row], levels: Mapping[int, int], style: Style, before: Row | None, slack: float
    ) -> None:
        self._rows, self._levels, self._style, self._before = rows, levels, style, before
        self._slack = slack  # difference in size at which a line is of other type
        self._leading = leading_of(rows) or style.leading

    def read(self) -> tuple[list[Piece], Row | None]:
        pieces: list[Piece] = []
        at = 0
        while at < len(self._rows):
            piece, at = self._take(at)
            pieces.append(piece)
        ends_open = pieces and pieces[-1].kind is BlockKind.paragraph
        return pieces, self._rows[-1] if ends_open else None

    def _take(self, at: int) -> tuple[Piece, int]:
        if at in self._levels:
            return self._heading(at)
        if self._rows[at].table:
            cells = [[join_lines(lines, self._style.compounds) for lines in row] for row in self._rows[at].table]
            return Piece(BlockKind.table, markdown(cells)), at + 1
        if self._is_code(at):
            return self._code(at)
        table = table_at(self._rows[: self._next_mark(at)], at)
        if table:
            return Piece(table[0], table[1]), table[2]
        if is_caption(self._rows[at]):
            stop = self._run_on(at, 4)
            return Piece(BlockKind.caption, self._join(at, stop)), stop
        if marker_of(self._rows[at]) or is_contents_line(self._rows[at]):
            taken = self._list(at)
            if taken:
                return taken
        stop = self._run_on(at, len(self._rows))
        continues = at == 0 and self._before is not None and self._flows(self._before, self._rows[0])
        return Piece(BlockKind.paragraph, self._join(at, stop), continues=continues), stop

    def _next_mark(self, at: int) -> int:
        """The row of the next heading or ruled table."""
        return next(
            (k for k in range(at + 1, len(self._rows)) if k in self._levels or self._rows[k].table), len(self._rows)
        )

    def _join(self, start: int, stop: int) -> str:
        return join_lines([row.text for row in self._rows[start:stop]], self._style.compounds)

    def _heading(self, at: int) -> tuple[Piece, int]:
        rows, levels = self._rows, self._levels
        level, stop = levels[at], at + 1
        while stop < len(rows) and stop in levels and rows[stop].column == rows[at].column:
            label = _CHAPTER.match(join_lines([row.text for row in rows[at:stop]]))
            wrapped = (
                levels[stop] == level
                and abs(rows[stop].size - rows[stop - 1].size) < 0.06 * rows[stop].size
                and 0 < rows[stop].middle - rows[stop - 1].middle < 2 * rows[stop].size
                and not _NUMBER.match(rows[stop].text)
            )
            if not (wrapped or label) or stop - at >= 4:
                break
            level = min(level, levels[stop])
            stop += 1
        return Piece(BlockKind.heading, self._heading_text(at, stop), level), stop

    def _heading_text(self, at: int, stop: int) -> str:
        text = self._join(at, stop)
        first = self._rows[at].text.strip()
        if stop > at + 1 and _CHAPTER.match(first):
            return f"{first} {self._join(at + 1, stop)}"
        return text

    def _is_code(self, at: int) -> bool:
        return at < len(self._rows) and self._rows[at].mono and at not in self._levels

    def _code(self, at: int) -> tuple[Piece, int]:
        rows, stop = self._rows, at + 1
        while stop < len(rows) and stop not in self._levels and rows[stop].column == rows[at].column:
            # A line of Chinese comment between lines of code is code.
            between = self._is_code(stop + 1) and any(cell.mono for cell in rows[stop].cells)
            if not (self._is_code(stop) or between):
                break
            stop += 1
        return Piece(BlockKind.code, code_text(rows[at:stop], self._leading)), stop

    def _list(self, at: int) -> tuple[Piece, int] | None:
        rows, items, stop = self._rows, [[self._rows[at]]], at + 1
        while stop < len(rows) and stop not in self._levels and not (self._is_code(stop) or rows[stop].table):
            row, above = rows[stop], rows[stop - 1]
            close = row.column != above.column or 0 < row.middle - above.middle < 3 * self._leading * row.size
            if close and self._is_item(items, row):
                items.append([row])
            elif self._goes_on(items[-1][0], above, row):
                items[-1].append(row)
            else:
                break
            stop += 1
        marker = marker_of(rows[at])
        if len(items) == 1 and (marker[:1] in DASHES or not BULLET.match(rows[at].text.lstrip())):
            return None
        lines = [join_lines([row.text for row in item], self._style.compounds) for item in items]
        # Bullets of symbol fonts have private code points, which mean nothing outside the font.
        lines = [re.sub("^[\uf000-\uf0ff]\\s*", "• ", line) for line in lines]
        return Piece(BlockKind.list, "\n".join(lines)), stop

    def _is_item(self, items: list[list[Row]], row: Row) -> bool:
        """Whether `row` begins another item: marked like one before it, or set further in."""
        kind, kinds = marker_kind(row), {marker_kind(item[0]) for item in items}
        return bool(kind) and (kind in kinds or row.x0 > items[0][0].x0 + 0.5 * row.size)

    def _goes_on(self, first: Row, above: Row, row: Row) -> bool:
        """Whether `row` goes on with the list item whose marker stands in `first`."""
        em = row.size
        if abs(row.size - above.size) > self._slack * em or is_contents_line(above):
            return False
        if row.column != above.column:
            return is_full(above) and not ends_sentence(above.text)
        step = (row.middle - above.middle) / em
        if step > 1.35 * self._leading + 0.05:
            return False
        # A long word that goes to the next line leaves a gap, but not half a line.
        wrapped = not ends_sentence(above.text) and above.x1 > above.left + 0.6 * (above.right - above.left)
        if not (is_full(above) or wrapped):
            return False
        if row.x0 > first.x0 + 0.5 * em:
            return row.x0 < first.x0 + 6 * em
        # Chinese items are indented in their first line only.
        return first.x0 > first.left + 0.8 * em or not ends_sentence(above.text)

    def _run_on(self, at: int, most: int) -> int:
        """The row after the paragraph that begins at row `at`."""
        stop = at + 1
        while stop < min(len(self._rows), at + most) and not self._starts_other(stop):
            if self._breaks(self._rows[stop - 1], self._rows[stop], first=stop - 1 == at):
                break
            stop += 1
        return stop

    def _starts_other(self, at: int) -> bool:
        row, above = self._rows[at], self._rows[at - 1]
        if at in self._levels or self._is_code(at) or row.table:
            return True
        ended = ends_sentence(above.text) or not is_full(above)
        if len(row.parts) > 1 and table_at(self._rows[: self._next_mark(at)], at):
            return True
        if ended and is_caption(self._rows[at]):
            return True
        clear = bool(BULLET.match(row.text)) and row.text[0] not in DASHES
        return bool(marker_of(row)) and (ended or clear)

    def _breaks(self, above: Row, row: Row, *, first: bool) -> bool:
        """Whether a new paragraph begins with `row`; first: `above` is the paragraph's first row."""
        if above.column != row.column:
            return not self._flows(above, row)
        em, step = row.size, row.middle - above.middle
        if abs(above.size - em) > self._slack * em:
            return True
        if step > (1.35 * self._leading + 0.05) * max(em, above.size):
            return True
        indent, closed = row.x0 - above.x0, ends_sentence(above.text)
        if indent > 0.8 * em:
            return closed or not is_full(above)
        if indent < -0.8 * em:
            return indent < -6 * em or not is_full(above) or (closed and not first)
        if is_full(above):
            return False
        return closed or (above.x1 < (above.left + above.right) / 2 and not row.text[:1].islower())

    def _flows(self, above: Row, row: Row) -> bool:
        """Whether a paragraph goes on over the end of a column or page."""
        em = row.size
        if abs(above.size - em) > self._slack * em or marker_of(row) or not is_full(above):
            return False
        if row.x0 > row.left + 0.8 * em:
            return False
        return self._style.indents or not ends_sentence(above.text)
