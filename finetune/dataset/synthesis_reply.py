"""What a model wrote when it was asked for questions: cut at its labels, and held against the passage."""

import re
from dataclasses import dataclass

from finetune.near_duplicates import normalised
from rag.prompts import SYNTHESIS_LABELS

# Labels and not JSON: small models break JSON, and backslashes of LaTeX break it for all.
_LABEL = re.compile(
    r"^[\s*#>-]*(?:\d{1,2}\s*[.、)）]\s*)?\**(?:"
    + "|".join(rf"(?P<{name}>{'|'.join(words)})" for name, words in SYNTHESIS_LABELS.items())
    + r")\s*\d{0,2}\s*\**\s*[:：]\s*\**",
    re.IGNORECASE | re.MULTILINE,
)
_ELLIPSIS = re.compile(r"…+|\.{3,}")
_SHORTEST = 4  # characters of an evidence that says something
_NEEDS_PASSAGE = re.compile(
    "上文|上述|本段|本节|这段|该段|文中|教材中|根据(?:教材|资料|材料|段落)"
    "|the (?:passage|text|section) (?:above|says)|according to the (?:passage|text)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Written:
    """One question as the model wrote it."""

    question: str
    answer: str
    evidence: str


def read_reply(reply: str) -> list[Written]:
    """The questions in `reply`, complete or not; a new one begins at each label of a question."""
    marks = list(_LABEL.finditer(reply))
    found: list[dict[str, str]] = []
    for mark, end in zip(marks, [mark.start() for mark in marks[1:]] + [len(reply)], strict=bool(marks)):
        name, value = str(mark.lastgroup), reply[mark.end() : end].strip().strip("*").strip()
        if name == "question":
            found.append({"question": value})
        elif found:
            found[-1].setdefault(name, value)
    return [Written(one["question"], one.get("answer", ""), one.get("evidence", "")) for one in found]


def fault_of(written: Written, passage: str) -> str:
    """Why a question cannot be kept; empty if it can."""
    if not written.question or not written.answer:
        return "the question or its answer is missing"
    if _NEEDS_PASSAGE.search(written.question):
        return "it cannot be understood without the passage"
    quoted = [normalised(part) for part in _ELLIPSIS.split(written.evidence)]
    quoted = [part for part in quoted if len(part) >= _SHORTEST]
    said = normalised(passage)
    if not quoted or not all(part in said for part in quoted):
        return "its evidence does not stand in the passage"
    return ""
