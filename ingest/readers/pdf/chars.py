"""The text layer of a page, from pdfium's characters: turned upright, and cut into runs of one font."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pypdfium2 as pdfium
import pypdfium2.raw as raw

from ingest.readers.pdf.cells import Stretch, place
from ingest.readers.pdf.grids import find_grids, find_lines
from ingest.readers.pdf.layout import Run, merge_stream
from ingest.readers.pdf.ligatures import ARROW, NO_MEANING, spelt_out, with_ligatures
from ingest.readers.pdf.probe import Box, Probe
from ingest.readers.pdf.ruled import NOT_RULED, Ruling
from ingest.readers.pdf.rules import read_rules

_MONO = re.compile(r"mono(?!type)|courier|consol|code|typewriter|cmtt|menlo|inconsolata", re.I)
_MEANINGLESS = re.compile("[\ufffd\uffff\ue000-\uf8ff]")
# What pdfium puts between lines and at their ends is not of the file.
_CONTROLS = re.compile("[\x00\x01\x03-\x08\x0b\x0c\x0e-\x1f\x7f]")
_UNTOLD = "\ufffe"
_SMALLEST = 1.0  # points; nobody sees smaller text, so it is not what the book says
# What `str.isspace` says, as a table: up to the last space there is.
_SPACES = np.array([chr(code).isspace() or code < 0x21 for code in range(0x3001)])


@dataclass(frozen=True, slots=True)
class RawPage:
    """A page as displayed. Sizes and run boxes in points, y downwards from the top edge.

    asides: text set across the reading direction. visible: how many characters show something; hidden: how
    many show nothing by their code. unmapped: share of the visible ones without meaning.
    pictures: whether the page has images. lost: how many characters the file gives no meaning.
    """

    width: float
    height: float
    runs: list[Run]
    asides: list[str]
    visible: int
    unmapped: float
    ruling: Ruling = NOT_RULED
    hidden: int = 0
    pictures: bool = True
    lost: int = 0


def read_chars(page: pdfium.PdfPage, text_page: pdfium.PdfTextPage) -> RawPage:
    """The page's text layer as runs; empty where it has none."""
    width, height = page.get_size()
    text = characters(text_page)
    where = _shown(text)
    if not len(where):
        return RawPage(width, height, [], [], 0, 0.0, hidden=len(_CONTROLS.findall(text)))
    probe, bbox = Probe(text_page), page.get_bbox()
    turn = _direction(probe, where, page.get_rotation())
    if turn % 180 != page.get_rotation() % 180:
        width, height = height, width
    boxes = turned(probe.boxes(where), bbox, turn)
    if NO_MEANING in text or ARROW in text:
        widths = np.zeros(len(text))
        widths[where] = (boxes[:, 2] - boxes[:, 0]) / np.maximum(boxes[:, 3] - boxes[:, 1], _SMALLEST)
        text = with_ligatures(text, widths.tolist())
    layer = _Layer(probe, text, where, boxes, bbox, turn)
    stretches, asides = layer.stretches(width, height)
    rules = read_rules(page)
    ruled = turned(rules.boxes, bbox, turn)
    grids, cells = place(stretches, find_grids(ruled, rules.drawn), layer.boxes) if len(ruled) else ([], {})
    runs: list[Run] = []
    for at, each in enumerate(stretches):
        if at not in cells:
            runs.append(each.run)
            continue
        for start, end, cell in cells[at]:
            whole = (start, end) == (each.start, each.end)
            run = each.run if whole else layer.runs([start], [end])[0][0]
            runs.append(run._replace(cell=cell))
    level = find_lines(ruled[rules.drawn])[0] if len(ruled) else []
    unmapped = max(_unmapped(probe, text, where), text.count(NO_MEANING) / len(where))
    return RawPage(
        width,
        height,
        merge_stream(runs),
        asides,
        len(where),
        unmapped,
        Ruling(grids, level),
        len(_CONTROLS.findall(text)),
        rules.pictures,
        text.count(NO_MEANING),
    )


