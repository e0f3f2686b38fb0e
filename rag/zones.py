"""Code and formulas in Markdown that may still be arriving. Pure functions.

What is found in the beginning of a text stays as it is whatever arrives later: where that cannot be told yet, a zone
is held, and where it was no zone after all its signs are text.
"""

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["fence", "code", "formula", "display", "none"]
_OPENER = re.compile(r"\\(?s:.)|\\\Z|`+|~{3,}|~{1,2}\Z|\$\$?")
# What may stand before a fence, markers that will go included.
_PREFIX = re.compile(r"[ \t>]*(?:[\[【［]{1,2}[^\[\]【】［］\n]{0,30}[\]】］]{1,2}[ \t]*)*")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
# Money: $5 and $6.
_PRICE = re.compile(r"\$\d[\d,.]*(?:[\s，。；、]|\Z)")


@dataclass(frozen=True, slots=True)
class Zone:
    """`[start, end)` of a text. Empty: the text ends there, or it cannot be told yet whether one of `kind` begins."""

    start: int
    end: int
    kind: Kind


def next_zone(text: str, at: int, *, final: bool) -> Zone:
    """The first zone from `at` on; an empty one where the end, or what cannot be told yet, comes first.

    final: whether all of the text has arrived.
    """
    while opener := _OPENER.search(text, at):
        if opener.end() == len(text) and not final:
            return Zone(opener.start(), opener.start(), "none")
        kind = _kind(text, opener)
        if kind is not None:
            end = _close(text, opener, kind, final=final)
            if end == -1:
                return Zone(opener.start(), opener.start(), kind)
            if end:
                return Zone(opener.start(), end, kind)
        at = opener.end()
    return Zone(len(text), len(text), "none")


def zones(text: str) -> list[Zone]:
    """All zones of a text that has arrived."""
    found: list[Zone] = []
    at = 0
    while (zone := next_zone(text, at, final=True)).start < zone.end:
        found.append(zone)
        at = zone.end
    return found


def masked(text: str) -> str:
    """`text` of the same length in which zones, and signs that could begin one, are letters."""
    for zone in reversed(zones(text)):
        text = text[: zone.start] + "X" * (zone.end - zone.start) + text[zone.end :]
    return re.sub(r"[`$]", "X", text)


def _kind(text: str, opener: re.Match[str]) -> Kind | None:
    sign = opener.group()
    if sign in {"\\(", "\\["}:
        return "formula" if sign == "\\(" else "display"
    if sign[0] == "\\":
        return None
    if sign[0] == "$":
        return "display" if sign == "$$" else "formula"
    line = text.rfind("\n", 0, opener.start()) + 1
    if len(sign) >= 3 and _PREFIX.fullmatch(text, line, opener.start()):
        return "fence"
    return None if sign[0] == "~" else "code"


def _close(text: str, opener: re.Match[str], kind: Kind, *, final: bool) -> int:
    """Where the zone ends; 0: it is none; -1: it cannot be told yet."""
    sign, begin = opener.group(), opener.end()
    if kind == "fence":
        closing = re.compile(rf"\n[ \t>]*{re.escape(sign[0])}{{{len(sign)},}}[ \t]*(?=\n|\Z)")
        found = closing.search(text, begin)
        if found and (final or found.end() < len(text)):
            return found.end()
        return len(text) if final else -1
    if sign == "$" and (price := _PRICE.match(text, opener.start())):
        return 0 if final or price.end() < len(text) else -1
    inline = kind == "code" or sign == "$"
    limit = re.compile(r"\n").search(text, begin) if inline else _BLANK_LINE.search(text, begin)
    found = _closing(sign).search(text, begin, limit.start() if limit else len(text))
    if found and found.start() > begin and (limit or final or found.end() < len(text)):
        return found.end()
    return 0 if limit or final else -1


def _closing(sign: str) -> re.Pattern[str]:
    if sign[0] == "`":
        return re.compile(rf"(?<!`){sign}(?!`)")
    if sign[0] == "\\":
        return re.compile(r"\\\)" if sign == "\\(" else r"\\\]")
    return re.compile(r"\$\$" if sign == "$$" else r"(?<!\\)\$(?!\d)")
