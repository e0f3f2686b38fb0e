"""What is wrong with the LaTeX of a text. Pure functions.

A formula stands in $…$, $$…$$, \\(…\\), \\[…\\] or an environment such as equation. Whether a formula is true, or what
its author meant, is not looked at; nor are macros that nobody but its author knows.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag.zones import zones

_OWN = r"(?:equation|align|gather|multline|displaymath|math|eqnarray|flalign|alignat)\*?"  # no delimiters needed
_INNER = r"(?:aligned|gathered|split|array|cases|[pbBvV]?matrix|smallmatrix|alignedat|rcases|subarray)"
_FORMULA = re.compile(
    r"(?P<escaped>\\\\|\\\$)"
    rf"|\\begin\{{(?P<env>{_OWN})\}}(?P<own>.+?)\\end\{{(?P=env)\}}"
    r"|\$\$(?P<display>(?:(?!\n\s*\n)[^$]|\\\$|(?<!\$)\$(?!\$))+?)\$\$"
    r"|\\\[(?P<square>(?:\\\\|(?!\\\]|\n\s*\n).){1,2000}?)\\\]|\\\((?P<round>(?:\\\\|(?!\\\)|\n\s*\n).){1,2000}?)\\\)"
    r"|\$(?P<inline>(?:(?!\n\s*\n)[^$\\]|\\.)+?)\$",
    re.DOTALL,
)
# Commands that nobody writes but in a formula.
_STRONG = re.compile(
    r"(?<![\\A-Za-z:])\\(?:[dt]?frac|sqrt|i{0,2}int|oint|sum|prod|lim|left|right|infty|leqslant|geqslant|leq?|geq?|neq"
    r"|cdot|times|alpha|beta|gamma|delta|Delta|epsilon|theta|lambda|mu|xi|pi|sigma|varphi|varepsilon|omega|Omega"
    r"|partial|nabla|mathrm|mathbf|mathbb|mathcal|boldsymbol|sin|cos|tan|ln|log|arctan|arcsin|prime|rightarrow|equiv"
    rf"|approx|sim|overline|vec|hat|binom|begin\{{{_INNER}\}})(?![A-Za-z])"
)
_SIGN = re.compile(
    r"\\\\|\\(?P<end>begin|end)\s*\{(?P<name>[^{}]*)\}"
    r"|\\(?P<side>left|right)(?![A-Za-z])\s*(?:\\[A-Za-z]+|\\.|.)?|\\(?:middle|[bB]igg?[lrm]?)(?![A-Za-z])\s*(?:\\[A-Za-z]+|\\.|.)?"
    r"|\\(?P<chinese>[\u4e00-\u9fff])|\\[A-Za-z]+|\\.|(?P<sign>[{}()\[\]])",
    re.DOTALL,
)
_OPTION = re.compile(r"(?<!\\)(?:\\\\)*\\[A-H](?=[.．、])")
# \f of \frac, \b of \begin, \t of \times, \r of \right read as a control character by a JSON parser.
_SWALLOWED = re.compile(
    r"\x0c(?:rac|orall)|\x08(?:egin|eta|ar|oldsymbol|inom|ig|ullet)|\t(?:imes|heta|ext\{|frac|riangle|o\b)|\r(?:ight|ho\b|angle)"
)
_SPACED = re.compile(
    r"\\(?:mathrm|operatorname\*?|mathbf|mathit|text)\s*\{\s*(?:[A-Za-z0-9]\s+){2,}[A-Za-z0-9]?\s*\}|\\mathrm(?:\s+\{\s*|\{\s+)~"
)
_WORDS = re.compile(r"\\(?:text\w*|mathrm|operatorname\*?|mbox)\s*\{[^{}]*\}")
_TEXT_COMMAND = re.compile(r"\\(?:text\w*|mathrm|mbox)\s*\Z")
_BARE = re.compile(r"(?<![\\A-Za-z])(?:sin|cos|tan|cot|ln|log|lim|arctan|arcsin)(?=\s?[({\\\d]|\s[a-z](?![A-Za-z]))")
_AROUND = 30


@dataclass(frozen=True, slots=True)
class Fault:
    """text: what is at fault, with what stands around it. style: it can be read, and looks bad."""

    why: str
    text: str
    style: bool = False


def faults(text: str) -> list[Fault]:
    """All that is wrong with the formulas of a text, the first of each kind."""
    text = _without_code(text)
    found = [Fault("a JSON escape swallowed the beginning of a command", _near(text, match))
             for match in _SWALLOWED.finditer(text)]  # fmt: skip
    if "\\" in text or "$" in text:
        inside, outside = _apart(text)
        for formula in inside:
            found += [*_structure(formula), *_style(formula)]
        found += _undelimited(outside)
    first: dict[str, Fault] = {}
    for fault in found:
        first.setdefault(fault.why, fault)
    return list(first.values())


def words_around(text: str) -> str:
    """A text without its code, its formulas and its LaTeX commands."""
    commands = r"\\(?:begin|end)\{[^}]*\}(?:\{[lcr|]*\})?|\\[A-Za-z]+|\\."
    return re.sub(commands, " ", _apart(_without_code(text))[1])


def _without_code(text: str) -> str:
    for zone in reversed(zones(text)):
        if zone.kind in {"fence", "code"}:
            text = text[: zone.start] + " " * (zone.end - zone.start) + text[zone.end :]
    return text


def _apart(text: str) -> tuple[list[str], str]:
    """The formulas, and the text around them with a blank for each."""
    inside: list[str] = []
    outside, at, begin = "", 0, 0
    while match := _FORMULA.search(text, at):
        at = match.end()
        if match["escaped"]:
            continue
        if match["inline"] is not None and _is_prose(match["inline"]):
            at = match.start() + 1  # a price, or a variable of a shell
            continue
        inside.append(next(part for part in match.group("own", "display", "square", "round", "inline") if part))
        outside += text[begin : match.start()] + " "
        begin = match.end()
    return inside, outside + text[begin:]


def _is_prose(text: str) -> bool:
    """Whether what stands between two $ is no formula: $5 and $, $HOME/bin:$."""
    return not re.search(r"[\\^_=]", text) and bool(re.search(r"[A-Za-z]{3,}|[\u3000-\u9fff]|^\s*$", text))


def _undelimited(text: str) -> Iterator[Fault]:
    """What is wrong outside the delimiters."""
    for lone in re.finditer(
        r"(?<![\\$])\$(?!\$)(?=(?:(?![A-Za-z]{3}|[\u3000-\u9fff])[^\n$]){0,60}?(?:\\[A-Za-z]|[_^]))", text
    ):
        yield Fault("a $ without its partner", _near(text, lone))
    if option := _OPTION.search(text):
        yield Fault("a single \\ before an option", _near(text, option))
    if not (command := _STRONG.search(text)):
        return
    yield Fault("formulas without $…$ around them", _near(text, command))
    if breaks := _break_outside(text):
        yield Fault("line breaks \\\\ outside a formula", _near(text, breaks))
    yield from _structure(text)
    yield from _style(text)


def _break_outside(text: str) -> re.Match[str] | None:
    depth = 0
    for match in _SIGN.finditer(text):
        depth += {"begin": 1, "end": -1}.get(match["end"] or "", 0)
        if match.group() == "\\\\" and depth <= 0:
            return match
    return None


def _structure(text: str) -> Iterator[Fault]:
    """What is opened and not closed, or closed and not opened."""
    signs = list(_SIGN.finditer(text))
    yield from _braces(text, signs)
    yield from _pairs(text, signs)


def _braces(text: str, signs: Sequence[re.Match[str]]) -> Iterator[Fault]:
    """Braces, and brackets that cross them."""
    groups: list[tuple[re.Match[str], int]] = []  # where each { stands, and the brackets that were open before it
    level = 0
    for match in signs:
        sign = match["sign"]
        if sign == "{":
            groups.append((match, level))
            level = 0
        elif sign == "}" and not groups:
            yield Fault("} without {", _near(text, match))
        elif sign == "}":
            opened, outer = groups.pop()
            words = _TEXT_COMMAND.search(text, max(opened.start() - 12, 0), opened.start())
            if level > 0 and match.start() - opened.end() > 1 and not words:
                yield Fault("a bracket is opened inside {…} and closed outside", _near(text, match))
            level = outer
        elif sign:
            level += 1 if sign in "([" else -1
    if groups:
        yield Fault("{ without }", _near(text, groups[-1][0]))


def _pairs(text: str, signs: Sequence[re.Match[str]]) -> Iterator[Fault]:
    """\\left and \\right, and environments."""
    lefts: list[re.Match[str]] = []
    begun: list[re.Match[str]] = []
    for match in signs:
        if match["chinese"]:
            yield Fault("a \\ before a Chinese character", _near(text, match))
        elif match["end"] == "begin" or match["side"] == "left":
            (begun if match["end"] else lefts).append(match)
        elif match["end"]:
            if not begun or begun.pop()["name"] != match["name"]:
                yield Fault("\\end without its \\begin", _near(text, match))
        elif match["side"]:
            if not lefts:
                yield Fault("\\right without \\left", _near(text, match))
            lefts = lefts[:-1]
    for why, places in (("\\left without \\right", lefts), ("\\begin without its \\end", begun)):
        if places:
            yield Fault(why, _near(text, places[-1]))


def _style(text: str) -> Iterator[Fault]:
    if spaced := _SPACED.search(text):
        yield Fault("blanks as OCR leaves them in a command", _near(text, spaced), style=True)
    if bare := _BARE.search(_WORDS.sub(lambda match: " " * len(match.group()), text)):
        yield Fault("the name of a function without \\", _near(text, bare), style=True)


def _near(text: str, match: re.Match[str]) -> str:
    return text[max(match.start() - _AROUND, 0) : match.end() + _AROUND]
