"""The ruling lines of a page, from pdfium's path objects: strokes, thin bars, the edges of boxes."""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from math import hypot

import numpy as np
import numpy.typing as npt
import pypdfium2 as pdfium
import pypdfium2.raw as raw

from ingest.readers.pdf.calls import address, direct

_THIN = 3.0  # points; thicker bars are boxes
_SHORTEST = 4.0  # points
_MOST = 20_000  # rules or segments on a page; more make a drawing
_LONGEST_PATH = 2_000  # segments; longer paths are drawings
_DEEPEST = 6  # forms inside forms
_IDENTITY = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)

_int, _address = ctypes.c_int, ctypes.c_void_p
_count_at = direct(raw.FPDFPage_CountObjects, _int, _address)
_count_in = direct(raw.FPDFFormObj_CountObjects, _int, _address)
_object_at = direct(raw.FPDFPage_GetObject, _address, _address, _int)
_object_in = direct(raw.FPDFFormObj_GetObject, _address, _address, _int)
_kind_of = direct(raw.FPDFPageObj_GetType, _int, _address)
_draw_mode = direct(raw.FPDFPath_GetDrawMode, _int, _address, _address, _address)
_count_segments = direct(raw.FPDFPath_CountSegments, _int, _address)
_bounds = direct(raw.FPDFPageObj_GetBounds, _int, *(5 * [_address]))
_stroke_width = direct(raw.FPDFPageObj_GetStrokeWidth, _int, _address, _address)
_matrix_into = direct(raw.FPDFPageObj_GetMatrix, _int, _address, _address)
_segment_at = direct(raw.FPDFPath_GetPathSegment, _address, _address, _int)
_point_of = direct(raw.FPDFPathSegment_GetPoint, _int, _address, _address, _address)
_segment_kind = direct(raw.FPDFPathSegment_GetType, _int, _address)
_closes = direct(raw.FPDFPathSegment_GetClose, _int, _address)

_Matrix = tuple[float, float, float, float, float, float]
_Point = tuple[float, float]
_Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Rules:
    """Upright and level lines, each a thin box (left, top, right, bottom; y upwards).

    drawn: False for the edge of a shaded area. pictures: whether the page has images.
    """

    boxes: npt.NDArray[np.float64]
    drawn: npt.NDArray[np.bool_]
    pictures: bool


def read_rules(page: pdfium.PdfPage) -> Rules:
    """The rules of a page, in the page's own coordinates; none where the page is a drawing."""
    found: list[tuple[_Box, bool]] = []
    width, height = page.get_size()
    pen = _Pen()
    pictures = False
    for item, kind, matrix in _objects(address(page.raw), _IDENTITY, 0):
        if kind == raw.FPDF_PAGEOBJ_IMAGE:
            pictures = True
            continue
        if len(found) > _MOST:
            continue
        found += [each for each in pen.rules(item, matrix) if _near(each[0], width, height)]
    if len(found) > _MOST:
        found = []
    boxes = np.array([(x0, y1, x1, y0) for (x0, y0, x1, y1), _ in found], dtype=np.float64).reshape(-1, 4)
    return Rules(boxes, np.array([drawn for _, drawn in found], dtype=np.bool_), pictures)


def _near(box: _Box, width: float, height: float) -> bool:
    return (-width < box[0] and box[2] < 2 * width) and (-height < box[1] and box[3] < 2 * height)


def _objects(owner: int, matrix: _Matrix, depth: int) -> Iterator[tuple[int, int, _Matrix]]:
    """The paths and images of a page or form, their kind, and what turns their form's coordinates into the page's."""
    count = (_count_in if depth else _count_at)(owner)
    items = list(map(_object_in if depth else _object_at, repeat(owner), range(count)))
    for item, kind in zip(items, map(_kind_of, items), strict=True):
        if kind in (raw.FPDF_PAGEOBJ_PATH, raw.FPDF_PAGEOBJ_IMAGE):
            yield item, kind, matrix
        elif kind == raw.FPDF_PAGEOBJ_FORM and depth < _DEEPEST:
            yield from _objects(item, _times(_matrix_of(item), matrix), depth + 1)


def _matrix_of(item: int) -> _Matrix:
    own = raw.FS_MATRIX()
    _matrix_into(item, ctypes.addressof(own))
    return (own.a, own.b, own.c, own.d, own.e, own.f)


def _times(first: _Matrix, then: _Matrix) -> _Matrix:
    a, b, c, d, e, f = first
    x, y = _moved((e, f), then)
    ta, tb, tc, td = then[:4]
    return (a * ta + b * tc, a * tb + b * td, c * ta + d * tc, c * tb + d * td, x, y)


