"""Recognised lines → runs, with the size of their type, which boxes tell only roughly. Pure."""

from collections.abc import Sequence

from ingest.readers.ocr import OcrLine
from ingest.readers.pdf.layout import Run, cjk_count, shown

_SAME, _TALLER = 0.84, 1.15  # of the usual height of recognised lines; between, it is the same type
_SAME_SHORT, _SHORT = 0.55, 6  # the same for lines of up to so many characters, which vary more
_SAME_PITCH, _WIDER = 0.88, 1.15  # of the usual pitch; between, Chinese is the same type
_EM = 0.8  # of a recognised line's height; boxes are looser than the type
_NARROW = 0.5  # em; the usual width of a character that is not Chinese
_STOPS = "，。、；：！？”’）》」』,.;:!?)"  # at a line's end half of it is empty


def runs_of(lines: Sequence[OcrLine], scale: float) -> list[Run]:
    """Lines in points. scale: pixels per point."""
    height = _middle([(line.y1 - line.y0, len(line.text)) for line in lines])
    pitch = _middle([(each, len(line.text)) for line in lines if (each := _pitch(line))])
    runs = []
    for line in lines:
        x0, y0, x1, y1 = (value / scale for value in (line.x0, line.y0, line.x1, line.y1))
        runs.append(Run(line.text, x0, y0, x1, y1, _EM * _height(line, height, pitch) / scale))
    return runs


def _height(line: OcrLine, usual: float, usual_pitch: float) -> float:
    """Boxes of the same type differ in height by what they hold; Chinese characters are all as wide as the type."""
    high = line.y1 - line.y0
    # The boxes of short lines are too wide by as much as they are too high.
    loose = max(0.0, high - usual) if len(line.text) <= _SHORT else 0.0
    ratio = _pitch(line, loose) / usual_pitch if usual_pitch else 0.0
    if _SAME_PITCH <= ratio < _WIDER:
        return usual
    if 0 < ratio < _SAME_PITCH and len(line.text) > _SHORT:
        return usual * ratio
    least = _SAME_SHORT if len(line.text) <= _SHORT else _SAME
    return usual if least * usual < high < _TALLER * usual else high


def _pitch(line: OcrLine, loose: float = 0.0) -> float:
    """Width of a Chinese character (pixels) in a line that is mostly Chinese, else 0.

    loose: by how much the box is wider than the text.
    """
    visible, han = shown(line.text), cjk_count(line.text)
    if han < 2 or han < 0.7 * visible:
        return 0.0
    return (line.x1 - line.x0 - loose) / (han + _NARROW * (visible - han) - (line.text[-1] in _STOPS) * _NARROW)


def _middle(weighted: Sequence[tuple[float, int]]) -> float:
    """The value in the middle when each counts by its weight; 0 without any."""
    values = sorted(weighted)
    half, passed = sum(weight for _, weight in values) / 2, 0
    for value, weight in values:
        passed += weight
        if passed > half:
            return value
    return 0.0
