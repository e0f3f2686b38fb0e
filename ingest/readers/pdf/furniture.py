"""Running heads, running feet and page numbers, pure: what stands on a page but is not in the book."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass

from ingest.readers.pdf.layout import Row, Run, leading_of, rows_of
from ingest.readers.pdf.ruled import NOT_RULED, Ruling

_ZONE = 0.08  # of the page's height, at the top and at the bottom
_OUTER = 0.12  # the outermost line may stand this far in and still hold the page number
_LONGEST = 90  # characters; no running head is longer
_REPEATS = 3  # pages
_LARGE, _LARGE_OCR = 1.1, 1.35  # of the body size
_SHARE = 0.3  # of the pages
_ROMAN = re.compile(r"^(?=[ivxlc])(c{0,3})(xc|xl|l?x{0,3})(ix|iv|v?i{0,3})$", re.I)
_LONE = re.compile(
    r"^(?:第\s*)?(?:page|p\.|seite|s\.)?\s*[-–—·•~|\[(（]*\s*(\d{1,4}|[ivxlc]{1,7}|[IVXLC]{1,7})"
    r"\s*[-–—·•~|\])）]*\s*页?(?:\s*(?:/|of|共|，共)\s*\d{1,4}\s*页?)?$",
    re.I,
)
_EDGE = re.compile(r"^\s*(\d{1,4}|[ivxlc]{1,7})(?=\s)|(?<=\s)(\d{1,4}|[ivxlc]{1,7})\s*$", re.I)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page's lines before the furniture is taken away. index: 0-based; height: points.

    ocr: recognised, so that sizes are noisy. ruling: where its tables are.
    """

    index: int
    height: float
    runs: list[Run]
    ocr: bool = False
    ruling: Ruling = NOT_RULED


@dataclass(frozen=True, slots=True)
class Numbering:
    """A number read off a page. offset: value minus index, equal along a sequence."""

    style: str
    offset: int
    text: str


