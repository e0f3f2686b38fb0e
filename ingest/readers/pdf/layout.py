"""Geometry of lines, pure: runs of text → rows of cells. `columns` puts them in reading order.

Lengths are in points (OCR boxes are scaled to points); y grows downwards. An em is a run's size.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

_CJK = re.compile("[\u2e80-\u303f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
_NEAR = 0.9  # em; runs closer than this belong together
_CELL, _PART = 1.5, 0.75  # em; runs further apart in a row are cells, or may be where rows line up
_WORD = 0.18  # em; a gap as wide as this is a space

Table = tuple[tuple[tuple[str, ...], ...], ...]  # the lines of each cell, row by row


class Run(NamedTuple):
    """Text on one line, without wide gaps. size: font size in points.

    mono: share of its characters (Chinese ones aside) in a monospaced font; spaced: a space stands before it.
    cell: number of the ruled grid and of the cell in it, where it stands in one.
    table: what a run that stands for a whole table holds.
    """

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    size: float
    mono: float = 0.0
    spaced: bool = False
    cell: tuple[int, int] | None = None
    table: Table = ()

    @property
    def middle(self) -> float:
        return (self.y0 + self.y1) / 2

    @property
    def at(self) -> float:
        """Where it stands in the order of reading: a table by its top."""
        return self.y0 if self.table else self.middle


class Row(NamedTuple):
    """A line as the eye sees it. left, right: edges of its column; column: which one on the page.

    cells: its text where wide gaps divide it; parts: where narrower gaps do, too.
    """

    cells: tuple[Run, ...]
    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    size: float
    mono: bool
    left: float
    right: float
    column: int = 0
    parts: tuple[Run, ...] = ()

    @property
    def middle(self) -> float:
        return (self.y0 + self.y1) / 2

    @property
    def table(self) -> Table:
        """The table that the row stands for, empty for a line of text."""
        return self.cells[0].table


def is_cjk(char: str) -> bool:
    """Whether `char` is written without spaces around it (Han, Kana, full-width marks)."""
    return bool(_CJK.match(char))


def shown(text: str) -> int:
    """How many characters of `text` are not spaces."""
    return sum(map(len, text.split()))


def cjk_count(text: str) -> int:
    """How many characters of `text` are written without spaces around them."""
    return 0 if text.isascii() else len(_CJK.findall(text))


def merge_stream(runs: Sequence[Run]) -> list[Run]:
    """Joins runs that follow each other in the file and on the line (font changes, super- and subscripts)."""
    merged: list[Run] = []
    for run in runs:
        last = merged[-1] if merged else None
        em = max(run.size, last.size) if last else 0.0
        if last and last.cell == run.cell and _same_line(last, run) and -0.5 * em < run.x0 - last.x1 < _NEAR * em:
            merged[-1] = _joined(last, run)
        else:
            merged.append(run)
    return merged


def _same_line(a: Run | Row, b: Run | Row) -> bool:
    a0, a1, b0, b1 = a.y0, a.y1, b.y0, b.y1
    overlap = (a1 if a1 < b1 else b1) - (a0 if a0 > b0 else b0)
    return 2 * overlap > a1 - a0 or 2 * overlap > b1 - b0


def _joined(a: Run, b: Run) -> Run:
    """`b` after `a`. The longer text gives the line's size and height; notes and indices do not."""
    main = a if len(a.text) * a.size >= len(b.text) * b.size else b
    gap = b.x0 - a.x1
    em = max(a.size, b.size)
    tight = is_cjk(a.text[-1]) and is_cjk(b.text[0])
    space = gap > (0.5 if tight else _WORD) * em or (b.spaced and gap > 0.05 * em)
    text = a.text + (" " if space and a.text[-1] != " " else "") + b.text
    mono = a.mono
    if a.mono != b.mono:
        weights = (_latin(a.text), _latin(b.text))
        mono = (weights[0] * a.mono + weights[1] * b.mono) / (sum(weights) or 1)
    return Run(text, min(a.x0, b.x0), main.y0, max(a.x1, b.x1), main.y1, main.size, mono, a.spaced, a.cell)


def _divided(members: Sequence[Run], gap: float) -> list[Run]:
    """The runs of a row from left to right, joined where they are nearer than `gap` (points)."""
    cells: list[Run] = []
    for run in sorted(members, key=lambda each: each.x0):
        if cells and run.x0 - cells[-1].x1 < gap:
            cells[-1] = _joined(cells[-1], run)
        else:
            cells.append(run)
    return cells


def _latin(text: str) -> int:
    """Characters that are neither spaces nor Chinese."""
    return shown(text) - cjk_count(text.replace("\u3000", ""))


def rows_of(runs: Sequence[Run], left: float | None = None, right: float | None = None, column: int = 0) -> list[Row]:
    """The rows of one column, top to bottom; a table is a row of its own."""
    tables = [(run, [run]) for run in runs if run.table]
    lines: list[tuple[Run, list[Run]]] = []
    for run in sorted((run for run in runs if not run.table), key=lambda each: each.middle):
        for near in range(len(lines) - 1, max(-1, len(lines) - 4), -1):
            main, members = lines[near]
            if _same_line(main, run):
                members.append(run)
                lines[near] = (run if len(run.text) * run.size > len(main.text) * main.size else main, members)
                break
        else:
            lines.append((run, [run]))
    low = min((run.x0 for run in runs), default=0.0) if left is None else left
    high = max((run.x1 for run in runs), default=0.0) if right is None else right
    rows = [_row(main, members, low, high, column) for main, members in lines + tables]
    return sorted(rows, key=lambda row: row.cells[0].at if row.table else row.middle)


def _row(main: Run, members: list[Run], left: float, right: float, column: int) -> Row:
    cells = parts = members
    if len(members) > 1:
        cells, parts = _divided(members, _CELL * main.size), _divided(members, _PART * main.size)
    text = cells[0].text if len(cells) == 1 else " ".join(cell.text for cell in cells)
    # Monospaced Chinese fonts set prose too, so only a line that is mostly Latin can be code.
    mono = False
    if any(cell.mono for cell in cells):
        latin = _latin(text)
        fixed = sum(_latin(cell.text) * cell.mono for cell in cells)
        mono = latin >= 0.4 * len(text) and fixed >= 0.8 * latin
    return Row(
        tuple(cells),
        text,
        cells[0].x0,
        main.y0,
        max(cell.x1 for cell in cells),
        main.y1,
        main.size,
        mono,
        left,
        right,
        column,
        tuple(parts),
    )


def leading_of(rows: Sequence[Row]) -> float | None:
    """Usual distance of lines inside a paragraph, in em; None where the page has too few full lines."""
    steps = [
        (b.middle - a.middle) / a.size
        for a, b in pairwise(rows)
        if a.column == b.column
        and not (a.table or b.table)
        and abs(a.size - b.size) < 0.05 * a.size
        and a.x1 > a.right - 2 * a.size
        and b.middle > a.middle
    ]
    return median(steps) if len(steps) >= 3 else None
