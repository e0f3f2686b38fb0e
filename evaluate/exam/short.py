"""Whether a short answer is right: the same words, the same number, or the same formula. Pure functions."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from rag.numerals import chinese_value
from vector_db.tokenizer import normalise

# Whether two formulas are equal; `SymbolicEquality.same`.
SameFormula = Callable[[str, str], bool]

_THINKING = re.compile(r"<think>.*?(?:</think>|$)", re.DOTALL)
_BOX = re.compile(r"\\boxed\s*\{")
_SAID = re.compile(
    r"(?:答案|结果)\s*(?:应该|应当|应|就|便)?\s*(?:是|为|[:：]|=)+\s*([^\n。]+)"
    r"|\banswer\b(?:\s+(?:to|of)\s[^.\n]{1,80}?)?\s*(?:\bis\b|[:：=])+\s*([^\n]+)",
    re.IGNORECASE,
)
_TRUTH = {
    word: truth
    for truth, words in (("true", "正确 对 是 √ ✓ true yes t"), ("false", "错误 错 不对 不正确 否 × ✗ false no f"))
    for word in words.split()
}
_MARKER = re.compile(r"\[\d{1,2}\]")
_ENDS = " \t\n.,;:!?。，；：！？、\"'“”‘’*_`"

_NUMBER = re.compile(
    r"(?P<sign>[-+−]?)(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
    r"(?:\s*(?:[×xX*]|\\times)\s*10\s*(?:\^|\*\*)\s*\{?(?P<power>[-+−]?\d{1,3})\}?|[eE](?P<exponent>[-+]?\d{1,3}))?"
    r"(?:\s*/\s*(?P<below>\d+))?\s*(?P<scale>[万亿]?)(?P<unit>[^\d]{0,12})$"
)
_LATEX_FRACTION = re.compile(r"\\[td]?frac\s*\{(-?\d+)\}\s*\{(\d+)\}")
_CHINESE = re.compile(
    r"(?P<sign>负?)(?P<digits>[零〇一二三四五六七八九十百千万亿两]+(?:点[零〇一二三四五六七八九]+)?)(?P<unit>\D{0,6})$"
)
_PARTS = re.compile(
    r"(?P<below>[一二三四五六七八九十百千万]+)分之(?P<above>[零一二三四五六七八九十百千两]+(?:点[零一二三四五六七八九]+)?)$"
)
_SCALES = {"": 1, "万": 10**4, "亿": 10**8}
# How many of the first of its row a unit is: powers of 2 in bytes, of 10 elsewhere.
_UNIT_ROWS = (
    "s=1 秒=1 ms=1/1000 毫秒=1/1000 us=1/1000000 μs=1/1000000 微秒=1/1000000 ns=1/1000000000 纳秒=1/1000000000 min=60 "
    "分钟=60 h=3600 小时=3600",
    f"b=1 byte=1 bytes=1 字节=1 kb={2**10} mb={2**20} gb={2**30} tb={2**40}",
    "bit=1 bits=1 位=1 比特=1 kbit=1000 mbit=1000000",
    "bps=1 b/s=1 bit/s=1 kbps=1000 kb/s=1000 mbps=1000000 mb/s=1000000 gbps=1000000000 gb/s=1000000000",
    "hz=1 khz=1000 mhz=1000000 ghz=1000000000",
    "m=1 米=1 km=1000 千米=1000 公里=1000 cm=1/100 厘米=1/100 mm=1/1000 毫米=1/1000",
    "g=1 克=1 kg=1000 千克=1000 公斤=1000",
)
_UNITS: dict[str, tuple[str, Fraction]] = {
    name: (row.partition("=")[0], Fraction(size))
    for row in _UNIT_ROWS
    for name, _, size in (entry.partition("=") for entry in row.split())
}
_OTHER_UNITS = frozenset(
    "v kv mv a ma w kw j kj n k pa kpa mol rad ω kω ° °c ℃ m/s km/h m/s² kg/m³ l ml 元/件 个/秒".split()
)
_LEAST_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number. unit: of what kind; empty without one. decimals: digits after the point, None of a fraction."""

    value: Fraction
    unit: str
    decimals: int | None
    digits: int


def final_answer(text: str) -> str:
    """What a model's text gives as its answer: what it puts into a box, says the answer is, or writes first."""
    text = _MARKER.sub("", _THINKING.sub("", text)).strip()
    if boxes := list(_BOX.finditer(text)):
        return _inside(text, boxes[-1].end())
    if said := list(_SAID.finditer(text)):
        return str(said[-1].group(1) or said[-1].group(2)).strip(_ENDS)
    return next((line.strip(_ENDS) for line in text.split("\n") if line.strip(_ENDS)), "")


def is_right(said: str, answers: Sequence[str], same_formula: SameFormula) -> bool:
    """Whether `said`, from `final_answer`, is one of the right answers.

    A number must be the same in value, a unit may be left out but not be another; a decimal of at least three digits
    may stand for the fraction that it rounds.
    """
    return bool(said) and any(_matches(said, answer, same_formula) for answer in answers)


