"""Answers that are empty, or end before they are finished. Pure functions."""

import re
from collections.abc import Sequence

from core.text import length
from finetune.audit.findings import Finding, Flaw, finding
from finetune.audit.rows import Row
from rag.zones import zones

# Words: a shorter answer without a full stop is a phrase, as `移码`.
_LONG, _LONG_LINE, _GOES_ON = 150, 15, 8
_PAIRS = {"(": ")", "[": "]", "（": "）", "【": "】", "「": "」", "『": "』", "《": "》", "“": "”"}
_LEADS_ON = re.compile(r"(?:[,，、;；:：(（\[“‘]|(?:^|\s)(?:the|a|an|of|to|and|or|with|for|in|is|are|by))$")
_LEADS_ON_ZH = re.compile(r"(?:以及|并且|因为|由于|从而|例如|比如|包括|但是|而且|或者|如果)$")
_WORD_END = re.compile(r"[A-Za-z\u4e00-\u9fff]$")
# What is complete without a full stop: a heading, an item, a row of a table, an address.
_LINE_ALONE = re.compile(r"^\s*(?:[-*+•·|>#]|\d+[.、)）]|[（(]\d+[)）]|[A-Za-z][.、)）])|https?://\S+$")
_FACE = re.compile(r"[:;]-?\(")


def endings(rows: Sequence[Row]) -> list[Finding]:
    """Empty questions and answers, and answers that are cut."""
    empty: list[Flaw] = []
    cut: list[Flaw] = []
    # Where most answers do without a full stop, one that lacks it says nothing.
    unstopped = sum(bool(_WORD_END.search(row.answer.rstrip())) for row in rows) * 2 > len(rows)
    for row in rows:
        for turn in row.turns:
            if not turn.output.strip():
                empty.append((row, turn.input, "no answer"))
            elif reason := why_cut(turn.output, full_stops=not unstopped):
                cut.append((row, turn.output[-120:], reason))
            if not turn.input.strip() and not row.is_text:
                empty.append((row, turn.output, "no question"))
    return [
        *finding("empty", "error", empty, len(rows), "lack a question or an answer", "delete them, or complete them"),
        *finding(
            "cut-answer", "warning", cut, len(rows), "have an answer that ends unfinished",
            "complete them, or delete them: the model learns to stop there", many=True,
        ),
    ]  # fmt: skip


def why_cut(answer: str, *, full_stops: bool = True) -> str | None:
    """Why an answer looks unfinished; None where it does not.

    full_stops: whether a long answer needs one at its end. A sentence that breaks off at a place where one could end
    is not seen, nor is a cut short answer.
    """
    text = answer.rstrip()
    if text.count("```") % 2:
        return "a block of code is not closed"
    begun, ended = (re.findall(rf"\\{word}\s*\{{(\w+\*?)\}}", text) for word in ("begin", "end"))
    if begun and len(begun) > len(ended):
        return f"\\begin{{{begun[-1]}}} is not closed"
    prose = _without_zones(text)
    last = prose.rstrip().rsplit("\n", 1)[-1]
    # In LaTeX without delimiters brackets need no partner: [0, 1), \\left(.
    if "\\" not in last and (opened := _open_bracket(last)) and not re.search(r"[。！？.!?]$", last):
        return f"{opened} is not closed"
    if length(text) >= _GOES_ON and (_LEADS_ON.search(prose) or _LEADS_ON_ZH.search(prose)):
        return f"ends with {prose.rstrip()[-4:].split()[-1]!r}"
    if not full_stops or length(text) < _LONG or length(last) < _LONG_LINE or _LINE_ALONE.search(last):
        return None
    return "long, and without a full stop at its end" if _WORD_END.search(last) else None


def _without_zones(text: str) -> str:
    """Code and formulas as a full stop of their length, so that what ends with one is finished."""
    for zone in reversed(zones(text)):
        text = text[: zone.start] + "." * (zone.end - zone.start) + text[zone.end :]
    return text


def _open_bracket(line: str) -> str | None:
    """The last bracket of a line that nothing closes."""
    stack: list[str] = []
    for sign in _FACE.sub("", line):
        if sign in _PAIRS:
            stack.append(sign)
        elif (stack and sign == _PAIRS[stack[-1]]) or (stack and sign in ")）" and stack[-1] in "(（"):
            stack.pop()
    return stack[-1] if stack else None