def _moved(point: _Point, matrix: _Matrix) -> _Point:
    x, y = point
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


class _Pen:
    """Asks how a path is drawn. Its buffers are made once, because a page may have thousands of paths."""

    def __init__(self) -> None:
        self._flags = (ctypes.c_int * 2)()
        self._numbers = (ctypes.c_float * 4)()
        self._flag_places = [ctypes.addressof(self._flags) + 4 * place for place in range(2)]
        self._number_places = [ctypes.addressof(self._numbers) + 4 * place for place in range(4)]

    def rules(self, item: int, outer: _Matrix) -> list[tuple[_Box, bool]]:
        """The rules that one path draws, and whether each is drawn (and not the edge of an area)."""
        _draw_mode(item, *self._flag_places)
        filled, stroked = self._flags
        count = _count_segments(item)
        if not (filled or stroked) or not 2 <= count <= _LONGEST_PATH:
            return []
        _bounds(item, *self._number_places)
        left, bottom, right, top = self._numbers
        sides = sorted((right - left, top - bottom))
        if outer == _IDENTITY and sides[1] < _SHORTEST:
            return []
        if outer == _IDENTITY and sides[0] <= _THIN and not stroked:
            return [((left, bottom, right, top), True)]
        matrix = _times(_matrix_of(item), outer)
        thick = self._thickness(item, matrix) if stroked else 0.0
        rules: list[tuple[_Box, bool]] = []
        for points, straight in self._outlines(item, count, matrix):
            if stroked and thick <= _THIN:
                rules += [(box, True) for pair in straight for box in _line(*pair)]
            else:
                curved = len(straight) < len(points) - 1
                rules += _area(points, thick, rectangle=not curved)
        return rules

    def _thickness(self, item: int, matrix: _Matrix) -> float:
        _stroke_width(item, self._number_places[0])
        return self._numbers[0] * (hypot(matrix[0], matrix[1]) + hypot(matrix[2], matrix[3])) / 2

    def _outlines(
        self, item: int, count: int, matrix: _Matrix
    ) -> Iterator[tuple[list[_Point], list[tuple[_Point, _Point]]]]:
        """The parts of a path: their points, and their straight stretches."""
        points: list[_Point] = []
        straight: list[tuple[_Point, _Point]] = []
        x, y = self._number_places[:2]
        for segment in map(_segment_at, repeat(item), range(count)):
            _point_of(segment, x, y)
            point, kind = _moved((self._numbers[0], self._numbers[1]), matrix), _segment_kind(segment)
            if kind == raw.FPDF_SEGMENT_MOVETO:
                if straight:
                    yield points, straight
                points, straight = [point], []
                continue
            if kind == raw.FPDF_SEGMENT_LINETO and points:
                straight.append((points[-1], point))
            points.append(point)
            if _closes(segment) and point != points[0]:
                straight.append((point, points[0]))
                points.append(points[0])
        if straight:
            yield points, straight


def _line(start: _Point, end: _Point) -> list[_Box]:
    """The box of a stretch, if it is long enough and runs along an axis."""
    (x0, x1), (y0, y1) = sorted((start[0], end[0])), sorted((start[1], end[1]))
    if min(x1 - x0, y1 - y0) > 0.5 or max(x1 - x0, y1 - y0) < _SHORTEST:
        return []
    return [(x0, y0, x1, y1)]


def _area(points: list[_Point], thick: float, *, rectangle: bool) -> list[tuple[_Box, bool]]:
    """A filled rectangle: a rule where it is thin, else its four edges. A thick stroke is a bar, too."""
    half = thick / 2
    xs, ys = [x for x, _ in points], [y for _, y in points]
    flat = half if max(xs) - min(xs) > max(ys) - min(ys) else 0.0
    x0, x1, y0, y1 = min(xs) - (half - flat), max(xs) + (half - flat), min(ys) - flat, max(ys) + flat
    cornered = all(min(x - min(xs), max(xs) - x) < 0.5 and min(y - min(ys), max(ys) - y) < 0.5 for x, y in points)
    corners = {(2 * x > min(xs) + max(xs), 2 * y > min(ys) + max(ys)) for x, y in points}
    if not (rectangle and cornered and (thick or len(corners) == 4)):
        return []
    if min(x1 - x0, y1 - y0) <= _THIN:
        return [((x0, y0, x1, y1), True)] if max(x1 - x0, y1 - y0) >= _SHORTEST else []
    edges = [(x0, y0, x1, y0), (x0, y1, x1, y1), (x0, y0, x0, y1), (x1, y0, x1, y1)]
    return [(edge, False) for edge in edges if max(edge[2] - edge[0], edge[3] - edge[1]) >= _SHORTEST]
