"""The text layer of a page, from pdfium's characters: turned upright, and cut into runs of one font."""

import ctypes
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pypdfium2 as pdfium
import pypdfium2.raw as raw

from ingest.readers.pdf.cells import Stretch, place
from ingest.readers.pdf.grids import find_grids, find_lines
from ingest.readers.pdf.layout import Run, merge_stream
from ingest.readers.pdf.ruled import NOT_RULED, Ruling
from ingest.readers.pdf.rules import read_rules

_MONO = re.compile(r"mono(?!type)|courier|consol|code|typewriter|cmtt|menlo|inconsolata", re.I)
_MEANINGLESS = re.compile("[\ufffd\uffff\ue000-\uf8ff]")
_SMALLEST = 1.0  # points; nobody sees smaller text, so it is not what the book says


@dataclass(frozen=True, slots=True)
class RawPage:
    """A page as displayed. Sizes and run boxes in points, y downwards from the top edge.

    asides: text set across the reading direction. unmapped: share of characters without meaning.
    """

    width: float
    height: float
    runs: list[Run]
    asides: list[str]
    visible: int
    unmapped: float
    ruling: Ruling = NOT_RULED


def read_chars(page: pdfium.PdfPage, text_page: pdfium.PdfTextPage) -> RawPage:
    """The page's text layer as runs; empty where it has none."""
    width, height = page.get_size()
    text = _characters(text_page)
    where = np.array([i for i, char in enumerate(text) if not char.isspace() and char >= "!"], dtype=np.intp)
    if not len(where):
        return RawPage(width, height, [], [], 0, 0.0)
    turn = _direction(text_page, where, page.get_rotation())
    if turn % 180 != page.get_rotation() % 180:
        width, height = height, width
    bbox = page.get_bbox()
    boxes = _turned(_boxes(text_page, where), bbox, turn)
    stretches: list[Stretch] = []
    asides: list[tuple[int, int]] = []
    for start, end in _breaks(text, where, boxes):
        run, angle = _run(text_page, text, where[start:end], boxes[start:end], (bbox, turn))
        # Written so that what is not a number is outside, too.
        inside = 0 < run.x1 < 3 * width and run.x0 < width and run.y1 > 0 and run.y0 < height
        if run.size < _SMALLEST or not (inside and run.x0 > -2 * width):
            continue
        if angle == 0:
            stretches.append(Stretch(start, end, run))
        elif angle % 90 == 0:  # other angles are watermarks
            asides.append((int(where[start]), int(where[end - 1])))
    rules = read_rules(page)
    ruled = _turned(rules.boxes, bbox, turn)
    grids, cells = place(stretches, find_grids(ruled, rules.drawn), boxes)
    runs: list[Run] = []
    for at, each in enumerate(stretches):
        for start, end, cell in cells.get(at, [(each.start, each.end, None)]):
            whole = (start, end) == (each.start, each.end)
            run = each.run if whole else _run(text_page, text, where[start:end], boxes[start:end], (bbox, turn))[0]
            runs.append(replace(run, cell=cell) if cell else run)
    lines, aside = merge_stream(runs), _asides(text, asides)
    unmapped = _unmapped(text_page, text, where)
    return RawPage(width, height, lines, aside, len(where), unmapped, Ruling(grids, find_lines(ruled[rules.drawn])[0]))


def _characters(text_page: pdfium.PdfTextPage) -> str:
    """The page's text with exactly one item for each of pdfium's characters."""
    count = text_page.count_chars()
    text: str = text_page.get_text_range() if count > 0 else ""
    if len(text) != count:
        get, handle = raw.FPDFText_GetUnicode, text_page.raw
        text = "".join(map(chr, (get(handle, i) for i in range(count))))
    return text


