"""The key at the end of an exam paper: `1-5 ABCDA`, `1.B 2.C`, or one answer a line with its explanation."""

import re
from collections.abc import Sequence

HEADING = re.compile(
    r"^\s*(?:#{1,6}\s|第[\d一二三四五六七八九十百]+[章节篇部]|[一二三四五六七八九十]{1,3}\s*[、.．]|part\s+[\divx]+\b)",
    re.IGNORECASE,
)
_KEY_HEADING = re.compile(
    r"^\W*(?:[一二三四五六七八九十]{1,3}\s*[、.．]\s*)?(?:(?:参考|标准|正确)?答案(?:(?:与|及|和)?(?:解析|详解)|部分|速查|汇总|表)?"
    r"|(?:answer\s*key|answers|keys?))\W*$",
    re.IGNORECASE,
)
_RANGE = re.compile(r"(\d{1,5})\s*[-~—–～至到]+\s*(\d{1,5})\s*[题.．、:：]*\s*((?:[A-H]\s*)+)(?![A-Za-z])")
_SINGLE = re.compile(r"(?:^|(?<=[\s,，;；]))(\d{1,5})\s*[.．、:：)）]?\s*([A-H]{1,8}|[√×✓✗对错])(?![A-Za-z\w])")
_LINE = re.compile(r"^\s*(\d{1,5})\s*[.．、:：)）]\s*(?:[【\[]?答案[】\]]?[:：]?\s*)?(.*)$")
_WHY = re.compile(r"[【\[]?\s*(?:答案)?(?:解析|分析|explanation)\s*(?:[】\]]\s*[:：]?|[:：])\s*", re.IGNORECASE)
_AFTER_LETTER = re.compile(r"^([A-H]{1,8}|[√×✓✗对错])(?:[\s.．。,，;；:：]+(.*))?$", re.DOTALL)

Key = dict[tuple[int, int], tuple[str, str]]


def is_key_heading(line: str) -> bool:
    """Whether the key begins below this line."""
    return bool(_KEY_HEADING.match(line))


def key_of(lines: Sequence[str]) -> Key:
    """Answer and explanation by part of the paper and number. A new part begins where the numbers begin anew."""
    entries: list[tuple[int, str, str]] = []
    for line in filter(None, lines):
        found = _several(line)
        if found:
            entries += found
        elif match := _LINE.match(line):
            entries.append((int(match[1]), *_answer(match[2])))
        elif entries and not HEADING.match(line):  # goes on with the entry above
            number, answer, why = entries[-1]
            said = _WHY.sub("", line, count=1)
            entries[-1] = (number, answer, f"{why}\n{said}".strip())
    return _by_part(entries)


def _several(line: str) -> list[tuple[int, str, str]]:
    """The entries of a line that holds several, or one letter."""
    entries = list[tuple[int, str, str]]()
    rest = line
    for match in _RANGE.finditer(line):
        first, last = int(match[1]), int(match[2])
        letters = "".join(match[3].split())
        if last - first + 1 == len(letters):
            entries += [(first + step, letter, "") for step, letter in enumerate(letters)]
            rest = rest.replace(match[0], " ")
    singles = [(int(match[1]), match[2], "") for match in _SINGLE.finditer(rest)]
    if not entries and len(singles) == 1 and _WHY.search(line):
        return []
    return sorted(entries + singles) if entries or len(singles) > 1 else []


def _answer(text: str) -> tuple[str, str]:
    why = _WHY.search(text)
    if why:
        return text[: why.start()].strip(), text[why.end() :].strip()
    if letter := _AFTER_LETTER.match(text):
        return letter[1], (letter[2] or "").strip()
    return text.strip(), ""


def _by_part(entries: Sequence[tuple[int, str, str]]) -> Key:
    key, part, before = Key(), 0, 0
    for number, answer, why in entries:
        if number <= before:
            part += 1
        before = number
        key[part, number] = answer, why
    return key
