"""The sentences, tables, code blocks and displayed formulas of an answer in Markdown, without its markers.

Pure functions. What is found in the beginning of a text stays as it is whatever arrives later.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from core.text import sentences
from rag.zones import masked, next_zone

Kind = Literal["sentence", "heading", "table", "code", "formula"]
_BULLET = re.compile(
    r"[ \t]*(?:>[ \t]*)*(?:#{1,6}[ \t]+|(?:[-*+•·][ \t]+(?:\[[ xX]\][ \t]+)?)?(?:\d{1,3}(?:[)、．]|\.(?!\d))[ \t]*"
    r"|[(（]\d{1,2}[)）][ \t]*|[①-⑳][ \t]*)?)"
)
_STARTS_BLOCK = re.compile(r"[ \t]*(?:[#>|`~$\\]|[-*+•·][ \t]|\d)")
_SOFT = re.compile(r"[ \t]*(?:[a-z](?![.)]))")
_GOES_ON = ("，", "、", ",")
_STOPS = " \t.,。，；;"  # after a displayed formula, alone on its line
_NEWLINE = re.compile(r"\n")
_ROW = re.compile(r"[ \t]*\|")


@dataclass(frozen=True, slots=True)
class Written:
    """`[start, end)` of an answer. body: where the words begin, after a bullet, a number or the signs of a heading."""

    kind: Kind
    start: int
    body: int
    end: int


def written_units(text: str) -> list[Written]:
    """The units of a whole answer in order; between them are only blanks."""
    found: list[Written] = []
    at = 0
    while unit := next_unit(text, at, final=True):
        found.append(unit)
        at = unit.end
    return found


def next_unit(text: str, at: int, *, final: bool) -> Written | None:
    """The first unit from `at` on, which is 0 or the end of a unit; None where there is none or its end is not known.

    final: whether all of the text has arrived.
    """
    start = at + len(text[at:]) - len(text[at:].lstrip())
    if start == len(text):
        return None
    if "\n" not in text[at:start] and at:
        return _sentence(text, start, start, "sentence", final=final)
    line = max(text.rfind("\n", 0, start) + 1, at)
    if text[start] == "|":
        return _table(text, start, final=final)
    if text[start] in "`~$\\":
        zone = next_zone(text, start, final=final)
        if zone.start == zone.end == start or (zone.start == start and zone.end == len(text) and not final):
            return None
        if zone.start == start and zone.kind in {"fence", "display"}:
            rest = text[zone.end :].split("\n")[0]
            if not rest.strip(_STOPS) and not final and "\n" not in text[zone.end :]:
                return None
            if not rest.strip(_STOPS):
                end = len(text[: zone.end + len(rest)].rstrip())
                return Written("code" if zone.kind == "fence" else "formula", start, start, end)
    bullet = _BULLET.match(text, line)
    body = max(bullet.end(), start) if bullet else start
    heading = "#" in text[start:body]
    return _sentence(text, start, body, "heading" if heading else "sentence", final=final)


def rows_of(table: str) -> Iterator[tuple[int, int]]:
    """`[start, end)` of each row of a Markdown table below its header and the line under it."""
    at = 0
    for number, line in enumerate(table.split("\n")):
        if number and re.sub(r"[\s|:—-]", "", line):
            yield at, at + len(line)
        at += len(line) + 1


def _table(text: str, start: int, *, final: bool) -> Written | None:
    end = start
    while True:
        stop = text.find("\n", end)
        if stop == -1:
            return Written("table", start, start, len(text.rstrip())) if final else None
        if not final and not text[stop + 1 :].strip(" \t"):
            return None
        if not _ROW.match(text, stop + 1):
            return Written("table", start, start, len(text[:stop].rstrip()))
        end = stop + 1


def _sentence(text: str, start: int, body: int, kind: Kind, *, final: bool) -> Written | None:
    stretch, whole = _stretch(text, start, body, kind, final=final)
    if stretch is None:
        return None
    found = list(sentences(masked(text[body:stretch]), body))
    if not found:
        return Written(kind, start, body, max(body, start + 1)) if whole else None
    # A heading reaches to the end of its line, however many sentences are known of it.
    if not whole and (len(found) == 1 or kind == "heading"):
        return None
    end = stretch if kind == "heading" else found[0][1]
    return Written(kind, start, body, len(text[:end].rstrip()))


def _stretch(text: str, start: int, body: int, kind: Kind, *, final: bool) -> tuple[int | None, bool]:
    """Up to where sentences are looked for, and whether the paragraph ends there."""
    at = body
    while True:
        zone = next_zone(text, at, final=final)
        while stop := _NEWLINE.search(text, at, zone.start):
            soft = None if kind == "heading" else _goes_on(text, stop.start(), final=final)
            if soft is None and kind != "heading":
                return stop.start(), False
            if not soft:
                return stop.start(), True
            at = stop.end()
        if zone.start == zone.end:
            whole = final and zone.start == len(text)
            return (zone.start, whole) if zone.start > body or whole else (None, False)
        at = zone.end


def _goes_on(text: str, newline: int, *, final: bool) -> bool | None:
    """Whether a paragraph goes on after a line break; None where it cannot be told yet."""
    after = text[newline + 1 :].lstrip(" \t")
    if len(after) < 2 and not final and "\n" not in after:
        return None
    if not after.strip() or after[0] == "\n" or _STARTS_BLOCK.match(after):
        return False
    return text[:newline].rstrip(" \t").endswith(_GOES_ON) or bool(_SOFT.match(after))
