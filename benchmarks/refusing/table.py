"""The table: a row for each system and kind of questions to refuse."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from ranking.table import markdown

from evaluate.intervals import Interval
from refusing.measures import Array, auc, best_threshold, f1, interval
from refusing.scores import OURS, Foreign, Scored

HEAD = (
    "book", "to refuse", "system", "threshold", "accepted", "wrongly accepted", "F1", "95 % interval", "AUC",
    "95 % interval", f"{OURS}'s F1 − this, points", "95 % interval",
)  # fmt: skip
_Rows = NDArray[np.intp]


def rows(name: str, result: Scored, own: int, foreign: Sequence[Foreign]) -> Iterator[list[str]]:
    """All rows of one book. own: how many questions, the first ones of `result`, the book answers."""
    kinds = sorted({question.kind for question in foreign})
    for kind in [*kinds, "all"] if len(kinds) > 1 else kinds:
        chosen = own + np.array([row for row, question in enumerate(foreign) if kind in {question.kind, "all"}])
        parts = {system: (scores[:own], scores[chosen]) for system, scores in result.scores.items()}
        for system in parts:
            yield [f"{name} ({own})", f"{kind} ({chosen.size})", system, *cells(system, parts, result.threshold)]


def cells(system: str, parts: dict[str, tuple[Array, Array]], served: float) -> list[str]:
    """The figures of one system. parts: by system the scores of questions to answer and to refuse."""
    own, foreign = parts[system]
    threshold = served if system == OURS else best_threshold(own, foreign)
    accepted, wrongly = (int((scores >= threshold).sum()) for scores in (own, foreign))
    ours_own, ours_foreign = parts[OURS]

    def score(left: _Rows, right: _Rows) -> float:
        return f1(own[left], foreign[right], threshold)

    def area(left: _Rows, right: _Rows) -> float:
        return auc(own[left], foreign[right])

    def gain(left: _Rows, right: _Rows) -> float:
        return 100 * (f1(ours_own[left], ours_foreign[right], served) - score(left, right))

    sizes = own.size, foreign.size
    figures = [*_cells(interval(score, *sizes), ".3f"), *_cells(interval(area, *sizes), ".3f")]
    beside = ["", ""] if system == OURS else _cells(interval(gain, *sizes), "+.1f")
    return [f"{threshold:.3f}", str(accepted), str(wrongly), *figures, *beside]


def _cells(found: Interval, form: str) -> list[str]:
    return [f"{found.mean:{form}}", f"{found.low:{form}} … {found.high:{form}}"]


def table(found: Sequence[Sequence[str]]) -> str:
    """All rows as Markdown."""
    return markdown(HEAD, found)
