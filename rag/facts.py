"""The numbers and formulas of a text in one form, so that those of a sentence can be looked for in a passage.

Pure functions. A number is its value: ３, 3.0, 三 and three are one, 3万 is 30000, 50% is 0.5. A formula is its
characters without the LaTeX that changes only its looks.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from core.text import compatible
from rag.numerals import chinese_value, word_values
from rag.zones import zones

# Not in identifiers (log2, IPv4), not a step (第1点, 步骤 2, (3), 图 1), not at the beginning of a list item.
_NUMBER = re.compile(
    r"(?<![A-Za-z_\d.])(?P<digits>\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"(?P<half>[½¼¾])?[ \t]*"
    r"(?P<unit>[万亿千百]+|%|‰|(?:thousand|million|billion)\b|percent\b|per cent\b)?(?!\w*_)"
)
_CHINESE = re.compile(
    r"(?P<percent>百分之)?(?P<digits>[零〇一二两三四五六七八九十百千万亿]{1,12}(?:点[零一二三四五六七八九]+)?)"
)
_STEP = re.compile(
    r"(?:第|步骤|[图表例]|[章节]|式|(?:step|figure|fig\.?|table|chapter|section|example|eq\.?|item|part))[ \t]*[(（]?$",
    re.I,
)
_NUMBERING = re.compile(r"(?:^|[\n：:；;。])[ \t]*[(（]?$")
_DECADE = re.compile(r"(?P<century>\d\d)[ \t]*世纪[ \t]*(?P<decade>\d0)[ \t]*年代|(?P<alone>\d0)[ \t]*年代")
_SCALE = {
    "万": 1e4, "亿": 1e8, "千": 1e3, "百": 1e2, "千万": 1e7, "百万": 1e6, "万亿": 1e12, "%": 0.01, "percent": 0.01,
    "per cent": 0.01, "‰": 0.001, "thousand": 1e3, "million": 1e6, "billion": 1e9,
}  # fmt: skip
_PARTS = {"½": 0.5, "¼": 0.25, "¾": 0.75}
# Counting words up to ten say how many things are listed rather than what a book says: 以下三点.
_COUNTING = 10
_LOOKS = re.compile(
    r"\\(?:left|right|[bB]igg?[lr]?|displaystyle|textstyle|limits|quad|qquad|[,;:!> ]|nonumber|notag)(?![A-Za-z])"
    r"|\\(?:mathrm|mathbf|mathit|mathsf|mathcal|operatorname\*?|text|textbf|boldsymbol|bm|rm)(?![A-Za-z])|\\tag\{[^}]*\}"
    r"|\\(?:begin|end)\{[a-z*]+\}|&|\\\\"
)
_SAME = {
    "leq": "≤", "le": "≤", "leqslant": "≤", "geq": "≥", "ge": "≥", "geqslant": "≥", "neq": "≠", "ne": "≠", "times": "×",
    "cdot": "*", "ast": "*", "dfrac": "frac", "tfrac": "frac", "infty": "∞", "to": "→", "rightarrow": "→", "in": "∈",
    "alpha": "α", "beta": "β", "gamma": "γ", "theta": "θ", "Theta": "Θ", "lambda": "λ", "pi": "π", "sum": "∑",
    "sqrt": "√", "Omega": "Ω", "approx": "≈", "ldots": "…", "cdots": "…", "dots": "…",
}  # fmt: skip
_FRACTION = re.compile(r"\\[dt]?frac[ ]?\{([^{}]*)\}[ ]?\{([^{}]*)\}")
_BIG_O = re.compile(r"(?<![A-Za-z])[OΘΩ][ ]?\((?:[^()\n]|\([^()\n]*\)){1,30}\)")
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Facts:
    """values: each number as it is written, and what it is worth. formulas: as they are written, and in one form."""

    values: tuple[tuple[str, float], ...]
    formulas: tuple[tuple[str, str], ...]


def facts(text: str) -> Facts:
    """What a sentence says that a passage must say too: no numbering, no small counting words, no lone symbols."""
    plain, formulas = _apart(text)
    values = [(raw, value) for raw, value in _digits(plain, steps=False)]
    values += [(raw, value) for raw, value in (*_chinese(plain), *word_values(plain)) if value > _COUNTING or value % 1]
    found: list[tuple[str, str]] = []
    for raw in formulas:
        form = formula_form(raw)
        if number := re.fullmatch(r"[-+]?(\d+(?:\.\d+)?)", form):
            values.append((raw, float(number.group(1))))
        elif len(form) > 2 and re.search(r"[^A-Za-zα-ωΑ-Ω∞]", form):
            found.append((raw, form))
    return Facts(tuple(dict.fromkeys(values)), tuple(dict.fromkeys(found)))


def values_in(text: str) -> frozenset[float]:
    """All values that stand in a passage, in whatever form."""
    text = compatible(text)
    found = {value for _, value in (*_digits(text, steps=True), *_chinese(text), *word_values(text))}
    # In a formula or a name, a number has a letter before it.
    found |= {float(digits) for digits in re.findall(r"\d{1,15}(?:\.\d+)?", text)}
    return frozenset(round(value, 9) for value in found)


def stands(value: float, values: frozenset[float]) -> bool:
    """Whether `value` is among `values`; half is 50 %."""
    return any(round(form, 9) in values for form in (value, value * 100, value / 100))


def formula_form(text: str) -> str:
    """A formula, or a text with formulas in it, without blanks and without what changes only its looks."""
    text = re.sub(r"[ⁿ⁰¹²³⁴-⁹]+", lambda match: "^" + unicodedata.normalize("NFKC", match.group()), text)
    text = _FRACTION.sub(lambda match: f"{_grouped(match.group(1))}/{_grouped(match.group(2))}", text)
    text = _LOOKS.sub("", unicodedata.normalize("NFKC", compatible(text)))
    text = re.sub(r"\\([A-Za-z]+)", lambda match: _SAME.get(match.group(1), match.group(1)), text)
    text = re.sub(r"\\([|{}%_])", r"\1", text).replace("·", "*").replace("−", "-").replace("<=", "≤").replace(">=", "≥")
    text = re.sub(r"[\s{}$`_]|\\[()\[\]]", "", text).replace("\\", "")
    return re.sub(r"(?<=\d)\*(?=\d)", "×", text).replace("*", "").strip(".,;。，；：:")


def _grouped(part: str) -> str:
    return part if re.fullmatch(r"\w+|\\[a-z]+", part.strip()) else f"({part})"


def formula_stands(form: str, passage: str) -> bool:
    """Whether a formula stands in a passage, both by `formula_form`; of a chain of equations each link must stand."""
    return _stands(form, passage) or (len(links := _links(form)) > 1 and all(_stands(link, passage) for link in links))


def _stands(form: str, passage: str) -> bool:
    at = passage.find(form)
    while at >= 0:
        before, after = passage[at - 1 : at], passage[at + len(form) : at + len(form) + 1]
        # n^2 is no part of n^23, nor 2n of 12n.
        if not (_joined(before, form[0]) or _joined(form[-1], after)):
            return True
        at = passage.find(form, at + 1)
    return False


def _joined(one: str, other: str) -> bool:
    return bool(one and other) and one.isascii() and other.isascii() and one.isdigit() and other.isdigit()


def _links(form: str) -> list[str]:
    parts = re.split(r"([=≤≥<>≈])", form)
    return ["".join(parts[at : at + 3]) for at in range(0, len(parts) - 2, 2)]


def _apart(text: str) -> tuple[str, list[str]]:
    """The words of a sentence, and its formulas; those that the words hold without signs too: O(n log n)."""
    formulas: list[str] = []
    for zone in reversed(zones(text)):
        raw = text[zone.start : zone.end]
        if zone.kind in {"formula", "display"}:
            formulas.insert(0, raw)
            text = text[: zone.start] + " § " + text[zone.end :]
        elif zone.kind == "code" and _BIG_O.fullmatch(raw.strip("`")):
            text = text[: zone.start] + raw.strip("`") + text[zone.end :]
    formulas += _BIG_O.findall(text)
    return compatible(_BIG_O.sub(" § ", text)), formulas


def _digits(text: str, *, steps: bool) -> Iterator[tuple[str, float]]:
    text = _DECADE.sub(_years, text)
    for found in _NUMBER.finditer(text):
        before = text[max(found.start() - 12, 0) : found.start()]
        if not steps and (
            _STEP.search(before) or _is_numbering(found["digits"], before, text[found.end() : found.end() + 2])
        ):
            continue
        value = float(found["digits"].replace(",", "")) + _PARTS.get(found["half"] or "", 0.0)
        yield found.group().strip(), value * _SCALE.get(found["unit"] or "", 1.0)


def _years(found: re.Match[str]) -> str:
    """20世纪70年代 as 1970; the century of 70年代 alone is not said."""
    return f"{int(found['century']) - 1}{found['decade']} " if found["century"] else " "


def _is_numbering(digits: str, before: str, after: str) -> bool:
    """1. or 3、 where an item begins, and (2) anywhere."""
    if re.search(r"(?<![A-Za-z0-9_])[(（]$", before) and re.match("[)）]", after):
        return len(digits) < 3
    return bool(_NUMBERING.search(before)) and bool(re.match(r"[)）、．]|\.(?!\d)", after))


def _chinese(text: str) -> Iterator[tuple[str, float]]:
    for found in _CHINESE.finditer(text):
        value = chinese_value(found["digits"])
        if value is not None:
            yield found.group(), value * (0.01 if found["percent"] else 1.0)
