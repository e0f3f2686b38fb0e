"""The numbers that Word counts for headings ("3.2", "第三章"), which pandoc leaves out, as text of the headings."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ingest.readers.ooxml import Element, W

_HEADING_STYLE = re.compile(r"heading [1-9]", re.I)
_PLACE = re.compile(r"%([1-9])")
_DIGITS, _ROMAN = "零一二三四五六七八九", ("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix")
_CHINESE = {"chineseCounting", "chineseCountingThousand", "japaneseCounting", "taiwaneseCounting"}
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"


@dataclass(frozen=True, slots=True)
class _Level:
    """How the numbers of a level are shown. text: "%1.%2" and the like, "" where nothing is."""

    form: str
    text: str
    start: int
    style: str | None
    legal: bool


@dataclass(slots=True)
class _Counter:
    """How far a list has been counted, by level."""

    counts: dict[int, int] = field(default_factory=dict)

    def next(self, level: int, start: int) -> None:
        """Count on at `level`; the levels below begin anew."""
        self.counts = {each: count for each, count in self.counts.items() if each <= level}
        self.counts[level] = self.counts[level] + 1 if level in self.counts else start


def number_headings(document: Element, styles: Element, numbering: Element) -> None:
    """Puts the number that Word shows before each heading into its text."""
    lists, own = _lists(numbering), {style.get(W + "styleId"): style for style in styles.iter(W + "style")}
    counters: dict[str, _Counter] = {}
    begun: set[str] = set()
    for paragraph in document.iter(W + "p"):
        number, level = _numbered(paragraph.find(W + "pPr"), own, lists)
        if number not in lists:
            continue
        key, levels, restarts = lists[number]
        counter = counters.setdefault(key, _Counter())
        if number not in begun:
            begun.add(number)
            counter.counts.update({each: start - 1 for each, start in restarts.items()})
        if level not in levels:
            continue
        counter.next(level, levels[level].start)
        label = _label(levels, level, counter.counts)
        if label and _is_heading(paragraph, own) and any(text.text for text in paragraph.iter(W + "t")):
            _put(paragraph, label)


_Lists = dict[str, tuple[str, dict[int, _Level], dict[int, int]]]


def _lists(numbering: Element) -> _Lists:
    """By the number of a list: the scheme that it counts with, its levels, and where it starts anew."""
    schemes = {
        scheme.get(W + "abstractNumId"): {
            _int(level.get(W + "ilvl")): _level(level) for level in scheme.iter(W + "lvl")
        }
        for scheme in numbering.iter(W + "abstractNum")
    }
    lists: _Lists = {}
    for each in numbering.iter(W + "num"):
        key, levels = _value(each, "abstractNumId"), dict(schemes.get(_value(each, "abstractNumId"), {}))
        restarts: dict[int, int] = {}
        for override in each.iter(W + "lvlOverride"):
            at = _int(override.get(W + "ilvl"))
            if (changed := override.find(W + "lvl")) is not None:
                levels[at] = _level(changed)
            if start := _value(override, "startOverride"):
                restarts[at] = _int(start)
        lists[each.get(W + "numId")] = key, levels, restarts
    return lists


def _level(level: Element) -> _Level:
    form, shown = _value(level, "numFmt") or "decimal", _value(level, "lvlText")
    hidden = form in {"none", "bullet"} or next(level.iter(W + "vanish"), None) is not None
    legal = level.find(W + "isLgl") is not None
    return _Level(
        form, "" if hidden else shown, _int(_value(level, "start") or "0"), _value(level, "pStyle") or None, legal
    )


def _numbered(properties: Element | None, own: Mapping[str, Element], lists: _Lists) -> tuple[str, int]:
    """The list and level that a paragraph counts in; "" for none."""
    number, level, style = "", "", _value(properties, "pStyle")
    steps = [properties]
    while style in own and len(steps) < 20:
        steps.append(own[style].find(W + "pPr"))
        style = _value(own[style], "basedOn")
    for step in steps:
        said = step.find(W + "numPr") if step is not None else None
        number, level = number or _value(said, "numId"), level or _value(said, "ilvl")
    levels = lists[number][1] if number in lists else {}
    by_style = [at for at, each in levels.items() if each.style and each.style == _value(properties, "pStyle")]
    direct = properties is not None and properties.find(W + "numPr") is not None
    return number, by_style[0] if by_style and not direct else _int(level or "0")


def _is_heading(paragraph: Element, own: Mapping[str, Element]) -> bool:
    style = _value(paragraph.find(W + "pPr"), "pStyle")
    for _ in range(20):
        if style not in own:
            return False
        if _HEADING_STYLE.fullmatch(_value(own[style], "name")):
            return True
        style = _value(own[style], "basedOn")
    return False


def _label(levels: Mapping[int, _Level], level: int, counts: Mapping[int, int]) -> str:
    def shown(match: re.Match[str]) -> str:
        at = int(match[1]) - 1
        if at not in levels:
            return ""
        form = "decimal" if levels[level].legal else levels[at].form
        return _in_form(counts.get(at, levels[at].start), form)

    return _PLACE.sub(shown, levels[level].text).strip()


def _in_form(number: int, form: str) -> str:
    if form in _CHINESE and 0 < number < 100:
        tens, ones = divmod(number, 10)
        return (_DIGITS[tens] if tens > 1 else "") + ("十" if tens else "") + (_DIGITS[ones] if ones else "")
    if form in {"upperLetter", "lowerLetter"} and 0 < number <= 26:
        return chr(ord("A" if form == "upperLetter" else "a") + number - 1)
    if form in {"upperRoman", "lowerRoman"} and 0 < number < 40:
        roman = "x" * (number // 10) + _ROMAN[number % 10]
        return roman.upper() if form == "upperRoman" else roman
    return f"{number:02}" if form == "decimalZero" else str(number)


def _put(paragraph: Element, label: str) -> None:
    run = paragraph.makeelement(W + "r", {})
    text = run.makeelement(W + "t", {_SPACE: "preserve"})
    text.text = label + " "
    run.append(text)
    properties = paragraph.find(W + "pPr")
    paragraph.insert(0 if properties is None else paragraph.index(properties) + 1, run)


def _value(element: Element | None, tag: str) -> str:
    """The w:val of the child `tag`, "" without."""
    child = element.find(W + tag) if element is not None else None
    return "" if child is None else str(child.get(W + "val", ""))


def _int(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 6 else 0
