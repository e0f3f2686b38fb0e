"""Ruled tables of a page → one run for each, in the place of the runs that stand in it. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingest.readers.pdf.grids import Grid, Line
from ingest.readers.pdf.layout import Row, Run, Table, is_cjk, rows_of
from ingest.readers.pdf.tables import aligned, columns_of

_LEVEL = 0.8  # em; lines nearer in height stand side by side
_PADDING = 3.0  # points
_SAME_END = 4.0  # points; rules of one table end as near to each other as this
_HEADER = 4  # lines
_DOUBLE = 4.0  # points

_Cells = Mapping[int, Sequence[Row]]  # lines by column, of one row of the table
_Edges = Mapping[int, tuple[float, float]]  # left and right edge by column


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is ruled on a page: grids, whose cells the runs name, and level rules that may bound tables."""

    grids: Sequence[Grid] = ()
    level: Sequence[Line] = ()


NOT_RULED = Ruling()


def with_tables(runs: Sequence[Run], ruling: Ruling) -> list[Run]:
    """The runs of a page with a run for each table in place of what stands in it."""
    left = list(runs)
    for number, grid in enumerate(ruling.grids):
        members = [run for run in left if run.cell and run.cell[0] == number]
        table = _of_grid(grid, members)
        if table:
            box = (float(grid.xs[0]), float(grid.ys[0]), float(grid.xs[-1]), float(grid.ys[-1]))
            left = [run for run in left if run not in members] + [_standing_for(table, members, box)]
    groups: list[list[Line]] = []
    for line in sorted(ruling.level, key=lambda each: each.at):
        same = (g for g in groups if abs(g[0].low - line.low) + abs(g[0].high - line.high) <= _SAME_END)
        found = next(same, None)
        if found:
            found.append(line)
        else:
            groups.append([line])
    for group in groups:
        left = _with_bands(left, group) if len(group) > 2 else left
    return left


