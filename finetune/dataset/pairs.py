"""Text files of questions and answers after marks: `input:` and `output:`, 问： and 答：, Q: and A:."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from finetune.dataset.found import Found, Place
from finetune.dataset.questions import Question, from_question

# Letters alone last: `A:` may be an option.
_MARKS = tuple(
    re.compile(rf"^[ \t]*(?:(?P<asked>{asked})|(?P<answered>{answered}))[ \t]*[:：]", re.IGNORECASE | re.MULTILINE)
    for asked, answered in (
        ("input|question|问题?|提问|用户|学生", "output|answer|答案?|回答|助手|老师"),
        ("q", "a"),
    )
)
_LONGEST_PREAMBLE = 2000  # characters
_FEWEST = 0.5  # of the marks of questions that have an answer, for a text to be of this form


def looks_like_pairs(text: str) -> bool:
    """Whether `text` begins with the mark of a question, and most questions have the mark of an answer."""
    return _marks_of(text) is not None


def _marks_of(text: str) -> list[re.Match[str]] | None:
    for pattern in _MARKS:
        found = list(pattern.finditer(text))
        asks = [bool(mark["asked"]) for mark in found]
        answered = sum(one and not following for one, following in pairwise(asks))
        if found and asks[0] and answered > _FEWEST * sum(asks) and found[0].start() < _LONGEST_PREAMBLE:
            return found
    return None


def read_pairs(text: str, path: Path, label: str) -> Found:
    """Each question with its answer. What stands before the first mark, or an answer alone, is left out and listed."""
    found = Found(label)
    asked: tuple[int, str] | None = None
    for line, is_question, value in _values(text):
        if is_question:
            if asked is not None:
                found.add(Place(path, label, "line", asked[0]).left_out("the question has no answer"))
            asked = line, value
        elif is_question is None:
            found.outside.append(Place(path, label, "line", line).left_out(f"belongs to no question: {value[:60]}"))
        elif asked is None:
            found.add(Place(path, label, "line", line).left_out("the answer has no question"))
        else:
            found.add(from_question(Question(asked[1], value), Place(path, label, "line", asked[0])))
            asked = None
    if asked is not None:
        found.add(Place(path, label, "line", asked[0]).left_out("the question has no answer"))
    return found


def _values(text: str) -> Iterator[tuple[int, bool | None, str]]:
    """The line, whether it is a question (None: neither), and what stands up to the next mark."""
    marks = _marks_of(text) or []
    before = text[: marks[0].start()] if marks else text
    if before.strip():
        yield 1, None, before.strip()
    line, counted = 1, 0
    for mark, end in zip(marks, [mark.start() for mark in marks[1:]] + [len(text)], strict=bool(marks)):
        line, counted = line + text.count("\n", counted, mark.start()), mark.start()
        yield line, bool(mark["asked"]), text[mark.end() : end].strip()
