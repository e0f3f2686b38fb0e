"""Where a long block may be cut: between rows, items, lines of code, sentences. Pure functions on offsets."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise

from core.text import protected, sentences, span_over

Cut = tuple[int, int]
Sized = tuple[Cut, int]
TokenCount = Callable[[Sequence[str]], list[int]]

# Within a sentence: first after a semicolon, then after a comma, then between words.
_BREAKS = (re.compile("；|;(?=\\s)"), re.compile("[，、：]|[,:](?=\\s)"), re.compile(r"(?=\s)"))
_MARKER = re.compile(
    r"\s*(?:[-*+•·▪◦●○■□◆]\s|[0-9a-zA-Z]{1,3}[.)、．）]|[（(][0-9a-z一二三四五六七八九十]{1,3}[）)]|[①-⑳]|[一二三四五六七八九十]{1,3}、)"
)
_DELIMITER = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*")
_ROW = re.compile(r"<tr\b.*?</tr\s*>", re.IGNORECASE | re.DOTALL)
_HEAD = re.compile(r"</thead\s*>|(?=<tbody\b)", re.IGNORECASE)


def table_parts(text: str, start: int, end: int) -> tuple[int, list[Cut]]:
    """Where the header of a table ends (`start` without one), and its rows; the first row holds the header too."""
    raw = text[start:end]
    if "<table" in raw[:200].lower():
        return _html_parts(raw, start, end)
    lines = list(lines_of(text, start, end))
    if len(lines) < 3 or not _DELIMITER.fullmatch(text[slice(*lines[1])]):
        return start, lines
    return lines[1][1], [(start, lines[2][1]), *lines[3:]]


def _html_parts(raw: str, start: int, end: int) -> tuple[int, list[Cut]]:
    rows = [match.span() for match in _ROW.finditer(raw)]
    if len(rows) < 3 or raw.lower().count("<table") > 1:
        return start, [(start, end)]
    head = _HEAD.search(raw, rows[0][1])
    head_end = head.end() if head else rows[0][1] if "<th" in raw[slice(*rows[0])].lower() else rows[0][0]
    body = [row for row in rows if row[0] >= head_end]
    # What stands between two rows belongs to the earlier one.
    begins = [0, *(row[0] for row in body[1:])]
    return start + head_end, [(start + a, start + b) for a, b in zip(begins, [*begins[1:], len(raw)], strict=True)]


def items_of(text: str, start: int, end: int) -> list[Cut]:
    """The top-level items of a list, each with all that stands below it."""
    lines = list(lines_of(text, start, end))
    margin = _indent(text, lines[0])
    begins = [
        line[0]
        for number, line in enumerate(lines)
        if not number or (_indent(text, line) <= margin and _MARKER.match(text, line[0], line[1]))
    ]
    return list(_stretches(lines, begins))


def code_parts(text: str, start: int, end: int) -> list[Cut]:
    """The stretches of code between blank lines."""
    lines = list(lines_of(text, start, end))
    begins = [
        line[0]
        for number, line in enumerate(lines)
        if not number or text.count("\n", lines[number - 1][1], line[0]) > 1
    ]
    return list(_stretches(lines, begins))


def lines_of(text: str, start: int, end: int) -> Iterator[Cut]:
    """The lines that are not blank."""
    for line in text[start:end].split("\n"):
        if line.strip():
            yield start, start + len(line.rstrip())
        start += len(line) + 1


def prose_parts(text: str, cut: Cut, limit: int, count: TokenCount) -> list[Sized]:
    """Sentences; one above the limit is cut after commas, then between words, and at last anywhere.

    Nothing is cut in formulas and inline code, so that a part which is one formula may exceed the limit.
    """
    start, end = cut
    kept = [(a + start, b + start) for a, b in protected(text[start:end])]
    parts = sized(text, list(sentences(text[start:end], start)), count)
    for stop in _BREAKS:
        parts = refined(text, parts, limit, count, partial(_broken, text, stop, kept))
    while True:
        finer = refined(text, parts, limit, count, partial(_shares, text, kept, limit))
        if len(finer) == len(parts):
            return parts
        parts = finer


def sized(text: str, cuts: Sequence[Cut], count: TokenCount) -> list[Sized]:
    """Each cut with its tokens."""
    return list(zip(cuts, count([text[start:end] for start, end in cuts]), strict=True))


def refined(
    text: str, parts: list[Sized], limit: int, count: TokenCount, finer: Callable[[Cut, int], list[Cut]]
) -> list[Sized]:
    """`parts`, those above the limit cut finer; `finer` is told their size."""
    rows = [[] if size <= limit else finer(cut, size) for cut, size in parts]
    cuts = [row if len(row) > 1 else [] for row in rows]
    sizes = iter(sized(text, [cut for row in cuts for cut in row], count))
    return [item for part, row in zip(parts, cuts, strict=True) for item in ([next(sizes) for _ in row] or [part])]


def _broken(text: str, stop: re.Pattern[str], kept: Sequence[Cut], unit: Cut, _: int) -> list[Cut]:
    start, end = unit
    places = [match.end() for match in stop.finditer(text, start + 1, end) if match.end() < end]
    return list(_between(text, [start, *(place for place in places if not _inside(kept, place)), end]))


def _shares(text: str, kept: Sequence[Cut], limit: int, unit: Cut, size: int) -> list[Cut]:
    """Even parts, as many as the size asks for, without regard to words."""
    start, end = unit
    count = min(size // limit + 1, end - start)
    places = {_free(text, kept, start + (end - start) * number // count) for number in range(1, count)}
    return list(pairwise([start, *sorted(place for place in places if start < place < end), end]))


def _free(text: str, kept: Sequence[Cut], place: int) -> int:
    """The next place where a cut goes through no formula and no accented letter."""
    over = _inside(kept, place)
    place = over[1] if over else place
    while place < len(text) and unicodedata.combining(text[place]):
        place += 1
    return place


def _inside(kept: Sequence[Cut], place: int) -> Cut | None:
    """The formula or inline code that a cut at `place` would go through."""
    over = span_over(kept, place, place + 1)
    return over if over and over[0] < place else None


def _between(text: str, places: Sequence[int]) -> Iterator[Cut]:
    for start, end in pairwise(places):
        part = text[start:end]
        if part.strip():
            yield start + len(part) - len(part.lstrip()), start + len(part.rstrip())


def _stretches(lines: Sequence[Cut], begins: Sequence[int]) -> Iterator[Cut]:
    """From each of `begins` to the end of the last line before the next."""
    first = set(begins)
    start, end = lines[0]
    for left, right in lines[1:]:
        if left in first:
            yield start, end
            start = left
        end = right
    yield start, end


def _indent(text: str, line: Cut) -> int:
    raw = text[slice(*line)].expandtabs(4)
    return len(raw) - len(raw.lstrip())
