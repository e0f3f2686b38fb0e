"""The citation check: of what a language model wrote, what its passages say, and which.

Every sentence is held against the passages. Markers to passages that do not support it go, and one is added where a
passage clearly does; what no passage supports is flagged, or left out. Pure but for the buffer of a stream.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rag.markers import MarkerReader, Run, Token, may_follow
from rag.support import Evidence
from rag.verdict import Reason, Verdict, judge
from rag.written import Written, next_unit, rows_of

Mode = Literal["flag", "drop"]
# A block of code that the answer ends in the middle of.
_OPEN_FENCE = re.compile(r"(`{3,}|~{3,})(?s:(?!.*\n[ \t>]*\1[`~]*\Z))")
_Marks = list[tuple[int, Run]]


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence, a row of a table, a block of code or a displayed formula: `[start, end)` of the checked text.

    The markers are part of it, a bullet is not. passages: all that support it, from 1. claims: whether it says
    anything; a heading, a greeting or 总结如下： does not, and counts as supported. reason: why it is not supported:
    no passage says it, or it holds the numbers or formulas in `values`, which stand in none.
    """

    start: int
    end: int
    passages: tuple[int, ...]
    claims: bool
    supported: bool
    reason: Reason | None = None
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """The answer as it may be shown. dropped: the sentences that were left out, without markers."""

    text: str
    statements: tuple[Statement, ...]
    dropped: tuple[str, ...] = ()


def check(text: str, evidence: Evidence, mode: Mode = "flag") -> Checked:
    """Check a whole answer.

    mode: "flag" keeps every sentence; "drop" leaves out those without support, and the text is empty when none that
    says anything is left.
    """
    stream = CheckedStream(evidence, mode)
    stream.feed(text)
    stream.finish()
    return stream.checked


class CheckedStream:
    """Checks an answer while it arrives: what `feed` and `finish` give adds up to the text of `check`.

    A sentence is given once it is whole and checked, so that one that is left out is never shown.
    """

    def __init__(self, evidence: Evidence, mode: Mode = "flag") -> None:
        self._evidence, self._drop = evidence, mode == "drop"
        self._reader = MarkerReader(evidence.count)
        self._clean = ""
        self._marks: _Marks = []
        self._at = 0
        self._text, self._shown = "", 0
        self._statements: list[Statement] = []
        self._dropped: list[str] = []
        self._gap = self._bullet = ""

    def feed(self, piece: str) -> str:
        """What can be shown now and was not shown before."""
        return self._take(self._reader.feed(piece), final=False)

    def finish(self) -> str:
        """The rest. After it `checked` is whole."""
        return self._take(self._reader.finish(), final=True)

    @property
    def checked(self) -> Checked:
        """All that was shown."""
        if not self._showable:
            return Checked("", (), tuple(self._dropped))
        return Checked(self._text, tuple(self._statements), tuple(self._dropped))

    @property
    def _showable(self) -> bool:
        """Headings alone are no answer: they wait for the first sentence that is kept."""
        return not self._drop or any(one.claims for one in self._statements)

    def _take(self, tokens: Sequence[Token], *, final: bool) -> str:
        for token in tokens:
            if isinstance(token, str):
                self._clean += token
            else:
                self._marks.append((len(self._clean), token))
        while unit := next_unit(self._clean, self._at, final=final):
            # What follows may still be a line of markers that belongs to it.
            if not final and not self._clean[unit.end :].strip():
                break
            gap = self._clean[self._at : unit.start]
            marks = self._marks_of(unit)
            self._at = max([unit.end, *(place for place, _ in marks)])
            self._add(unit, gap, marks)
        if not self._showable:
            return ""
        start, self._shown = self._shown, len(self._text)
        return self._text[start:]

    def _marks_of(self, unit: Written) -> _Marks:
        """The markers of a unit: in it, right behind it, or alone on a line after it."""
        found: _Marks = []
        while self._marks:
            place, run = self._marks[0]
            alone = run.opens and self._clean[place : place + 1] in {"", "\n"}
            if place > unit.end and (not alone or self._clean[unit.end : place].strip()):
                break
            self._marks.pop(0)
            if place >= unit.start:
                found.append((place, run))
        return found

    def _add(self, unit: Written, gap: str, marks: _Marks) -> None:
        """Put a checked unit behind the text, or leave it out."""
        if "\n" in gap:
            self._bullet = ""
            # Blanks at the end of a line that is left out go with it.
            gap = gap.lstrip(" \t") if self._gap else gap
        self._gap = max(self._gap, gap, key=lambda some: (some.count("\n"), len(some)))
        bullet = self._clean[unit.start : unit.body]
        if unit.kind == "table":
            text, statements, dropped = _checked_table(self._clean, unit, marks, self._evidence, drop=self._drop)
        else:
            text, statements, dropped = self._checked_one(unit, marks)
        self._dropped += dropped
        if not text:
            self._bullet = bullet or self._bullet
            return
        before = (self._gap if self._text else "") + (self._bullet if not bullet else "")
        shift = len(self._text) + len(before)
        self._text += before + text
        self._statements += (replace(one, start=one.start + shift, end=one.end + shift) for one in statements)
        self._gap = self._bullet = ""

    def _checked_one(self, unit: Written, marks: _Marks) -> "_Part":
        sentence = self._clean[unit.body : unit.end]
        cited = [number for _, run in marks for number in run.numbers]
        verdict = judge(sentence, cited, self._evidence, unit.kind)
        if self._drop and not verdict.supported:
            return "", [], [sentence]
        text = _with_marks(self._clean, unit.start, unit.end, marks, verdict.kept)
        if verdict.added and not _in_markup(sentence):
            text = _marked(text, verdict.added, apart=unit.kind in {"code", "formula"})
        start = len(text) - len(text[unit.body - unit.start :].lstrip())
        statement = _statement(verdict, start, len(text))
        return text, [statement] if sentence else [], []