def _boxes(text_page: pdfium.PdfTextPage, where: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Left, top, right, bottom of each character: the font's box, so equal along a line."""
    rects = (raw.FS_RECTF * len(where))()
    get, handle = raw.FPDFText_GetLooseCharBox, text_page.raw
    for rect, index in zip(rects, where.tolist(), strict=True):
        get(handle, index, rect)
    return np.frombuffer(rects, dtype=np.float32).reshape(-1, 4).astype(np.float64)


def _direction(text_page: pdfium.PdfTextPage, where: npt.NDArray[np.intp], rotation: int) -> int:
    """By how many degrees (clockwise) most of the text must be turned to stand upright."""
    picks = where[:: max(1, len(where) // 40)].tolist()
    angles = Counter(_angle(_matrix(text_page, index)) for index in picks)
    angle = angles.most_common(1)[0][0]
    return angle if angle % 90 == 0 else rotation


def _matrix(text_page: pdfium.PdfTextPage, index: int) -> raw.FS_MATRIX:
    matrix = raw.FS_MATRIX()
    raw.FPDFText_GetMatrix(text_page.raw, index, matrix)
    return matrix


def _angle(matrix: raw.FS_MATRIX) -> int:
    """Of the writing direction, counter-clockwise, in whole degrees; near right angles are exact."""
    angle = round(float(np.degrees(np.arctan2(matrix.b, matrix.a)))) % 360
    nearest = round(angle / 90) * 90
    return nearest % 360 if abs(angle - nearest) <= 3 else angle


def _turned(
    boxes: npt.NDArray[np.float64], bbox: tuple[float, float, float, float], turn: int
) -> npt.NDArray[np.float64]:
    """Boxes (left, top, right, bottom), y upwards → (x0, y0, x1, y1), y downwards, turned clockwise."""
    left, bottom, right, top = bbox
    x0, y1, x1, y0 = boxes.T
    columns = {
        0: (x0 - left, top - y1, x1 - left, top - y0),
        90: (y0 - bottom, x0 - left, y1 - bottom, x1 - left),
        180: (right - x1, y0 - bottom, right - x0, y1 - bottom),
        270: (top - y1, right - x1, top - y0, right - x0),
    }[turn]
    return np.stack(columns, axis=1)


def _breaks(text: str, where: npt.NDArray[np.intp], boxes: npt.NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """Stretches of characters of one font on one line, without wide gaps."""
    x0, y0, x1, y1 = boxes.T
    tall = np.maximum(y1 - y0, 1.0)[:-1]
    gap = x0[1:] - x1[:-1]
    shifted = (np.abs(np.diff(y0)) > 0.05 * tall) | (np.abs(np.diff(y1)) > 0.05 * tall)
    cut = shifted | (gap > 0.7 * tall) | (gap < -0.6 * tall)
    starts = [0, *(np.flatnonzero(cut) + 1).tolist(), len(where)]
    yield from pairwise(starts)


def _run(
    text_page: pdfium.PdfTextPage,
    text: str,
    where: npt.NDArray[np.intp],
    boxes: npt.NDArray[np.float64],
    frame: tuple[tuple[float, float, float, float], int],
) -> tuple[Run, int]:
    """A run, and the angle of its text against the reading direction. frame: page box and turn."""
    first, last, handle = int(where[0]), int(where[-1]), text_page.raw
    bbox, turn = frame
    matrix = _matrix(text_page, first)
    size = raw.FPDFText_GetFontSize(handle, first) * float(np.hypot(matrix.c, matrix.d))
    name = ctypes.create_string_buffer(128)
    raw.FPDFText_GetFontInfo(handle, first, name, 128, None)
    x, y = ctypes.c_double(), ctypes.c_double()
    raw.FPDFText_GetCharOrigin(handle, first, x, y)
    x0, y0 = float(boxes[:, 0].min()), float(boxes[0, 1])
    x1, y1 = float(boxes[:, 2].max()), float(boxes[0, 3])
    # The font's own box can be far off (mathematics fonts), so the line's box comes from baseline and size.
    if 0.2 * (y1 - y0) < size < 3 * (y1 - y0):
        left, bottom, right, top = bbox
        base = {0: top - y.value, 90: x.value - left, 180: y.value - bottom, 270: right - x.value}[turn]
        y0, y1 = base - 0.85 * size, base + 0.2 * size
    else:
        size = (y1 - y0) / 1.2
    found = re.sub(r"[\ufffe\x02]$", "-", text[first : last + 1])
    found = found.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    mono = float(bool(_MONO.search(name.value.decode("utf-8", "replace"))))
    spaced = first > 0 and text[first - 1].isspace()
    run = Run(re.sub(r"\s+", " ", found), x0, y0, x1, y1, size, mono, spaced)
    return run, (_angle(matrix) - turn) % 360


def _asides(text: str, asides: list[tuple[int, int]]) -> list[str]:
    if not asides:
        return []
    parts: list[list[int]] = []
    for first, last in asides:
        if parts and first - parts[-1][1] <= 3:
            parts[-1][1] = last
        else:
            parts.append([first, last])
    return [re.sub(r"\s+", " ", text[first : last + 1]) for first, last in parts if last > first]


def _unmapped(text_page: pdfium.PdfTextPage, text: str, where: npt.NDArray[np.intp]) -> float:
    """Share of characters that pdfium or the file could not give a meaning, from a sample."""
    picks = where[:: max(1, len(where) // 200)].tolist()
    failed, handle = raw.FPDFText_HasUnicodeMapError, text_page.raw
    bad = sum(bool(_MEANINGLESS.match(text[i])) or failed(handle, i) == 1 for i in picks)
    return float(bad / len(picks))