def _shown(text: str) -> npt.NDArray[np.intp]:
    """The places of the visible characters."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    return np.flatnonzero((codes >= len(_SPACES)) | ~_SPACES[np.minimum(codes, len(_SPACES) - 1)])


class _Layer:
    """The visible characters of a page, and the runs that they make."""

    def __init__(
        self,
        probe: Probe,
        text: str,
        where: npt.NDArray[np.intp],
        boxes: npt.NDArray[np.float64],
        bbox: Box,
        turn: int,
    ) -> None:
        """where: places of the characters in `text`. boxes: turned by `turn`. bbox: of the page, not turned."""
        self.boxes = boxes
        self._probe, self._text, self._where, self._bbox, self._turn = probe, text, where, bbox, turn

    def stretches(self, width: float, height: float) -> tuple[list[Stretch], list[str]]:
        """The lines on a page of this size, and the text set across it."""
        starts = _starts(self.boxes)
        ends = [*starts[1:], len(self._where)]
        stretches: list[Stretch] = []
        asides: list[tuple[int, int]] = []
        for start, end, (run, angle) in zip(starts, ends, self.runs(starts, ends), strict=True):
            # Written so that what is not a number is outside, too.
            inside = 0 < run.x1 < 3 * width and run.x0 < width and run.y1 > 0 and run.y0 < height
            if run.size < _SMALLEST or not (inside and run.x0 > -2 * width):
                continue
            if angle == 0:
                stretches.append(Stretch(start, end, run))
            elif angle % 90 == 0:  # other angles are watermarks
                asides.append((int(self._where[start]), int(self._where[end - 1])))
        return stretches, _asides(self._text, asides)

    def runs(self, starts: list[int], ends: list[int]) -> list[tuple[Run, int]]:
        """The run of the characters `[start, end)` for each pair, and its angle against the reading direction."""
        lefts, tops, rights, bottoms = self.boxes.T
        if len(starts) == 1:
            start, end = starts[0], ends[0]
            x0s, x1s = [float(lefts[start:end].min())], [float(rights[start:end].max())]
        else:  # they follow each other without a gap
            x0s, x1s = np.minimum.reduceat(lefts, starts).tolist(), np.maximum.reduceat(rights, starts).tolist()
        firsts, lasts = self._where[starts].tolist(), (self._where[np.array(ends) - 1] + 1).tolist()
        parts = zip(firsts, lasts, x0s, tops[starts].tolist(), x1s, bottoms[starts].tolist(), strict=True)
        return [self._run(*part) for part in parts]

    def _run(self, first: int, stop: int, x0: float, y0: float, x1: float, y1: float) -> tuple[Run, int]:
        probe, text = self._probe, self._text
        angle, scale = probe.writing(first)
        size = probe.size(first) * scale
        # The font's own box can be far off (mathematics fonts), so the line's box comes from baseline and size.
        if 0.2 * (y1 - y0) < size < 3 * (y1 - y0):
            base = self._base(*probe.origin(first))
            y0, y1 = base - 0.85 * size, base + 0.2 * size
        else:
            size = (y1 - y0) / 1.2
        spaced = first > 0 and text[first - 1].isspace()
        run = Run(_clean(text[first:stop]), x0, y0, x1, y1, size, _mono(probe.font(first)), spaced)
        return run, (angle - self._turn) % 360

    def _base(self, x: float, y: float) -> float:
        """The base line's place on the turned page."""
        left, bottom, right, top = self._bbox
        match self._turn:
            case 90:
                return x - left
            case 180:
                return y - bottom
            case 270:
                return right - x
        return top - y


def _clean(text: str) -> str:
    """Words with single spaces between them; a hyphen where pdfium marks one at the line's end."""
    if not text.isascii():
        text = spelt_out(text)
    if text.isprintable() and "  " not in text:
        return text
    text = re.sub(r"[\ufffe\x02]$", "-", text)
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return re.sub(r"\s+", " ", text)


@lru_cache(maxsize=256)
def _mono(font: bytes) -> float:
    return float(bool(_MONO.search(font.decode("utf-8", "replace"))))


def characters(text_page: pdfium.PdfTextPage) -> str:
    """The page's text with exactly one item for each of pdfium's characters."""
    count = text_page.count_chars()
    text: str = text_page.get_text_range() if count > 0 else ""
    if len(text) != count:
        get, handle = raw.FPDFText_GetUnicode, text_page.raw
        text = "".join(map(chr, (get(handle, i) for i in range(count))))
    if _UNTOLD in text:
        # It stands for a hyphen that pdfium found at the end of a line, too.
        shown = list(text)
        for at in (at for at, char in enumerate(text) if char == _UNTOLD):
            if raw.FPDFText_GetUnicode(text_page.raw, at) == 0:
                shown[at] = NO_MEANING
        text = "".join(shown)
    return text


def _direction(probe: Probe, where: npt.NDArray[np.intp], rotation: int) -> int:
    """By how many degrees (clockwise) most of the text must be turned to stand upright."""
    picks = where[:: max(1, len(where) // 40)].tolist()
    angles = Counter(probe.writing(index)[0] for index in picks)
    angle = angles.most_common(1)[0][0]
    return angle if angle % 90 == 0 else rotation


def turned(boxes: npt.NDArray[np.float64], bbox: Box, turn: int) -> npt.NDArray[np.float64]:
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


def _starts(boxes: npt.NDArray[np.float64]) -> list[int]:
    """Where stretches of characters of one font on one line, without wide gaps, begin."""
    x0, y0, x1, y1 = boxes.T
    tall = np.maximum(y1 - y0, 1.0)[:-1]
    gap = x0[1:] - x1[:-1]
    shifted = (np.abs(np.diff(y0)) > 0.05 * tall) | (np.abs(np.diff(y1)) > 0.05 * tall)
    cut = shifted | (gap > 0.7 * tall) | (gap < -0.6 * tall)
    return [0, *(np.flatnonzero(cut) + 1).tolist()]


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


def _unmapped(probe: Probe, text: str, where: npt.NDArray[np.intp]) -> float:
    """Share of characters that pdfium or the file could not give a meaning, from a sample."""
    picks = where[:: max(1, len(where) // 200)].tolist()
    failed = probe.unmapped(picks)
    if _MEANINGLESS.search(text):
        failed = [bad or bool(_MEANINGLESS.match(text[at])) for bad, at in zip(failed, picks, strict=True)]
    return sum(failed) / len(picks)
