"""Which cell of which grid each character stands in, and which grids are tables. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ingest.readers.pdf.grids import Grid
from ingest.readers.pdf.layout import Run

_FILLED = 0.25  # of a table's cells at least; a plot's grid is all but empty
_CROSSED = 0.15  # for each cell with text; labels of a drawing lie across its lines, text in cells does not
_TOUCHING = 0.15  # em; characters nearer than this are of one word
_INTO = 0.1  # em; a rule that reaches further into a character crosses it
_WORDY = 400  # characters in the cell in the middle; the boxes of a page layout hold more

_Cell = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Characters `[start, end)` of a page, which follow each other on one line, and their run."""

    start: int
    end: int
    run: Run


def place(
    stretches: Sequence[Stretch], grids: Sequence[Grid], boxes: npt.NDArray[np.float64]
) -> tuple[list[Grid], dict[int, list[tuple[int, int, _Cell]]]]:
    """The grids that are tables, and the stretches in them (by position) divided by cell.

    boxes: of the page's characters. grids: inner ones before those that they stand in.
    """
    centres = (boxes[:, 0] + boxes[:, 2]) / 2
    tables: list[Grid] = []
    found: dict[int, list[tuple[int, int, _Cell]]] = {}
    for grid in grids:
        hits: dict[int, npt.NDArray[np.intp]] = {}
        for at, each in enumerate(stretches):
            if at not in found and grid.ys[0] < each.run.middle < grid.ys[-1]:
                cells = grid.cells_at(centres[each.start : each.end], each.run.middle)
                if (cells >= 0).any():
                    hits[at] = _without_ends(cells)
        if _is_table(grid, [stretches[at] for at in hits], hits, boxes):
            for at, cells in hits.items():
                found[at] = _divided(cells, stretches[at].start, len(tables))
            tables.append(grid)
    return tables, found


def _without_ends(cells: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """What sticks out of the grid belongs to the cell that it sticks out of."""
    inside = np.flatnonzero(cells >= 0)
    first, last = inside[0], inside[-1]
    filled = cells.copy()
    filled[:first], filled[last + 1 :] = cells[first], cells[last]
    return filled


def _divided(cells: npt.NDArray[np.intp], start: int, table: int) -> list[tuple[int, int, _Cell]]:
    stops = [0, *(np.flatnonzero(np.diff(cells)) + 1).tolist(), len(cells)]
    return [(start + a, start + b, (table, int(cells[a]))) for a, b in pairwise(stops)]


def _is_table(
    grid: Grid, members: Sequence[Stretch], hits: Mapping[int, npt.NDArray[np.intp]], boxes: npt.NDArray[np.float64]
) -> bool:
    if not hits:
        return False
    every = np.concatenate(list(hits.values()))
    filled, counts = np.unique(every, return_counts=True)
    rows, columns = set((filled // grid.columns).tolist()), set((filled % grid.columns).tolist())
    if len(rows) < 2 or len(columns) < 2 or len(filled) < max(3, _FILLED * len(np.unique(grid.owner))):
        return False
    crossed = 0
    for each, cells in zip(members, hits.values(), strict=True):
        x0, x1 = boxes[each.start : each.end, 0], boxes[each.start : each.end, 2]
        near = (np.diff(cells) != 0) & (x0[1:] - x1[:-1] < _TOUCHING * each.run.size)
        rule = grid.xs[np.clip(np.searchsorted(grid.xs, (x0 + x1)[:-1] / 2), 0, grid.columns)]
        into = _INTO * each.run.size
        crossed += int((near & ((rule < x1[:-1] - into) | (rule > x0[1:] + into))).sum())
    return crossed <= max(1, _CROSSED * len(filled)) and float(np.median(counts)) <= _WORDY
