"""The order in which the shapes of a slide are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

_OVERLAP = 0.02  # of the slide: boxes that overlap by less stand beside or below one another
_COLUMN = 0.25  # of the width: parts that stand beside one another and are this wide are columns
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, y downwards, in the units of its plane."""

    x0: int
    y0: int
    x1: int
    y1: int

    @classmethod
    def around(cls, boxes: Sequence[Self]) -> Self:
        """The smallest box that holds all of `boxes`; empty without any."""
        if not boxes:
            return cls(0, 0, 0, 0)
        return cls(
            min(box.x0 for box in boxes), min(box.y0 for box in boxes),
            max(box.x1 for box in boxes), max(box.y1 for box in boxes),
        )  # fmt: skip

    @property
    def size(self) -> int:
        """Its area."""
        return max(0, self.x1 - self.x0) * max(0, self.y1 - self.y0)

    def touches(self, other: "Box") -> bool:
        """Whether any of it lies inside `other`."""
        return self.x0 <= other.x1 and self.x1 >= other.x0 and self.y0 <= other.y1 and self.y1 >= other.y0


def in_reading_order(shapes: Sequence[tuple[Box, _T]], area: Box) -> list[_T]:
    """Columns from left to right, within them from top to bottom, in a row from left to right.

    A recursive X-Y cut (Nagy and Seth 1984).
    """
    if len(shapes) < 2:
        return [shape for _, shape in shapes]
    beside, below = _columns(shapes, area), _rows(shapes, area)
    parts = beside if _are_columns(beside, area) or len(below) == 1 else below
    if len(parts) == 1:
        return [shape for _, shape in sorted(shapes, key=lambda each: (each[0].y0, each[0].x0))]
    return [shape for part in parts for shape in in_reading_order(part, area)]


def _columns(shapes: Sequence[tuple[Box, _T]], area: Box) -> list[list[tuple[Box, _T]]]:
    return _cut(shapes, (area.x1 - area.x0) * _OVERLAP, across=True)


def _rows(shapes: Sequence[tuple[Box, _T]], area: Box) -> list[list[tuple[Box, _T]]]:
    """Parts one below the other; rows that together make columns are one part."""
    parts: list[list[tuple[Box, _T]]] = []
    for row in _cut(shapes, (area.y1 - area.y0) * _OVERLAP, across=False):
        together = _columns([*parts[-1], *row], area) if parts else []
        if _are_columns(together, area):
            parts[-1] += row
        else:
            parts.append(row)
    return parts


def _cut(shapes: Sequence[tuple[Box, _T]], slack: float, *, across: bool) -> list[list[tuple[Box, _T]]]:
    """Parts with a gap between them, in x (`across`) or in y."""

    def span(box: Box) -> tuple[int, int]:
        return (box.x0, box.x1) if across else (box.y0, box.y1)

    parts: list[list[tuple[Box, _T]]] = []
    end = 0
    for box, shape in sorted(shapes, key=lambda each: span(each[0])):
        low, high = span(box)
        if parts and low < end - slack:
            parts[-1].append((box, shape))
            end = max(end, high)
        else:
            parts.append([(box, shape)])
            end = high
    return parts


def _are_columns(parts: Sequence[Sequence[tuple[Box, _T]]], area: Box) -> bool:
    return len(parts) > 1 and all(_width(part) >= (area.x1 - area.x0) * _COLUMN for part in parts)


def _width(part: Sequence[tuple[Box, _T]]) -> int:
    box = Box.around([box for box, _ in part])
    return box.x1 - box.x0
