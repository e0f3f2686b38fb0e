"""Columns of a page, pure: which runs stand in which column, and in what order they are read."""

from collections.abc import Sequence
from itertools import accumulate
from statistics import median

from ingest.readers.pdf.layout import Row, Run, cjk_count, rows_of

_GUTTER = 0.7  # em; narrowest channel between two columns
_LINES = 4  # rows that each of two columns must have at least


def read_page(runs: Sequence[Run]) -> list[Row]:
    """All rows of a page in reading order: each column from top to bottom, wide lines in their place."""
    regions = _regions(list(runs))
    rows: list[Row] = []
    for column, (members, left, right) in enumerate(regions):
        rows += rows_of(members, left, right, column)
    edges = {(row.left, row.right): (0.0, 0.0) for row in rows}
    for key in edges:
        edges[key] = _edges([row for row in rows if (row.left, row.right) == key])
    return [row._replace(left=left, right=right) for row in rows for left, right in [edges[row.left, row.right]]]


def _edges(rows: Sequence[Row]) -> tuple[float, float]:
    """Left and right edge of a column: the outermost at which several rows begin or end.

    A single line that sticks out (a number in the margin, an address in a letter) is not the edge.
    """
    rows = [row for row in rows if not row.table] or rows
    enough = max(2, 0.1 * len(rows)) if len(rows) > 2 else 1
    left, right = rows[0].x0, rows[0].x1
    for row in sorted(rows, key=lambda each: each.x0):
        left = row.x0
        if sum(left <= other.x0 <= left + 0.5 * row.size for other in rows) >= enough:
            break
    else:
        left = min(row.x0 for row in rows)
    for row in sorted(rows, key=lambda each: -each.x1):
        right = row.x1
        if sum(right - 1.5 * row.size <= other.x1 <= right for other in rows) >= enough:
            break
    else:
        right = max(row.x1 for row in rows)
    return left, right


def _regions(runs: list[Run]) -> list[tuple[list[Run], float, float]]:
    """Runs by column, in reading order, with the column's left and right edge."""
    if not runs:
        return []
    gutter = find_gutter(runs)
    if gutter is None:
        return [(runs, min(run.x0 for run in runs), max(run.x1 for run in runs))]
    channel = (gutter[0] + gutter[1]) / 2
    across = sorted((run for run in runs if run.x0 < channel < run.x1), key=lambda run: run.at)
    aside = [run for run in runs if not run.x0 < channel < run.x1]
    regions: list[tuple[list[Run], float, float]] = []
    whole = (min(run.x0 for run in runs), max(run.x1 for run in runs))
    top = float("-inf")
    for wide in [*across, None]:
        bottom = wide.at if wide else float("inf")
        band = [run for run in aside if top <= run.at < bottom]
        for half in ([r for r in band if r.x1 <= channel], [r for r in band if r.x1 > channel]):
            regions += _columns_in(half, aside, channel)
        if wide and regions and regions[-1][1:] == whole and not band:
            regions[-1][0].append(wide)
        elif wide:
            regions.append(([wide], *whole))
        top = bottom
    return regions


def _columns_in(half: list[Run], aside: list[Run], channel: float) -> list[tuple[list[Run], float, float]]:
    """One side of a gutter, split again where it holds more columns; edges are those of the page's column."""
    if not half:
        return []
    inner = _regions(half)
    if len(inner) > 1:
        return inner
    side = [run for run in aside if (run.x1 <= channel) == (half[0].x1 <= channel)]
    return [(half, min(run.x0 for run in side), max(run.x1 for run in side))]


def find_gutter(runs: Sequence[Run]) -> tuple[float, float] | None:
    """The clear channel between two columns of prose, left and right edge; None for one column.

    Tables have such channels too: columns of prose are told by long lines that fill their column.
    """
    left, right = min(run.x0 for run in runs), max(run.x1 for run in runs)
    narrow = [run for run in runs if run.x1 - run.x0 < 0.6 * (right - left) and not run.table]
    if len(narrow) < 2 * _LINES:
        return None
    em = median(run.size for run in narrow)
    margin = 0.15 * (right - left)
    found = [
        gap
        for gap in _channels(narrow, left, right, _GUTTER * em)
        if gap[1] - gap[0] >= _GUTTER * em and left + margin < sum(gap) / 2 < right - margin
    ]
    for gap in sorted(found, key=lambda gap: abs(sum(gap) / 2 - (left + right) / 2)):
        middle = sum(gap) / 2
        a = rows_of([run for run in narrow if run.x1 <= middle])
        b = rows_of([run for run in narrow if run.x0 >= middle])
        if _is_prose(a) and _is_prose(b) and _side_by_side(a, b):
            return gap
    return None


def _channels(runs: Sequence[Run], left: float, right: float, need: float) -> list[tuple[float, float]]:
    """Vertical strips that almost no run crosses (a centred title or two may)."""
    steps = max(1, int(right - left))
    changes = [0] * (steps + 2)
    for run in runs:
        changes[int(run.x0 - left)] += 1
        changes[int(run.x1 - left) + 1] -= 1
    cover = list(accumulate(changes))
    allowed = int(0.08 * len(runs))
    free = [step for step in range(steps) if cover[step] <= allowed]
    strips: list[list[int]] = []
    for step in free:
        if strips and step == strips[-1][1] + 1:
            strips[-1][1] = step
        else:
            strips.append([step, step])
    return [(left + a, left + b + 1) for a, b in (_clearest(strip, cover, need) for strip in strips)]


def _clearest(strip: list[int], cover: Sequence[int], need: float) -> tuple[int, int]:
    """The part of a strip, at least `need` wide, that the fewest runs cross; the last one of several.

    Ragged lines end before it, and the next column begins where it ends.
    """
    steps = range(strip[0], strip[1] + 1)
    for level in sorted({cover[step] for step in steps}):
        end = start = strip[1] + 1
        for step in reversed(steps):
            if cover[step] > level:
                end = step
            start = step
            if cover[step] <= level and end - start >= need:
                while start > strip[0] and cover[start - 1] <= level:
                    start -= 1
                return start, end - 1
    return strip[0], strip[1]


def _is_prose(rows: Sequence[Row]) -> bool:
    if len(rows) < _LINES:
        return False
    width = max(row.x1 for row in rows) - min(row.x0 for row in rows)
    longest = [max(row.cells, key=lambda cell: cell.x1 - cell.x0) for row in rows]
    filled = median((cell.x1 - cell.x0) / width for cell in longest)
    letters = median(len(cell.text) + cjk_count(cell.text) for cell in longest)
    return filled >= 0.55 and letters >= 14


def _side_by_side(a: Sequence[Row], b: Sequence[Row]) -> bool:
    shared = min(a[-1].y1, b[-1].y1) - max(a[0].y0, b[0].y0)
    return shared > 0.4 * min(a[-1].y1 - a[0].y0, b[-1].y1 - b[0].y0)
