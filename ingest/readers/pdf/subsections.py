"""Headings of subsections set at the size of the text ("3.1 Overview"), told by their numbers. Pure."""

import re
from collections.abc import Mapping, Sequence

from ingest.readers.pdf.layout import Row, leading_of
from ingest.readers.pdf.lines import ends_sentence

_CHAPTER = re.compile(r"^(?:第\s*)?(\d{1,2}(?:\.\d{1,2})*|[一二三四五六七八九十]{1,3}(?=\s*章))(?:\s*章|\.?\s)")
_DIGITS = "零一二三四五六七八九"
_NUMBERED = re.compile(r"^(\d{1,2}(?:\.\d{1,2})+)\.?(?:\s+(?=[A-Z\u4e00-\u9fff])|(?=[\u4e00-\u9fff]))")
_LONGEST, _DEEPEST = 80, 6
_GAP = 1.2  # of the usual distance of lines, above the heading
_USUAL = 1.3  # em, where a page does not tell

Number = tuple[int, ...]
Place = tuple[int, int]


def subsections(pages: Sequence[Sequence[Row]], levels: Mapping[Place, int]) -> dict[Place, int]:
    """Levels of the lines that carry the next number below or beside the heading before them.

    levels: of the headings already known, by (page, row). A line is one only if it stands alone: short, with
    a gap above it, not the end of a sentence, and not one of several such lines in a row (a list of contents).
    """
    found: dict[Place, int] = {}
    last: Number = ()
    level = 0
    for page, rows in enumerate(pages):
        usual = leading_of(rows) or _USUAL
        for at, row in enumerate(rows):
            if known := levels.get((page, at)):
                if match := _CHAPTER.match(row.text):
                    last, level = _number(match[1]), known
                continue
            number = _number_of(rows, at, usual)
            if number and _follows(last, number) and not (at + 1 < len(rows) and _beside(number, rows[at + 1])):
                level = min(level + len(number) - len(last), _DEEPEST)
                last = number
                found[page, at] = level
    return found


def _number(text: str) -> Number:
    """ "3.1" is (3, 1), "十二" is (12,)."""
    if text[0].isdigit():
        return tuple(map(int, text.split(".")))
    tens, ten, ones = text.rpartition("十")
    return (10 * (_DIGITS.find(tens or "一") if ten else 0) + _DIGITS.find(ones or "零"),)


def _number_of(rows: Sequence[Row], at: int, usual: float) -> Number:
    """The number that the line begins with if it stands as a heading does, else ()."""
    row, text = rows[at], rows[at].text.strip()
    match = _NUMBERED.match(text)
    if not match or len(text) > _LONGEST or len(row.cells) > 1 or row.mono or row.table:
        return ()
    short = row.right - row.x1 > 0.15 * (row.right - row.left)
    if not short or ends_sentence(text) or text[-1].isdigit() or text[-1] in ",，、":
        return ()
    above = rows[at - 1] if at and rows[at - 1].column == row.column else None
    if above and not above.table and row.middle - above.middle < _GAP * usual * row.size:
        return ()
    return _number(match[1])


def _follows(last: Number, number: Number) -> bool:
    """Whether `number` is the first below `last`, or the next at the depth of `last` or above."""
    if not last:
        return False
    return number == (*last, 1) or any(number == (*last[:depth], last[depth] + 1) for depth in range(1, len(last)))


def _beside(number: Number, row: Row) -> bool:
    """Whether the line has a number of the same depth."""
    match = _NUMBERED.match(row.text.strip())
    return match is not None and len(_number(match[1])) == len(number)