def _standing_for(table: Table, members: Sequence[Run], box: tuple[float, float, float, float]) -> Run:
    sizes = sorted(run.size for run in members)
    text = " ".join(" ".join(lines) for row in table for lines in row if lines)
    return Run(text, *box, sizes[len(sizes) // 2], table=table)


def _of_grid(grid: Grid, members: Sequence[Run]) -> Table:
    by_row = defaultdict[int, dict[int, list[Run]]](lambda: defaultdict(list))
    edges = defaultdict[int, dict[int, tuple[float, float]]](dict)
    for run in members:
        assert run.cell is not None
        row, column = divmod(run.cell[1], grid.columns)
        by_row[row][column].append(run)
        last = int((grid.owner == run.cell[1]).any(axis=0).nonzero()[0][-1])
        edges[row][column] = (float(grid.xs[column]), float(grid.xs[last + 1]))
    lines: list[dict[int, list[str]]] = []
    for row in sorted(by_row):
        cells = {column: rows_of(runs) for column, runs in by_row[row].items()}
        lines += _divided(cells, edges[row], several=False)
    return _table(lines)


def _table(lines: Sequence[Mapping[int, Sequence[str]]]) -> Table:
    """Without columns that are empty throughout; nothing where that leaves no table."""
    columns = sorted({column for line in lines for column in line})
    if len(lines) < 2 or len(columns) < 2:
        return ()
    return tuple(tuple(tuple(line.get(column, ())) for column in columns) for line in lines)


def _divided(cells: _Cells, edges: _Edges, *, several: bool) -> list[dict[int, list[str]]]:
    """The rows that stand between two rules: one with wrapped lines, or several.

    several: they are several wherever a line may begin one.
    """
    levels: list[list[tuple[int, Row]]] = []
    for column, row in sorted(((c, r) for c, rows in cells.items() for r in rows), key=lambda each: each[1].middle):
        if levels and row.middle - levels[-1][0][1].middle < _LEVEL * row.size:
            levels[-1].append((column, row))
        else:
            levels.append([(column, row)])
    tight = {id(b): not _loose(a, b, edges[c]) for c, rows in cells.items() for a, b in pairwise(rows)}
    if not several and not _are_rows(levels, list(tight.values())):
        levels = [[(column, row) for column, rows in cells.items() for row in rows]]
    lines: list[dict[int, list[str]]] = []
    for level in levels:
        columns = {column for column, _ in level}
        lone = len(columns) == 1 < len(cells) - 1 and min(cells) not in columns
        other = (min(cells) in columns and len(columns) > 1) or not columns <= (lines[-1].keys() if lines else set())
        # A first cell of one line, centred beside a cell of more lines.
        centred = bool(lines) and min(cells) not in lines[-1] and any(tight.get(id(row)) for _, row in level)
        if not centred and (other or not (lone or all(tight.get(id(row)) for _, row in level))):
            lines.append({})
        for column, row in level:
            lines[-1].setdefault(column, []).append(row.text)
    return lines


def _are_rows(levels: Sequence[Sequence[tuple[int, Row]]], tight: Sequence[bool]) -> bool:
    """Whether lines between two rules are rows: side by side, and broken where more would have fitted."""
    shared = sum(len({column for column, _ in level}) > 1 for level in levels)
    return len(levels) > 1 and shared >= 0.8 * len(levels) and sum(tight) <= 0.3 * len(tight)


def _loose(above: Row, row: Row, edges: tuple[float, float]) -> bool:
    """Whether the first word of `row` would have fitted into the line above."""
    room = edges[1] - edges[0] - 2 * _PADDING - (above.x1 - above.x0)
    text = row.text.strip()
    if is_cjk(text[0]):
        return room > 2.2 * row.size
    word = text.split()[0]
    return room > (row.x1 - row.x0) * len(word) / len(text) + 0.5 * row.size


def _with_bands(runs: list[Run], rules: Sequence[Line]) -> list[Run]:
    """The same for tables that only level rules bound: above, below the header, below."""
    bands = [(a, b, _between(runs, a, b)) for a, b in pairwise(rules)]
    bands = [(a, b, rows) for a, b, rows in bands if rows or b.at - a.at > _DOUBLE]
    at = 0
    while at < len(bands) - 1:
        stop = at + 1
        if bands[at][2] and len(bands[at][2]) <= _HEADER and _has_cells(bands[at][2]):
            while stop < len(bands) and (_has_cells(bands[stop][2]) or _is_wrapped(bands[stop][2])):
                stop += 1
        table = _of_bands([rows for _, _, rows in bands[at:stop]], rules[0].high) if stop > at + 1 else ()
        if table:
            box = (rules[0].low, bands[at][0].at, rules[0].high, bands[stop - 1][1].at)
            members = [run for run in runs if _stands_in(run, box)]
            runs = [run for run in runs if not _stands_in(run, box)] + [_standing_for(table, members, box)]
        at = stop
    return runs


def _stands_in(run: Run, box: tuple[float, float, float, float]) -> bool:
    return box[1] < run.middle < box[3] and box[0] < (run.x0 + run.x1) / 2 < box[2]


def _between(runs: Sequence[Run], above: Line, below: Line) -> list[Row]:
    """Lines between two rules, divided at narrow gaps; none where some stick out or are tables."""
    box = (above.low, above.at, above.high, below.at)
    inside = [run for run in runs if _stands_in(run, box)]
    out = any(run.x0 < box[0] - run.size or run.x1 > box[2] + run.size or run.table for run in inside)
    return [] if out else [row._replace(cells=row.parts) for row in rows_of(inside)]


def _has_cells(rows: Sequence[Row]) -> bool:
    cells = sum(len(row.cells) > 1 for row in rows)
    return cells >= max(1, 0.5 * len(rows)) and not any(row.mono for row in rows)


def _is_wrapped(rows: Sequence[Row]) -> bool:
    """Whether lines are one row of a table: each below or above the beginning of a cell."""
    starts = [cell.x0 for row in rows if len(row.cells) > 1 for cell in row.cells]
    return len(set(starts)) > 1 and all(min(abs(row.x0 - x0) for x0 in starts) < row.size for row in rows)


def _of_bands(bands: Sequence[Sequence[Row]], right: float) -> Table:
    """right: where the rules end."""
    body = [row for rows in bands[1:] for row in rows]
    edges = max(columns_of(body), columns_of(body, fewest=1), key=len)
    block = body if len(body) > 1 else [*bands[0], *body]
    if len(edges) < 2 or not aligned(block, edges, 0.7):
        return ()
    ends = [x0 - body[0].size + 2 * _PADDING for x0, _ in edges[1:]] + [max(right, edges[-1][1])]
    reach = {k: (edges[k][0], end) for k, end in enumerate(ends)}
    lines: list[dict[int, list[str]]] = []
    for place, rows in enumerate(bands):
        runs = defaultdict[int, list[Run]](list)
        for run in (cell for row in rows for cell in row.cells):
            over = [k for k, (x0, x1) in enumerate(edges) if min(x1, run.x1) > max(x0, run.x0)]
            nearest = min(range(len(edges)), key=lambda k: abs(sum(edges[k]) - run.x0 - run.x1))
            runs[over[0] if over else nearest].append(run)
        if len(runs) < 2 and place == 0:
            return ()
        cells = {column: rows_of(members) for column, members in runs.items()}
        begun = [_loose(a, b, reach[0]) for a, b in pairwise(cells.get(0, []))]
        lines += _divided(cells, reach, several=place > 0 and (len(bands) == 2 or (any(begun) and all(begun))))
    return _table(lines)
