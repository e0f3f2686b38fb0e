"""Rows to train on that are asked again when the model is tested. Pure, but for reading the exams."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from core.errors import DatasetError
from finetune.audit.findings import Finding, Flaw, excerpt, finding
from finetune.audit.rows import Row, same
from finetune.near_duplicates import groups

Asked = tuple[str, str]  # a question, and where it stands
# The first option of a question and all that follows it.
_OPTIONS = re.compile(r"(?:\n|\\\\|\s|(?<=[\u4e00-\u9fff)）？?。：:]))\s{0,8}[(（]?A\s?[.．、:：)）].*", re.DOTALL)
_NOT_ASKED = {"text", "identity"}  # who the model is may be asked again
_SHORTEST = 8  # characters: of shorter questions only copies count


def leaks(rows: Sequence[Row], exam: Sequence[Asked], threshold: float) -> list[Finding]:
    """Rows to train on that the test set or an exam asks again, word for word or nearly."""
    train = [row for row in rows if row.split == "train" and row.conversation.kind not in _NOT_ASKED]
    test = [row for row in rows if row.split == "test" and row.conversation.kind not in _NOT_ASKED]
    asked = [(row.question, row.source) for row in test]
    todo = "delete them from the rows to train on: the measure would be of memory"
    return [
        *finding(
            "leak-test", "error", _found(train, asked, threshold), len(train), "to train on are asked in the test", todo
        ),
        *finding(
            "leak-exam", "error", _found(train, exam, threshold), len(train), "to train on are asked in an exam", todo
        ),
    ]  # fmt: skip


def read_exam(path: Path) -> list[Asked]:
    """The questions of an exam, JSON Lines with question, options and answer. Raises DatasetError."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
        rows = [(json.loads(line), number) for number, line in enumerate(lines, 1) if line.strip()]
        return [(str(row["question"]), f"{path.name}, line {number}") for row, number in rows]
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}", mend="name an exam file") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DatasetError(f"{path} is no exam: {error!r}", mend='each line needs "question"') from error


def stem(question: str) -> str:
    """A question without its options."""
    bare = _OPTIONS.sub("", question)
    return bare if bare.strip() else question


def _found(rows: Sequence[Row], asked: Sequence[Asked], threshold: float) -> list[Flaw]:
    """The rows that share a question, or what goes before its options, with `asked`."""
    if not rows or not asked:
        return []
    where: dict[int, tuple[str, Asked]] = {}
    forms: tuple[tuple[Callable[[str], str], str], ...] = (
        (same, "the same as"),
        (lambda text: same(stem(text)), "asks as"),
    )
    for form, why in forms:
        known = {form(question): (question, place) for question, place in reversed(asked)}
        for row in rows:
            for turn in row.turns:
                if found := known.get(form(turn.input)):
                    where.setdefault(row.number, (why, found))
    left = [row for row in rows if row.number not in where]
    asked = [(question, place) for question, place in asked if len(same(stem(question))) >= _SHORTEST]
    texts = [same(stem(row.question)) for row in left] + [same(stem(question)) for question, _ in asked]
    for group in groups(texts, threshold):
        others = [at - len(left) for at in group if at >= len(left)]
        for at in group:
            if others and at < len(left):
                where[left[at].number] = ("like", asked[others[0]])
    return [
        (row, f"{excerpt(row.question, 80)} ~ {excerpt(found[0], 80)}", f"{why} {found[1]}")
        for row in rows
        if row.number in where
        for why, found in [where[row.number]]
    ]
