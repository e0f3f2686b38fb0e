"""Markers in what a language model writes: every form becomes [n], and none is cut in two while text arrives.

Pure but for the buffer of a reader. Code and formulas are never looked into: an index a[1] is no marker.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import unescape

from rag.zones import Zone, next_zone, zones

_LABEL = r"(?:\^|编号|段落|来源|[Pp]assages?|[Ss]ources?)?[ \t]*"
_ONE = rf"[\[【［]{_LABEL}\d{{1,2}}(?:[ \t]*[,，、;；–—~-][ \t]*\^?\d{{1,2}})*[ \t]*[\]】］]"
# A link, [1](https://...), is none.
_MARKER = rf"(?:{_ONE}|\[\[\d{{1,2}}\]\])(?!\((?:https?:|www\.|/|\#))"
_RUN = re.compile(rf"(?P<lead>[ \t]*)(?P<marks>{_MARKER}(?:[ \t]*{_MARKER})*)")
# At the end of what has arrived: blanks, markers after which more may come, and what may become one.
_UNSETTLED = re.compile(
    rf"(?:[ \t]*(?:{_ONE}|\[\[\d{{1,2}}\]\]))*(?:\([a-z:/#.]{{0,7}})?[ \t]*"
    r"(?:[\[【［]{1,2}[^\[\]【】［］\n]{0,30}\]?)?\Z"
)
_PART = re.compile(r"[\[【［][^\[【［\]】］]*[\]】］]")
_ITEM = re.compile(r"(\d{1,2})(?:[ \t]*[–—~-][ \t]*\^?(\d{1,2}))?")
_OPEN = re.compile(r"[\[【［\\][\^\d,，、;；\s–—~-]*\Z")
# dp[i][1], a[1], nums[1]
_INDEXED = re.compile(r"(?:(?<![A-Za-z0-9_])(?:[a-zA-Z]|arr|nums?|dp|\w*_\w*)|\[[\w+*/ -]{1,8}\])\Z", re.ASCII)
_VALUES = re.compile(
    r"(?:数组|列表|序列|区间|范围|集合|[=∈(（为]|\b(?:array|list|interval|range|sequence|in|is|of))[ \t]*\Z"
)
_LINE_START = re.compile(r"(?:^|\n)[ \t]*\Z")

_ENTITY = re.compile(r"&#?[0-9A-Za-z]{1,8};")
_SIGNS = frozenset("[]0123456789")
_ESCAPED = re.compile(r"\\\[(\d{1,3})\\\]")
_ROUND = str.maketrans("[【［]】］", "((()))")


@dataclass(frozen=True, slots=True)
class Run:
    """Markers side by side. lead, tail: the blanks around them that go when all of them go.

    opens: whether they begin a line, so that they belong to what follows on it.
    """

    numbers: tuple[int, ...]
    lead: str = ""
    tail: str = ""
    opens: bool = False

    def text(self, kept: Sequence[int] | None = None) -> str:
        """As it is written with only the markers in `kept`; None keeps all."""
        numbers = self.numbers if kept is None else kept
        return self.lead + "".join(f"[{number}]" for number in numbers) + self.tail if numbers else ""


Token = str | Run


class MarkerReader:
    """Cuts text that arrives in pieces into text and markers; how it is cut into pieces makes no difference.

    count: how many passages there are. Markers to others are left out.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._text = ""
        self._done = 0
        self._fence: int | None = None  # where a block of code began that is given line by line

    def feed(self, piece: str) -> list[Token]:
        """What `piece` settles."""
        self._text += piece
        return list(self._tokens(final=False))

    def finish(self) -> list[Token]:
        """All that was held back."""
        return list(self._tokens(final=True))

    def _tokens(self, *, final: bool) -> Iterator[Token]:
        while self._done < len(self._text):
            zone = next_zone(self._text, self._done if self._fence is None else self._fence, final=final)
            if self._fence is None:
                yield from self._between(zone, final=final)
            end = zone.end if zone.start < zone.end else self._whole_lines(zone)
            if self._done < zone.start or end <= self._done:
                return
            yield self._text[self._done : end]
            self._done = end
            self._fence = None if end == zone.end else zone.start

    def _whole_lines(self, zone: Zone) -> int:
        """Up to where a block of code that is not closed yet can be given."""
        return self._text.rfind("\n", zone.start) if zone.kind == "fence" else zone.start

    def _between(self, zone: Zone, *, final: bool) -> Iterator[Token]:
        """The markers and the text before `zone`."""
        end = zone.start
        if not final and end == len(self._text):
            held = _UNSETTLED.search(self._text, self._done)
            assert held is not None
            end = max(held.start(), self._done)
        # What follows a marker tells whether it is one, so that the match may look beyond `end`.
        while match := _RUN.search(self._text, self._done):
            if match.end() > end:
                break
            run = _run(self._text, match, self._count)
            if run is None:
                yield self._text[self._done : match.end()]
                self._done = match.end()
                continue
            tail = _tail(self._text[match.end() : end]) if run.opens else ""
            if self._done < match.start():
                yield self._text[self._done : match.start()]
            yield Run(run.numbers, run.lead, tail, run.opens)
            self._done = match.end() + len(tail)
        if self._done < end:
            yield self._text[self._done : end]
            self._done = end