_Part = tuple[str, list[Statement], list[str]]


def _checked_table(clean: str, unit: Written, marks: _Marks, evidence: Evidence, *, drop: bool) -> _Part:
    """A table row by row. Markers below it are those of rows without; where there are none, some are put there."""
    below = [(place, run) for place, run in marks if place > unit.end]
    cited_below = [number for _, run in below for number in run.numbers]
    text, at = "", unit.start
    statements: list[Statement] = []
    dropped: list[str] = []
    right: dict[int, None] = {}
    added: dict[int, None] = {}
    for start, end in ((unit.start + a, unit.start + b) for a, b in rows_of(clean[unit.start : unit.end])):
        own = [(place, run) for place, run in marks if start <= place <= end]
        row = clean[start:end]
        cited = [number for _, run in own for number in run.numbers] or cited_below
        verdict = judge(row.replace("|", " "), cited, evidence)
        if drop and not verdict.supported:
            text += clean[at : max(start - 1, at)]
            dropped.append(row)
            at = end
            continue
        text += clean[at:start]
        shown = _with_marks(clean, start, end, own, verdict.kept)
        statements.append(_statement(verdict, len(text), len(text) + len(shown)))
        text, at = text + shown, end
        right |= dict.fromkeys(verdict.passages)
        added |= dict.fromkeys(verdict.added)
    if dropped and not statements:
        return "", [], dropped
    text += clean[at : unit.end]
    kept = [number for number in dict.fromkeys(cited_below) if number in right]
    if kept:
        text += _with_marks(clean, unit.end, unit.end, below, kept)
    elif added:
        text = _marked(text, sorted(added), apart=True)
    return text, statements, dropped


def _with_marks(clean: str, start: int, end: int, marks: _Marks, kept: Sequence[int]) -> str:
    """`[start, end)` of the text with those of its markers that are kept, each where it stands last."""
    left, shown = set(kept), list[tuple[int, Run, list[int]]]()
    for place, run in reversed(marks):
        numbers = [number for number in run.numbers if number in left]
        left -= set(numbers)
        if numbers:
            shown.insert(0, (place, run, numbers))
    text, at = "", start
    for place, run, numbers in shown:
        text += clean[at:place] + run.text(numbers)
        at = place
    return text + clean[at : max(at, end)]


def _marked(text: str, numbers: Sequence[int], *, apart: bool) -> str:
    """`text` closed by markers, as in `rag.draft`: those of a table, a block of code or a formula stand below it."""
    if not may_follow(text) or _OPEN_FENCE.match(text):
        return text
    lead = "\n\n" if apart else " " if text[-1:].isascii() and (text[-1:].isalnum() or text[-1:] in "_]") else ""
    return text + lead + "".join(f"[{number}]" for number in numbers)


def _in_markup(sentence: str) -> bool:
    return any(tag in sentence.lower() for tag in ("<td", "<th", "<tr", "</td", "</th", "</tr"))


def _statement(verdict: Verdict, start: int, end: int) -> Statement:
    return Statement(start, end, verdict.passages, verdict.claims, verdict.supported, verdict.reason, verdict.values)
