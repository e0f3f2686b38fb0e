"""Aligned rows of cells → Markdown tables, and the tests that keep other text out of them. Pure."""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from core.types import BlockKind
from ingest.readers.pdf.layout import Row, Run, cjk_count, is_cjk

_CHOICE = re.compile(r"^[(（]?[A-Ha-h][)）.．、]")
_SECTION = re.compile(r"^(?:第\s*\S{1,4}\s*[章节節讲講]|\d+(?:\.\d+)*|chapter\s|附录|appendix)", re.I)
_LONGEST = 200  # rows
_SAME_ROW = 0.95  # em; lines of text are further apart
_EQUATION_NUMBER = re.compile(r"^[(（]\d+(?:[.\-–]\d+)*[a-z]?[)）]$")
_LEADER = re.compile(r"(?:\.\s?){4,}|…{2,}|·{4,}|(?:\. ){3,}")


def is_contents_line(row: Row) -> bool:
    """A line of a table of contents: dot leaders, then a page number."""
    return _ends_in_leader(row.text)


@lru_cache(maxsize=1024)
def _ends_in_leader(text: str) -> bool:
    # Each line is asked for several times in a row, and all but a few end with a letter or stop.
    return text.rstrip()[-1:].isalnum() and bool(_LEADER.search(text))


def table_at(rows: Sequence[Row], start: int) -> tuple[BlockKind, str, int] | None:
    """The table that begins at row `start`: its kind, text, and the row after it; None without one.

    The text is a Markdown table. A table of contents is a list, one entry a line.
    """
    if len(rows[start].parts) < 2:
        return None
    narrow = [row._replace(cells=row.parts) if row.parts else row for row in rows[start : start + _LONGEST]]
    fine, coarse = _block(narrow, strict=True), _block(rows[start : start + _LONGEST], strict=False)
    found = fine if fine and (not coarse or len(fine[0][0]) > len(coarse[0][0])) else coarse
    if not found:
        return None
    grid, count = found
    if _is_contents(grid):
        return BlockKind.list, "\n".join(" ".join(filter(None, line)) for line in grid), start + count
    return BlockKind.table, markdown(grid), start + count


def _block(rows: Sequence[Row], *, strict: bool) -> tuple[list[list[str]], int] | None:
    """The cells of the table that begins at the first row, and its number of rows.

    strict: narrow gaps divide the cells, so there must be three rows and all columns must line up.
    """
    if not _tabular(rows[0]):
        return None
    stop = 1
    while stop < len(rows) and _goes_on(rows, 0, stop):
        stop += 1
    block = rows[:stop]
    if sum(len(row.cells) >= 2 for row in block) < (3 if strict else 2):
        return None
    edges = columns_of(block)
    if len(edges) < 2 or not aligned(block, edges, 1.0 if strict else 0.7):
        return None
    return _grid(block, edges), stop


def _is_contents(grid: Sequence[Sequence[str]]) -> bool:
    """Titles with numbers that only grow: a table of contents without dot leaders."""
    last = [line[-1] for line in grid if line[-1]]
    if len(last) < 4 or not all(text.isdecimal() for text in last):
        return False
    numbers = [int(text) for text in last]
    numbered = sum(bool(_SECTION.match(line[0])) for line in grid)
    return numbers == sorted(numbers) and numbered >= 0.5 * len(grid)


def _tabular(row: Row) -> bool:
    cells = row.cells
    if len(cells) < 2 or row.mono or is_contents_line(row):
        return False
    if _EQUATION_NUMBER.match(cells[-1].text.strip()) or all(_CHOICE.match(cell.text) for cell in cells):
        return False
    return any(char.isalnum() for char in row.text)


def _goes_on(rows: Sequence[Row], start: int, at: int) -> bool:
    """Whether row `at` belongs to the table: cells of its own, or the wrapped text of one cell."""
    row, above = rows[at], rows[at - 1]
    if row.column != above.column or abs(row.size - above.size) > 0.25 * above.size:
        return False
    step = row.middle - above.middle
    if _tabular(row):
        return 0 < step < 4 * row.size
    if len(row.cells) > 1 or not 0 < step < 4 * row.size:
        return False
    lefts = [cell.x0 for line in rows[start:at] for cell in line.cells]
    cell, below = row.cells[0], rows[at + 1] if at + 1 < len(rows) else None
    aligned = any(abs(cell.x0 - left) < 0.5 * row.size for left in lefts)
    inner = aligned and cell.x0 > min(lefts) + row.size
    near = below is not None and _tabular(below) and below.middle - row.middle < _SAME_ROW * row.size
    if near or step < _SAME_ROW * row.size:
        return aligned
    if step > 1.6 * row.size:
        return False
    inside = at - start >= 2 and below is not None and _tabular(below)
    return inner or (inside and _narrow(row, rows[start]))


