"""Ruling lines → the grids of tables, pure. Boxes are (x0, y0, x1, y1) in points, y downwards."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_SAME = 2.0  # points; rules nearer than this are one (double rules, the two edges of a bar)
_MEET = 3.0  # points; rules this near to each other meet
_OPEN = 5.0  # points; rules that stick out further than this enclose cells without an outer rule
_COVERED = 0.6  # of a cell's side must be ruled
_CLOSED = 0.8  # of the grid's area must be rectangles ruled all around
_MOST = 3_000  # rules on a page; more make a drawing


@dataclass(frozen=True, slots=True)
class Line:
    """A level or upright rule: its place across, and from where to where it runs."""

    at: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The cells of a ruled table. xs, ys: all its rules.

    owner: for each field between them the number of its cell: that of the cell's first field, counted
    row by row. Cells of several fields are spanned.
    """

    xs: npt.NDArray[np.float64]
    ys: npt.NDArray[np.float64]
    owner: npt.NDArray[np.intp]

    @property
    def columns(self) -> int:
        return len(self.xs) - 1

    @property
    def area(self) -> float:
        return float((self.xs[-1] - self.xs[0]) * (self.ys[-1] - self.ys[0]))

    def cells_at(self, xs: npt.NDArray[np.float64], y: float) -> npt.NDArray[np.intp]:
        """The cell of each point `(x, y)`, -1 outside of the grid."""
        row = int(np.searchsorted(self.ys, y)) - 1
        if not 0 <= row < len(self.ys) - 1:
            return np.full(len(xs), -1, dtype=np.intp)
        columns = np.searchsorted(self.xs, xs) - 1
        inside = (columns >= 0) & (columns < self.columns)
        return np.where(inside, self.owner[row, np.clip(columns, 0, self.columns - 1)], -1)


def find_lines(boxes: npt.NDArray[np.float64]) -> tuple[list[Line], list[Line]]:
    """The level and the upright rules: those nearly in one place as one, broken ones made whole."""
    level: list[Line] = []
    upright: list[Line] = []
    for x0, y0, x1, y1 in boxes.tolist() if len(boxes) <= _MOST else []:
        if x1 - x0 > y1 - y0:
            level.append(Line((y0 + y1) / 2, x0, x1))
        else:
            upright.append(Line((x0 + x1) / 2, y0, y1))
    return _joined(level), _joined(upright)


def _joined(lines: Sequence[Line]) -> list[Line]:
    groups: list[list[Line]] = []
    for line in sorted(lines, key=lambda each: each.at):
        if groups and line.at - groups[-1][0].at <= _SAME:
            groups[-1].append(line)
        else:
            groups.append([line])
    whole: list[Line] = []
    for group in groups:
        at = sum(line.at for line in group) / len(group)
        spans: list[list[float]] = []
        for line in sorted(group, key=lambda each: each.low):
            if spans and line.low <= spans[-1][1] + _MEET:
                spans[-1][1] = max(spans[-1][1], line.high)
            else:
                spans.append([line.low, line.high])
        whole += [Line(at, low, high) for low, high in spans]
    return whole


def find_grids(boxes: npt.NDArray[np.float64], drawn: npt.NDArray[np.bool_]) -> list[Grid]:
    """Grids of at least two rows and two columns, small ones first. drawn: which are no edges of shaded areas."""
    grids = _grids(boxes[drawn])
    for whole in _grids(boxes) if not drawn.all() else []:
        within = [grid for grid in grids if _overlap(grid, whole)]
        if not any(_only_shaded(grid, whole) for grid in within):
            grids = [grid for grid in grids if grid not in within] + [whole]
    return sorted(grids, key=lambda grid: grid.area)


def _grids(boxes: npt.NDArray[np.float64]) -> list[Grid]:
    grids = (_grid(*part) for part in _parts(*find_lines(boxes)))
    return [grid for grid in grids if grid]


def _overlap(a: Grid, b: Grid) -> bool:
    wide = min(a.xs[-1], b.xs[-1]) - max(a.xs[0], b.xs[0])
    high = min(a.ys[-1], b.ys[-1]) - max(a.ys[0], b.ys[0])
    return bool(wide > _MEET and high > _MEET)


def _only_shaded(grid: Grid, whole: Grid) -> bool:
    """Whether shading adds more than cells to a grid: a box below it, or one around it."""
    extra = [r for r, y in enumerate(whole.ys[:-1]) if not grid.ys[0] - _MEET <= y <= grid.ys[-1] - _MEET]
    lone = any(len(set(whole.owner[row].tolist())) == 1 for row in extra)
    return lone or len(whole.ys) < len(grid.ys) or len(whole.xs) < len(grid.xs)