class MarkerStream:
    """Text as it may be shown while it arrives: markers whole, as [n], and only to passages that exist.

    count: how many passages there are.
    """

    def __init__(self, count: int) -> None:
        self._reader = MarkerReader(count)

    def feed(self, piece: str) -> str:
        """What of the text so far can be shown now and was not shown before."""
        return _written(self._reader.feed(piece))

    def finish(self) -> str:
        """The rest."""
        return _written(self._reader.finish())


def normalised(text: str, count: int) -> str:
    """`text` with its markers as [n], without those to passages beyond `count`."""
    stream = MarkerStream(count)
    return stream.feed(text) + stream.finish()


def numbers_in(text: str, count: int) -> tuple[int, ...]:
    """The passages, of `count`, that the markers of `text` name, in order; an index in code is no marker."""
    reader = MarkerReader(count)
    runs = (token for token in (*reader.feed(text), *reader.finish()) if isinstance(token, Run))
    return tuple(dict.fromkeys(number for run in runs for number in run.numbers))


def without_markers(text: str) -> str:
    """`text` with no markers, nor the blanks before them."""
    reader = MarkerReader(0)
    return "".join(token for token in (*reader.feed(text), *reader.finish()) if isinstance(token, str))


def book_markers_as_words(text: str) -> str:
    """Text of a book, in which its own [3] are (3): no marker of an answer is put there by a book.

    Also where the signs are written as \\[3\\] or as entities, which a page would show as a marker.
    """
    parts: list[str] = []
    at = 0
    for zone in [*zones(text), Zone(len(text), len(text), "none")]:
        plain = _ENTITY.sub(lambda entity: _sign(entity.group()), text[at : zone.start])
        kept = text[zone.start : zone.end]
        number = _ESCAPED.fullmatch(kept)  # no formula, as a page shows it
        parts += [_RUN.sub(_in_round_brackets, plain), f"({number[1]})" if number else kept]
        at = zone.end
    return "".join(parts)


def _sign(entity: str) -> str:
    sign = unescape(entity)
    return sign if sign in _SIGNS else entity


def _in_round_brackets(match: re.Match[str]) -> str:
    return match.group() if _run(match.string, match, 99) is None else match.group().translate(_ROUND)


def may_follow(text: str) -> bool:
    """Whether a marker put after `text` would be read as one."""
    return not _OPEN.search(text[-40:])


def _written(tokens: Sequence[Token]) -> str:
    return "".join(token if isinstance(token, str) else token.text() for token in tokens)


def _tail(after: str) -> str:
    """The blanks between markers and what follows them on their line."""
    rest = after.lstrip(" \t")
    return after[: len(after) - len(rest)] if rest and rest[0] != "\n" else ""


def _run(text: str, match: re.Match[str], count: int) -> Run | None:
    """The markers of a match; None where the brackets are something else."""
    start = match.start("marks")
    before = text[max(start - 40, 0) : start]
    indexed = _INDEXED.search(before)
    if _OPEN.search(before) or (indexed and text[start : start + 2].strip("[").isdigit()):
        return None
    numbers: list[int] = []
    for part in _PART.findall(match["marks"]):
        items = [(int(first), int(last or first)) for first, last in _ITEM.findall(part)]
        if len(items) > 1 or items[0][0] != items[0][1]:
            firsts = [first for first, _ in items]
            if _VALUES.search(before) or 0 in firsts or firsts != sorted(set(firsts)):
                return None
        numbers += [number for first, last in items for number in range(first, last + 1) if 1 <= number <= count]
    opens = bool(_LINE_START.search(text[: match.start()]))
    # a【1】 is a marker, and must not become an index.
    lead = "" if opens else " " if indexed else match["lead"]
    return Run(tuple(dict.fromkeys(numbers)), lead, "", opens)