def _narrow(row: Row, first: Row) -> bool:
    return row.x1 < first.cells[1].x0 and abs(row.x0 - first.x0) < 0.5 * row.size


def columns_of(block: Sequence[Row], *, fewest: int = 2) -> list[tuple[float, float]]:
    """The strips of x that cells cover, left to right; rows of fewer cells than `fewest` don't count."""
    em = block[0].size
    spans = sorted((cell.x0, cell.x1) for row in block if len(row.cells) >= fewest for cell in row.cells)
    columns: list[tuple[float, float]] = []
    for x0, x1 in spans:
        if columns and x0 < columns[-1][1] + 0.5 * em:
            columns[-1] = (columns[-1][0], max(columns[-1][1], x1))
        else:
            columns.append((x0, x1))
    return columns


def aligned(block: Sequence[Row], edges: Sequence[tuple[float, float]], share: float) -> bool:
    """Whether in a `share` of the columns the cells share a left edge, a right edge or a centre."""
    em = block[0].size
    grid = [[in_column(row, edge) for edge in edges] for row in block]
    filled = [sum(bool(cells) for cells in line) for line in grid]
    if sum(count >= 2 for count in filled) < 0.5 * len(block):
        return False
    good = 0
    for column in range(len(edges)):
        cells = [cell for line in grid for cell in line[column][:1]]
        ways = ([c.x0 for c in cells], [c.x1 for c in cells], [(c.x0 + c.x1) / 2 for c in cells])
        good += len(cells) >= 2 and any(_agree(way, 0.6 * em) for way in ways)
    return good >= max(2, share * len(edges)) and not _prose(block, edges)


def _agree(values: Sequence[float], slack: float) -> bool:
    middle = sorted(values)[len(values) // 2]
    return sum(abs(value - middle) <= slack for value in values) >= 0.7 * len(values)


def _prose(block: Sequence[Row], edges: Sequence[tuple[float, float]]) -> bool:
    """Two columns of running text look aligned too; their lines fill the column and don't end."""
    if len(edges) > 2 or len(block) < 5:
        return False
    long = [sum(len(cell.text) + cjk_count(cell.text) for cell in row.cells) for row in block]
    full = [
        sum((cell.x1 - cell.x0) > 0.85 * (edge[1] - edge[0]) for cell in in_column(row, edge))
        for row in block
        for edge in edges
    ]
    return sorted(long)[len(long) // 2] > 70 and sum(full) > 0.6 * len(full)


def in_column(row: Row, edge: tuple[float, float]) -> list[Run]:
    return [cell for cell in row.cells if edge[0] - 1 <= (cell.x0 + cell.x1) / 2 <= edge[1] + 1]


def _grid(block: Sequence[Row], edges: Sequence[tuple[float, float]]) -> list[list[str]]:
    groups = _row_groups(block)
    steps = [b[0].middle - a[-1].middle for a, b in pairwise(groups)]
    closest = min(steps, default=0.0)
    grid: list[list[str]] = []
    for place, group in enumerate(groups):
        line = [""] * len(edges)
        for row in group:
            cells = [" ".join(cell.text.strip() for cell in in_column(row, edge)) for edge in edges]
            line = [_wrap(old, new) for old, new in zip(line, cells, strict=True)]
        step, count = steps[place - 1] if place else 0.0, sum(map(bool, line))
        wrapped = not line[0] and step < 1.3 * closest + 0.1 and count < len(edges)
        if grid and (wrapped or (count == 1 and step < 1.6 * group[0].size)):
            grid[-1] = [_wrap(old, new) for old, new in zip(grid[-1], line, strict=True)]
        else:
            grid.append(line)
    return grid


def _row_groups(block: Sequence[Row]) -> list[list[Row]]:
    """Lines nearer than lines of text ever are stand side by side: cells of two lines, centred in height."""
    groups: list[list[Row]] = []
    for row in block:
        if groups and row.middle - groups[-1][-1].middle < _SAME_ROW * row.size:
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def _wrap(old: str, new: str) -> str:
    if not old or not new:
        return old or new
    return old + ("" if is_cjk(old[-1]) and is_cjk(new[0]) else " ") + new


def markdown(grid: Sequence[Sequence[str]]) -> str:
    """The table in Markdown; its first row is the header."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in grid]
    return "\n".join([lines[0], "|" + " --- |" * len(grid[0]), *lines[1:]])
