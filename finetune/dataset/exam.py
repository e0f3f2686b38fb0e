"""Exam papers and question banks as text: numbered questions with options, keys inline or at the end, explanations."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.text import compatible
from finetune.dataset.answer_key import HEADING, is_key_heading, key_of
from finetune.dataset.choice import split_options
from finetune.dataset.found import Found, LeftOut, Place
from finetune.dataset.questions import Question, from_question

_NUMBERED = re.compile(
    r"^\s*(?:第\s*)?[(（【\[]?(?P<number>\d{1,5})(?:\s*[(（][^()（）]{1,10}[)）](?=\s*[.．、:：]))?(?:\s*题\s*[.．、:：)）】\]]?|\s*[.．、:：)）】\]])\s*(?!\d)(?P<rest>.*)$"
)
_ANSWER = re.compile(
    r"^\s*[【\[]?\s*(?:(?:正确|参考|标准)?答案|解答|(?:correct\s+)?answer|ans)\s*(?:[】\]]\s*[:：]?|[:：是为]|\s|(?=[A-H√×]))\s*"
    r"|^\s*(?:答|解)\s*[:：]\s*",
    re.IGNORECASE,
)
_WHY = re.compile(
    r"[【\[]?\s*(?:答案|试题)?(?:解析|分析|讲解|explanation|rationale)\s*(?:[】\]]\s*[:：]?|[:：])\s*", re.IGNORECASE
)
_FILLED = re.compile(r"[(（]\s*([A-H]{1,8}|[√×✓✗对错])\s*[)）]")
_EMPTY = "（ ）"
_GAP = 5  # numbers that may be missing between two questions
_SECTION = re.compile(r"^#|题|部分|[章节]|part", re.IGNORECASE)  # not 一、 inside an explanation
# What a student answered, in papers that were given back.
_MINE = re.compile(r"^\s*(?:我的|你的|您的|学生)答案\s*[:：]?.*?(?=正确答案|标准答案|参考答案|$)")
_SOON = 100  # lines in which the question is looked for whose number an item of a list has
_BOLD = re.compile(r"(?<![A-Za-z0-9*])\*\*(.+?)\*\*(?![A-Za-z0-9*])")


@dataclass(slots=True)
class _Draft:
    """A question while its lines are read. part: of the paper, in which its number is its own."""

    number: int
    line: int
    part: int
    body: list[str] = field(default_factory=list)
    answer: list[str] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    answered: bool = False

    @property
    def is_choice(self) -> bool:
        return len(split_options("\n".join(self.body))[1]) > 1


def read_exam(text: str, path: Path, label: str) -> Found:
    """Every question of `text`; what belongs to none is listed. An empty result: it is no exam paper."""
    lines = [_MINE.sub("", _BOLD.sub(r"\1", compatible(line))).rstrip() for line in text.split("\n")]
    key_at = next((at for at, line in enumerate(lines) if is_key_heading(line)), len(lines))
    reading = _Reading(lines[:key_at], label)
    drafts = reading.run()
    key = key_of(lines[key_at + 1 :])
    found = Found(label, outside=reading.outside)
    for draft in drafts:
        answer, why = key.get((draft.part, draft.number)) or key.get((0, draft.number)) or ("", "")
        place = Place(path, f"{label}, line {draft.line}", "question", draft.number)
        found.add(from_question(_question(draft, answer, why), place))
    return found


def _question(draft: _Draft, key: str, why: str) -> Question:
    stem, options = split_options("\n".join(draft.body))
    answer = "\n".join(draft.answer).strip() or key
    explanation = "\n".join(draft.why).strip() or why
    if not answer and (filled := list(_FILLED.finditer(stem))):
        answer = filled[-1][1]
        stem = stem[: filled[-1].start()] + _EMPTY + stem[filled[-1].end() :]
    return Question(stem.strip(), answer.strip(), options, explanation)


class _Reading:
    """Goes through the lines once. outside: what belongs to no question."""

    def __init__(self, lines: Sequence[str], label: str) -> None:
        self._lines, self._label = lines, label
        self._drafts: list[_Draft] = []
        self._open = False  # whether lines may still belong to the last question
        self._part = 0
        self.outside: list[LeftOut] = []

    def run(self) -> list[_Draft]:
        for at, line in enumerate(self._lines):
            if line:
                self._take(at, line)
        return self._drafts

    def _take(self, at: int, line: str) -> None:
        last = self._drafts[-1] if self._drafts else None
        if number := self._begins(at, line):
            if last is not None and int(number["number"]) <= last.number:
                self._part += 1
            draft = _Draft(int(number["number"]), at + 1, self._part)
            self._drafts.append(draft)
            self._open = True
            if number["rest"]:
                _extend(draft, number["rest"])
        elif HEADING.match(line) and (_SECTION.search(line) or not (last and self._open and last.why)):
            self._open = False
            self.outside.append(LeftOut(f"{self._label}, line {at + 1}", f"a heading: {line.strip()[:60]}"))
        elif (
            last is not None
            and self._open
            and not (last.answered and not last.why and last.is_choice and not _WHY.match(line))
        ):
            _extend(last, line)
        else:
            self._open = False
            self.outside.append(
                LeftOut(f"{self._label}, line {at + 1}", f"belongs to no question: {line.strip()[:60]}")
            )

    def _begins(self, at: int, line: str) -> re.Match[str] | None:
        """The number of a question that begins here: the next one, or the first of a new part."""
        match = _NUMBERED.match(line)
        if match is None or _ANSWER.match(match["rest"]):
            return None
        number, last = int(match["number"]), self._drafts[-1] if self._drafts else None
        if last is None:
            return match if self._has_answer(at) or number == 1 else None
        if number == last.number + 1:
            # Inside an explanation it may be an item of a list: then the question comes later.
            inside = (last.answered or bool(last.why)) and not self._has_answer(at)
            return None if inside and self._comes_later(at, number) else match
        if not (last.answered or last.is_choice):
            return None
        # A number out of order: numbers may be missing, wrong, or begin anew.
        follows = last.number < number <= last.number + 1 + _GAP or (number == 1 and not self._open)
        return match if follows or self._has_answer(at) else None

    def _comes_later(self, at: int, number: int) -> bool:
        """Whether a question of this number, with options or an answer, follows soon."""
        for later in range(at + 1, min(at + _SOON, len(self._lines))):
            match = _NUMBERED.match(self._lines[later])
            if match and int(match["number"]) == number and self._has_answer(later):
                return True
        return False

    def _has_answer(self, at: int) -> bool:
        """Whether options or an answer follow before the next number: a list inside an explanation has none."""
        body = [self._lines[at]]
        for line in self._lines[at + 1 :]:
            if _NUMBERED.match(line):
                break
            if _ANSWER.match(line):
                return True
            body.append(line)
        return len(split_options("\n".join(body))[1]) > 1


def _extend(draft: _Draft, line: str) -> None:
    """Put a line where it belongs: into the question, its answer or its explanation."""
    for part, text in _parts(line):
        if part == "answer":
            draft.answered = True
        target = draft.why if part == "why" or (part is None and draft.why) else draft.answer
        (draft.body if part is None and not draft.answered and not draft.why else target).append(text)


def _parts(line: str) -> Iterator[tuple[str | None, str]]:
    """The line cut at its marks: 答案：B 解析：… gives the answer and the explanation."""
    if answer := _ANSWER.match(line):
        rest = line[answer.end() :]
        why = _WHY.search(rest)
        yield "answer", (rest[: why.start()] if why else rest).strip()
        if why:
            yield "why", rest[why.end() :].strip()
    elif why := _WHY.match(line):
        yield "why", line[why.end() :].strip()
    else:
        yield None, line