def _parts(level: Sequence[Line], upright: Sequence[Line]) -> list[tuple[list[Line], list[Line]]]:
    """Rules that hang together."""
    if not level or not upright:
        return []
    h = np.array([(line.at, line.low, line.high) for line in level])
    v = np.array([(line.at, line.low, line.high) for line in upright])
    meets = (v[:, 1] - _MEET <= h[:, :1]) & (h[:, :1] <= v[:, 2] + _MEET)
    meets &= (h[:, 1:2] - _MEET <= v[:, 0]) & (v[:, 0] <= h[:, 2:] + _MEET)
    parts: list[tuple[list[Line], list[Line]]] = []
    left = set(range(len(level)))
    while left:
        rows, columns, new = set[int](), set[int](), {left.pop()}
        while new:
            rows |= new
            columns |= {int(each) for each in np.flatnonzero(meets[list(new)].any(axis=0))}
            new = {int(each) for each in np.flatnonzero(meets[:, list(columns)].any(axis=1))} - rows
        left -= rows
        parts.append(([level[at] for at in sorted(rows)], [upright[at] for at in sorted(columns)]))
    return parts


def _grid(level: list[Line], upright: list[Line]) -> Grid | None:
    if not upright:
        return None
    # Both from the drawn rules: those that close an open side are not evidence for the other one.
    level, upright = level + _sides(upright, level), upright + _sides(level, upright)
    ys, xs = sorted({line.at for line in level}), sorted({line.at for line in upright})
    rows, columns = len(ys) - 1, len(xs) - 1
    if rows < 2 or columns < 2 or rows * columns > _MOST:
        return None
    beside, below = _ruled(upright, xs, ys), _ruled(level, ys, xs).T
    owner = _owners(beside, below)
    grid = Grid(np.array(xs), np.array(ys), owner)
    return grid if _closed(grid, beside, below) >= _CLOSED * grid.area else None


def _sides(lines: Sequence[Line], across: Sequence[Line]) -> list[Line]:
    """The outer rules that a table without them would have, where `lines` end together beyond those `across`."""
    found: list[Line] = []
    for sign in (-1, 1):
        ends = [line.low if sign < 0 else line.high for line in lines]
        last = max(ends, key=lambda end: sign * end)
        outer = max(sign * line.at for line in across)
        members = [line for line, end in zip(lines, ends, strict=True) if abs(end - last) <= _MEET]
        if sign * last > outer + _OPEN and len(members) >= max(2, 0.6 * len(lines)):
            ats = [line.at for line in members]
            found.append(Line(last, min(ats), max(ats)))
    return found


def _ruled(lines: Sequence[Line], places: Sequence[float], stops: Sequence[float]) -> npt.NDArray[np.bool_]:
    """[stretch, place]: whether a rule runs at `place` along the stretch between two `stops`."""
    by_place = defaultdict[float, list[Line]](list)
    for line in lines:
        by_place[line.at].append(line)
    low, high = np.array(stops[:-1]), np.array(stops[1:])
    covered = [
        sum(np.clip(np.minimum(high, line.high) - np.maximum(low, line.low), 0, None) for line in by_place[place])
        for place in places
    ]
    ruled: npt.NDArray[np.bool_] = np.greater_equal(np.array(covered).T, _COVERED * (high - low)[:, None])
    return ruled


def _owners(beside: npt.NDArray[np.bool_], below: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Fields without a rule between them belong to one cell."""
    rows, columns = beside.shape[0], below.shape[1]
    owner = np.arange(rows * columns, dtype=np.intp).reshape(rows, columns)
    pairs = [((r, c - 1), (r, c)) for r in range(rows) for c in range(1, columns) if not beside[r, c]]
    pairs += [((r - 1, c), (r, c)) for r in range(1, rows) for c in range(columns) if not below[r, c]]
    for a, b in pairs:
        first, other = sorted((int(owner[a]), int(owner[b])))
        if first != other:
            owner[owner == other] = first
    return owner


def _closed(grid: Grid, beside: npt.NDArray[np.bool_], below: npt.NDArray[np.bool_]) -> float:
    """The area of cells that are rectangles and ruled at the grid's edge, too."""
    sizes = Counter(grid.owner.flatten().tolist())
    area = 0.0
    for cell, size in sizes.items():
        rows, columns = np.nonzero(grid.owner == cell)
        top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
        ruled = beside[top:bottom, [left, right]].all() and below[[top, bottom], left:right].all()
        if ruled and size == (bottom - top) * (right - left):
            area += float((grid.xs[right] - grid.xs[left]) * (grid.ys[bottom] - grid.ys[top]))
    return area