def _matches(said: str, answer: str, same_formula: SameFormula) -> bool:
    one, other = _plain(said), _plain(answer)
    if one == other or (one in _TRUTH and _TRUTH.get(other) == _TRUTH[one]):
        return True
    number, wanted = quantity(said), quantity(answer)
    if number and wanted:
        return same_quantity(number, wanted)
    # Words are no formula: "ab" is not "ba".
    return _is_formula(answer) and same_formula(said, answer)


def _is_formula(text: str) -> bool:
    return bool(re.search(r"[\d\\^+*/=√π∞()-]", text)) or len(text.strip("$ ")) == 1


def _plain(text: str) -> str:
    """Without case, blanks, width, script, emphasis, dollar signs, articles, and punctuation at the ends."""
    text = unicodedata.normalize("NFKC", normalise(text)).strip(_ENDS + "$")
    return re.sub(r"\s+", "", re.sub(r"^(?:the|an?)\s+", "", text.strip(_ENDS)))


def quantity(text: str) -> Quantity | None:
    """The number that `text` is, digits or Chinese, with percent, fraction and unit; None if it is something else."""
    text = unicodedata.normalize("NFKC", text).strip(_ENDS + "$").replace("−", "-").replace("\\%", "%")
    text = re.sub(r"^(?:约|大约|≈|=)\s*", "", re.sub(r"\\(?:text|mathrm)\s*\{([^{}]*)\}|\\[,; ]", r"\1", text)).replace(
        "⁄", "/"
    )
    if text.startswith("百分之"):
        inner = quantity(text.removeprefix("百分之"))
        return inner and Quantity(inner.value / 100, inner.unit, None, inner.digits)
    if parts := _PARTS.fullmatch(text):
        below, above = chinese_value(parts["below"]), chinese_value(parts["above"])
        return Quantity(Fraction(above) / Fraction(below), "", None, 9) if below and above is not None else None
    text = _LATEX_FRACTION.sub(r"\1/\2", text)
    if found := _NUMBER.fullmatch(text):
        return _arabic(found)
    if (found := _CHINESE.fullmatch(text)) and (value := _chinese_value(found["digits"])) is not None:
        return _with_unit(-value if found["sign"] else value, found["unit"], None, 9)
    return None


def _chinese_value(digits: str) -> Fraction | None:
    """Exactly: 点五 has no rounding."""
    value = chinese_value(digits) if digits[0] != "点" else None
    return None if value is None else Fraction(str(value))


def _arabic(found: re.Match[str]) -> Quantity | None:
    digits = found["digits"].replace(",", "")
    value = (
        Fraction(digits)
        * _SCALES[found["scale"]]
        * Fraction(10) ** int((found["power"] or found["exponent"] or "0").replace("−", "-"))
    )
    if found["below"]:
        if not int(found["below"]):
            return None
        value /= int(found["below"])
    exact = found["below"] or found["power"] or found["exponent"] or found["scale"]
    decimals = None if exact else len(digits.partition(".")[2])
    return _with_unit(
        -value if found["sign"] in "-−" and found["sign"] else value,
        found["unit"],
        decimals,
        len(digits.replace(".", "").lstrip("0")),
    )


def _with_unit(value: Fraction, unit: str, decimals: int | None, digits: int) -> Quantity | None:
    unit = unit.strip(_ENDS + "$").lower()
    if unit in ("%", "‰"):
        return Quantity(value / (100 if unit == "%" else 1000), "", None, digits)
    if unit in _UNITS:
        kind, size = _UNITS[unit]
        return Quantity(value * size, kind, decimals if size == 1 else None, digits)
    # A Chinese measure word, or a unit that is not converted; else it is a formula: 2x, 3^n.
    known = unit in _OTHER_UNITS or re.fullmatch("[\u4e00-\u9fff]*", unit)
    return Quantity(value, unit, decimals, digits) if known else None


def same_quantity(one: Quantity, other: Quantity) -> bool:
    """Whether two numbers are one, or one of them is the other rounded."""
    if one.unit and other.unit and one.unit != other.unit:
        return False
    return one.value == other.value or _rounds(one, other) or _rounds(other, one)


def _rounds(rounded: Quantity, exact: Quantity) -> bool:
    """0.333 stands for 1/3; 0.3 does not, nor 1000 for 1000.4."""
    if not rounded.decimals or rounded.digits < _LEAST_DIGITS or (exact.decimals or 99) <= rounded.decimals:
        return False
    return abs(exact.value - rounded.value) <= Fraction(1, 2 * 10**rounded.decimals)


def _inside(text: str, start: int) -> str:
    """What stands in the braces that open before `start`."""
    depth = 1
    for at in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if not depth:
            return text[start:at].strip()
    return text[start:].strip()
