"""The values of numbers in words: 三百二十, twenty-four, February. Pure functions."""

import re
from collections.abc import Iterator

_DIGITS = {digit: at for at, digit in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_TENS = {"十": 10, "百": 100, "千": 1000}
_GROUPS = {"万": 10_000, "亿": 100_000_000}
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TYS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth"
).split()
_MONTHS = ("january february march april may june july august september october november december").split()
_WORDS = (
    {word: at for at, word in enumerate(_ONES)}
    | {word: 10 * at for at, word in enumerate(_TYS, 2)}
    | {word: at for at, word in enumerate(_ORDINALS, 1)}
    | {"twice": 2, "double": 2, "once": 1, "half": 0.5}
)
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000, "billion": 1_000_000_000}
_ENGLISH = re.compile(
    rf"\b(?:{'|'.join(sorted(_WORDS, key=len, reverse=True))})(?:[ -](?:{'|'.join(_ONES[1:10])}))?"
    rf"(?:[ -](?:{'|'.join(_SCALES)}))?\b",
    re.I,
)
_MONTH = re.compile(rf"\b(?:{'|'.join(month.capitalize() for month in _MONTHS)})\b")


def chinese_value(text: str) -> float | None:
    """The value of a Chinese numeral; None for what is none, as 百 in 数百."""
    whole, _, decimals = text.partition("点")
    value = _whole(whole)
    if value is None:
        return None
    fraction = float("0." + "".join(str(_DIGITS[digit]) for digit in decimals)) if decimals else 0.0
    return value + fraction


def word_values(text: str) -> Iterator[tuple[str, float]]:
    """English numerals and the numbers of months, as they are written, and what they are worth."""
    for found in _ENGLISH.finditer(text):
        value = 0.0
        for word in re.split("[ -]", found.group().lower()):
            value = max(value, 1) * _SCALES[word] if word in _SCALES else value + _WORDS[word]
        yield found.group(), value
    for found in _MONTH.finditer(text):
        # Not above ten by itself: a month is a date in words.
        yield found.group(), float(min(_MONTHS.index(found.group().lower()) + 1, 12))


def _whole(text: str) -> float | None:
    if all(sign in _DIGITS for sign in text):
        # 一一 and 三两 are words; a year is longer.
        return float("".join(str(_DIGITS[sign]) for sign in text)) if len(text) in {1, 3, 4} else None
    if text[0] not in _DIGITS and text[0] != "十":
        return None  # 数百
    total = group = digit = 0
    for sign in text:
        if sign in _DIGITS:
            digit = _DIGITS[sign]
        elif sign in _TENS:
            group += max(digit, 1) * _TENS[sign] if digit or sign == "十" else _TENS[sign]
            digit = 0
        else:
            if not total + group + digit:
                return None
            total = (total + group + digit) * _GROUPS[sign]
            group = digit = 0
    return float(total + group + digit)
