"""Multiple-choice questions as a student reads them, and the answers as a model shall write them."""

import re
from collections.abc import Mapping, Sequence

LETTERS = "ABCDEFGH"
_SEPARATORS = re.compile(r"[\s,，、;；/和与及]+")
_SIGN = r"([A-H])\s*[.．、:：)）]\s*"
# How options are marked, the surest first: each on its line, each after a blank, run together.
_MARKS = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        r"^\s*[(（]?([A-H])(?:\s*[.．、:：)）]|\s)\s*",
        rf"(?:^|(?<=\s))[(（]?{_SIGN}",
        rf"(?<![A-Za-z0-9])[(（]?{_SIGN}",
    )
)


def asked(stem: str, options: Mapping[str, str]) -> str:
    """The question with its options, one a line."""
    return "\n".join([stem, *(f"{letter}. {text}" for letter, text in sorted(options.items()))])


def answered(letters: str, options: Mapping[str, str], explanation: str = "") -> str:
    """The answer: of one option its letter and text, of several the letters and below them the options; then why."""
    chosen = [f"{letter}. {options[letter]}" for letter in letters]
    head = chosen[0] if len(chosen) == 1 else "\n".join([letters, *chosen])
    return f"{head}\n\n{explanation}" if explanation else head


def chosen_letters(answer: str, options: Mapping[str, str]) -> str | None:
    """The letters that `answer` names, by letter or by the text of an option; None if it names no option."""
    said = _SEPARATORS.sub("", answer).strip("()（）.．。*").upper()
    if said and len(set(said)) == len(said) and all(letter in options for letter in said):
        return "".join(sorted(said))
    # «B. 数据处理», or the text alone.
    match = re.match(r"\s*[(（]?([A-H])\s*[.．、:：)）]\s*(.+)", answer, re.DOTALL)
    text = match[2] if match and match[1] in options else answer
    same = [letter for letter, option in options.items() if option.strip() == text.strip()]
    return same[0] if len(same) == 1 else None


def split_options(text: str) -> tuple[str, dict[str, str]]:
    """What stands before the first option, and the options by letter; no options unless there are A and B.

    They may stand on lines of their own or in one line: `A. 栈 B. 队列`. Only the next letter begins an option, so that
    a `C.` inside A does not.
    """
    best: list[re.Match[str]] = []
    for pattern in _MARKS:
        found = list(pattern.finditer(text))
        for first in (mark for mark in found if mark[1] == "A"):
            marks = _run(found, first)
            best = marks if len(marks) > max(len(best), 1) else best
    ends = [mark.start() for mark in best[1:]] + [len(text)]
    options = {mark[1]: text[mark.end() : end].strip(" \t\n;；") for mark, end in zip(best, ends, strict=bool(best))}
    return text[: best[0].start()].strip() if best else text.strip(), options


def _run(found: Sequence[re.Match[str]], first: re.Match[str]) -> list[re.Match[str]]:
    """From `first` on, the marks of A, B, C … in this order."""
    marks = [first]
    for mark in found:
        if mark.start() >= marks[-1].end() and ord(mark[1]) == ord(marks[-1][1]) + 1:
            marks.append(mark)
    return marks
