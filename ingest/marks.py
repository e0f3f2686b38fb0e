"""Where on a page a quote stands, and the boxes to mark there. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ingest.quotes import Quote, letters

_HAN = 0x2E80  # from here on a character says as much as two letters
_LEAST = 8  # weight of a stretch; shorter ones are the same by chance
_SHARE, _SURE = 0.5, 24  # share of the quote that must be found, or weight of one stretch
_WIDE_GAP = 3.0  # of a line's height; a wider one parts columns
_Boxes = npt.NDArray[np.float64]
_GONE = 0


@dataclass(frozen=True, slots=True)
class Found:
    """Characters `[start, end)` of a page that are a quote's, in their order there, and the share of it they are."""

    spans: tuple[tuple[int, int], ...] = ()
    share: float = 0.0


def find(quote: Quote, page: str) -> Found:
    """Where `quote` stands in `page`, whole or in parts; nothing where it does not."""
    wanted, own = letters(quote.text)
    there, places = letters(page)
    if not wanted or not there:
        return Found()
    at = _nth(wanted, there, quote.nth)
    stretches = [(0, at, len(wanted))] if at >= 0 else _stretches(wanted, there)
    covered = sum(length for _, _, length in stretches) / len(wanted)
    if covered < _SHARE and max((_weight(wanted[q : q + n]) for q, _, n in stretches), default=0) < _SURE:
        return Found()
    ends = [-1, *own, len(quote.text)]
    spans = [
        _with_signs(
            page,
            (places[p], places[p + n - 1] + 1),
            before=ends[q + 1] - ends[q] - 1,
            after=ends[min(q + n, len(own)) + 1] - ends[min(q + n, len(own))] - 1,
        )
        for q, p, n in _with_gaps(stretches)
    ]
    return Found(tuple(_joined(sorted(spans), page)), covered)


def line_boxes(boxes: _Boxes, spans: Sequence[tuple[int, int]]) -> list[tuple[float, float, float, float]]:
    """One box for each line of the characters in `spans`.

    boxes: of all characters of the page, shape (n, 4): left, top, right, bottom, y downwards; what has no width or
    height is not seen.
    """
    lines: list[list[float]] = []
    for start, end in spans:
        fresh = True
        for x0, y0, x1, y1 in boxes[start:end].tolist():
            if not (x1 > x0 and y1 > y0):
                continue
            if not fresh and _is_beside(lines[-1], x0, y0, x1, y1):
                line = lines[-1]
                lines[-1] = [min(line[0], x0), min(line[1], y0), max(line[2], x1), max(line[3], y1)]
            else:
                lines.append([x0, y0, x1, y1])
            fresh = False
    return [(x0, y0, x1, y1) for x0, y0, x1, y1 in lines]


def _is_beside(line: Sequence[float], x0: float, y0: float, x1: float, y1: float) -> bool:
    height = min(line[3] - line[1], y1 - y0)
    overlap = min(line[3], y1) - max(line[1], y0)
    return overlap > 0.5 * height and -height < x0 - line[2] < _WIDE_GAP * height


def _nth(wanted: str, there: str, nth: int) -> int:
    """The place of the occurrence after `nth` others, or else of the last one; -1 without any."""
    at = there.find(wanted)
    for _ in range(nth):
        later = there.find(wanted, at + len(wanted))
        if at < 0 or later < 0:
            break
        at = later
    return at


def _stretches(wanted: str, there: str) -> list[tuple[int, int, int]]:
    """Parts that both have, the longest first taken: place in the quote, place in the page, length.

    Parts may stand in another order on the page, whose columns the file may hold in any.
    """
    quote, page = (np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32).copy() for text in (wanted, there))
    found: list[tuple[int, int, int]] = []
    open_parts = [(0, len(quote))]
    while open_parts:
        start, end = open_parts.pop()
        place, at, length = _longest(quote[start:end], page)
        place += start
        if _weight(wanted[place : place + length]) < _LEAST:
            continue
        found.append((place, at, length))
        page[at : at + length] = _GONE
        open_parts += [(start, place), (place + length, end)]
    return sorted(found)


def _longest(quote: npt.NDArray[np.uint32], page: npt.NDArray[np.uint32]) -> tuple[int, int, int]:
    """The longest part that both have: place in each, and length (0: none)."""
    best = (0, 0, 0)
    run = np.zeros(len(page) + 1, dtype=np.int32)  # length of the common part that ends with each character
    for place, char in enumerate(quote):
        run[1:] = np.where(page == char, run[:-1] + 1, 0)
        end = int(run.argmax())
        if run[end] > best[2]:
            length = int(run[end])
            best = (place + 1 - length, end - length, length)
    return best


def _with_gaps(stretches: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """The stretches, and what stands between two of them where the quote has about as much between them.

    So formulas that were written anew are marked, and short cells of tables.
    """
    filled = list(stretches)
    for (q, p, n), (later_q, later_p, _) in pairwise(stretches):
        between, missing = later_p - (p + n), later_q - (q + n)
        if missing > 0 and 0 < between <= 4 * missing + 8:
            filled.append((q + n, p + n, between))
    return filled


def _with_signs(page: str, span: tuple[int, int], *, before: int, after: int) -> tuple[int, int]:
    """The span with the signs around it, as a full stop: at most as many as the quote has there."""
    start, end = span
    while start > 0 and before > 0 and _is_sign(page[start - 1]):
        start, before = start - 1, before - 1
    while end < len(page) and after > 0 and _is_sign(page[end]):
        end, after = end + 1, after - 1
    return start, end


def _is_sign(char: str) -> bool:
    return not char.isspace() and not char.isalnum()


def _joined(spans: Sequence[tuple[int, int]], page: str) -> list[tuple[int, int]]:
    """Spans with no letter or digit between them are one."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and not any(map(str.isalnum, page[joined[-1][1] : start])):
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def _weight(text: str) -> int:
    return sum(2 if ord(char) >= _HAN else 1 for char in text)
