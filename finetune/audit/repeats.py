"""Rows that are copies of one another, and questions with several answers. Pure functions."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence

from finetune.audit.findings import Finding, Flaw, excerpt, finding
from finetune.audit.rows import Row, same
from finetune.near_duplicates import groups

_MOST_TIMES, _MOST_SHARE = 10, 0.05


def repeats(rows: Sequence[Row], threshold: float) -> list[Finding]:
    """Copies, near-copies and rows repeated very often, within each part of the data set.

    threshold: Jaccard similarity of near-copies, 0 to 1.
    """
    often: list[Flaw] = []
    copies: list[Flaw] = []
    near: list[Flaw] = []
    for part in ("train", "test"):
        own = [row for row in rows if row.split == part]
        equal = _alike(own, lambda row: tuple((turn.system, same(turn.input), same(turn.output)) for turn in row.turns))
        for group in equal:
            share = len(group) / len(own)
            why = f"{len(group)} times, first in {group[0].source}"
            if len(group) > _MOST_TIMES and share > _MOST_SHARE:
                often += [
                    (row, excerpt(row.question or row.answer), f"{why}: {share:.0%} of the rows") for row in group
                ]
            else:
                copies += [(row, excerpt(row.question or row.answer), why) for row in group[1:]]
        near += _near(own, {row.number for group in equal for row in group[1:]}, threshold)
    return [
        *finding(
            "repeated-row", "error", often, len(rows), "repeat one row very often",
            f"keep it {_MOST_TIMES} times at most: the model answers other questions with it",
        ),
        *finding("duplicate", "warning", copies, len(rows), "are copies of an earlier one", "delete them"),
        *finding(
            "near-duplicate", "warning", near, len(rows), "are nearly an earlier one",
            "delete them, or word them differently",
        ),
    ]  # fmt: skip


def different_answers(rows: Sequence[Row]) -> list[Finding]:
    """Questions of one turn that are asked again and answered otherwise."""
    flaws: list[Flaw] = []
    single = [row for row in rows if len(row.turns) == 1 and row.question.strip()]
    for group in _alike(single, lambda row: (row.turns[0].system, same(row.question))):
        answers = {same(row.answer): row for row in group}
        if len(answers) > 1:
            shown = " ≠ ".join(excerpt(row.answer, 60) for row in list(answers.values())[:3])
            flaws += [(row, f"{excerpt(row.question, 80)} → {shown}", f"{len(answers)} answers") for row in group]
    todo = "keep the right answer, or ask so that only one is right"
    return finding("different-answers", "warning", flaws, len(rows), "ask what another row answers otherwise", todo)


def _near(rows: Sequence[Row], left_out: set[int], threshold: float) -> list[Flaw]:
    rows = [row for row in rows if row.number not in left_out]
    flaws: list[Flaw] = []
    for group in groups([f"{row.question}\n{row.answer}" for row in rows], threshold):
        first = rows[min(group)]
        flaws += [(rows[at], excerpt(rows[at].question or rows[at].answer), f"like {first.source}")
                  for at in sorted(group)[1:]]  # fmt: skip
    return flaws


def _alike(rows: Sequence[Row], key: Callable[[Row], Hashable]) -> list[list[Row]]:
    """The groups of two rows or more that have one key."""
    found: defaultdict[Hashable, list[Row]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return [group for group in found.values() if len(group) > 1]