def strip_furniture(sheets: Sequence[Sheet], body: float) -> tuple[list[list[Run]], dict[int, str]]:
    """Each sheet's runs without furniture, and the printed page numbers by index.

    body: size of body text in points; larger lines are furniture only if they repeat often.
    """
    zones = {sheet.index: _zone_rows(sheet) for sheet in sheets}
    repeated = _repeated(zones, body)
    sequences = _sequences(zones)
    kept: list[list[Run]] = []
    labels: dict[int, str] = {}
    for sheet in sheets:
        gone: list[Row] = []
        for row, near in zones[sheet.index]:
            number = _number_of(row, sheet.index, sequences)
            # "1 Introduction" and "2 Methods" at the tops of pages 1 and 2 are headings.
            limit = (_LARGE_OCR if sheet.ocr else _LARGE) * body
            small = row.size < limit and len(row.text) <= (_LONGEST if near else _LONGEST // 2)
            alone = bool(_lone(row.text))
            if number and (small or alone):
                labels.setdefault(sheet.index, number.text)
                gone.append(row)
            elif near and ((alone and row.size <= _LARGE * body) or _pattern(row, body) in repeated):
                gone.append(row)
        kept.append([run for run in sheet.runs if not any(_inside(run, row) for row in gone)])
    return kept, labels


def running_titles(rows: Sequence[Row], height: float, titles: Set[str]) -> set[int]:
    """Rows (by position) at the top or bottom edge that say again what a heading of the book says.

    titles: headings as `title_key` gives them. A head that changes with each section repeats too rarely
    to be found by counting.
    """
    by_height = sorted(range(len(rows)), key=lambda at: rows[at].middle)
    edges = [at for at in by_height[:1] if rows[at].middle < _OUTER * height]
    edges += [at for at in by_height[-1:] if rows[at].middle > (1 - _OUTER) * height]
    return {at for at in edges if title_key(rows[at].text) in titles and _stands_off(rows, by_height, at)}


def _stands_off(rows: Sequence[Row], by_height: Sequence[int], at: int) -> bool:
    """Whether the row at the edge is further from its neighbour than lines of text are."""
    if len(rows) < 2:
        return True
    other = rows[by_height[1] if by_height[0] == at else by_height[-2]]
    usual = leading_of(rows) or 1.5
    return abs(other.middle - rows[at].middle) > 1.25 * usual * max(other.size, rows[at].size)


def title_key(text: str) -> str:
    """Letters of a title, without numbers; empty where there are too few to tell it by."""
    key = "".join(char for char in unicodedata.normalize("NFKC", text).casefold() if char.isalpha())
    return key if len(key) >= 2 else ""


def _inside(run: Run, row: Row) -> bool:
    return row.x0 - 1 <= run.x0 and run.x1 <= row.x1 + 1 and row.y0 <= run.middle <= row.y1


def _zone_rows(sheet: Sheet) -> list[tuple[Row, bool]]:
    """Rows near the top and bottom edge, outermost first; whether each is in the zone proper."""
    high, low = _OUTER * sheet.height, (1 - _OUTER) * sheet.height
    top = rows_of([run for run in sheet.runs if run.middle < high])
    bottom = rows_of([run for run in sheet.runs if run.middle > low])[::-1]
    found = []
    for rows in (top, bottom):
        for place, row in enumerate(rows):
            near = not _ZONE * sheet.height < row.middle < (1 - _ZONE) * sheet.height
            if near or place == 0:
                found.append((row, near))
    return found


def _pattern(row: Row, body: float) -> str:
    """Text with its numbers made equal; empty where there is too little to recognise.

    In large type numbers count: "Chapter 1" and "Chapter 2" are headings, not running heads.
    """
    text = row.text
    if row.size > _LARGE * body:
        return " ".join(text.casefold().split())
    words = [re.sub(r"\d+", "#", word) for word in text.casefold().split()]
    words = ["#" if _ROMAN.match(word) else word for word in words]
    joined = " ".join(words)
    return joined if sum(char.isalpha() for char in joined) >= 2 else ""


def _repeated(zones: dict[int, list[tuple[Row, bool]]], body: float) -> set[str]:
    counts, large = Counter[str](), set()
    for rows in zones.values():
        patterns = {_pattern(row, body): row for row, near in rows if near and len(row.text) <= _LONGEST}
        patterns.pop("", None)
        counts.update(patterns.keys())
        large |= {pattern for pattern, row in patterns.items() if row.size > _LARGE * body}
    share = max(2, _SHARE * len(zones))
    return {
        pattern for pattern, count in counts.items() if count >= share or (count >= _REPEATS and pattern not in large)
    }


def _numbers(row: Row, index: int) -> list[Numbering]:
    """Every number on the row that may be the page's."""
    texts = [_lone(text) for text in (row.text, row.cells[0].text, row.cells[-1].text)]
    texts += [a or b for a, b in _EDGE.findall(row.text)]
    numbers = []
    for text in dict.fromkeys(filter(None, texts)):
        value = int(text) if text.isdecimal() else _roman(text)
        if value:
            numbers.append(Numbering("arabic" if text.isdecimal() else "roman", value - index, text))
    return numbers


def _lone(text: str) -> str:
    """The number in a text that is a page number alone ("12", "— 12 —", "第12页", "12 / 300"), else ""."""
    match = _LONE.match(text.strip())
    return match[1] if match and (match[1].isdecimal() or _roman(match[1])) else ""


def _roman(text: str) -> int:
    if not _ROMAN.match(text):
        return 0
    values = [{"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}[char] for char in text.lower()]
    return sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True))


def _sequences(zones: dict[int, list[tuple[Row, bool]]]) -> set[tuple[str, int]]:
    """(style, offset) of numbers that count up with the pages: on most numbered pages, or for a stretch."""
    support = defaultdict[tuple[str, int], set[int]](set)
    numbered: dict[str, set[int]] = {"arabic": set(), "roman": set()}
    for index, rows in zones.items():
        for row, _ in rows:
            for number in _numbers(row, index):
                support[number.style, number.offset].add(index)
                numbered[number.style].add(index)
    found = set()
    for (style, offset), pages in support.items():
        most, stretch = max(2, 0.5 * len(numbered[style])), max(5, 0.1 * len(numbered[style]))
        if len(pages) >= min(most, stretch):
            found.add((style, offset))
    return found


def _number_of(row: Row, index: int, sequences: set[tuple[str, int]]) -> Numbering | None:
    return next((n for n in _numbers(row, index) if (n.style, n.offset) in sequences), None)
