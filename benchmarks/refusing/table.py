"""The table: a row for each system and kind of questions to refuse."""

from collections.abc import Iterator, Sequence

import numpy as np
from ranking.table import markdown

from evaluate.decisions import at_threshold, best_threshold, roc_auc
from evaluate.intervals import Array, Interval, intervals
from refusing.scores import OURS, Foreign, Scored

HEAD = (
    "book", "to refuse", "system", "threshold", "accepted", "wrongly accepted", "F1", "95 % interval", "AUC",
    "95 % interval", f"{OURS}'s F1 − this, points", "95 % interval",
)  # fmt: skip


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

    def measures(strata: Sequence[Array]) -> dict[str, float]:
        (own, ours_own), (foreign, ours_foreign) = (rows.T for rows in strata)
        f1 = at_threshold(own, foreign, threshold)["f1"]
        gain = 100 * (at_threshold(ours_own, ours_foreign, served)["f1"] - f1)
        return {"f1": f1, "auc": roc_auc(own, foreign), "gain": gain}

    # Questions to answer and to refuse are drawn apart, so that their share stays.
    found = intervals(measures, [np.column_stack(pair) for pair in zip(parts[system], parts[OURS], strict=True)])
    figures = [*_cells(found["f1"], ".3f"), *_cells(found["auc"], ".3f")]
    beside = ["", ""] if system == OURS else _cells(found["gain"], "+.1f")
    return [f"{threshold:.3f}", str(accepted), str(wrongly), *figures, *beside]


def _cells(found: Interval, form: str) -> list[str]:
    return [f"{found.mean:{form}}", f"{found.low:{form}} … {found.high:{form}}"]


def table(found: Sequence[Sequence[str]]) -> str:
    """All rows as Markdown."""
    return markdown(HEAD, found)
