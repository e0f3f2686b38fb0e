"""Measures of a score that tells questions to answer from questions to refuse. Pure functions.

A question is accepted when its score reaches the threshold. own: scores of what the book answers; foreign: of what it
does not. Shapes (n,), neither empty.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from evaluate.intervals import LEVEL, RESAMPLES, SEED, Interval

Array = NDArray[np.float64]


def f1(own: Array, foreign: Array, threshold: float) -> float:
    """Harmonic mean of precision and recall of acceptance, 0 to 1."""
    accepted = float((own >= threshold).sum())
    return 2 * accepted / (accepted + float((foreign >= threshold).sum()) + own.size)


def auc(own: Array, foreign: Array) -> float:
    """Chance that a question to answer scores above one to refuse, equal scores counting half.

    Hanley and McNeil, "The meaning and use of the area under a ROC curve", Radiology 143, 1982.
    """
    above = (own[:, None] > foreign).mean()
    return float(above + (own[:, None] == foreign).mean() / 2)


def best_threshold(own: Array, foreign: Array) -> float:
    """The one of highest F1 on these very questions; of several, the highest."""
    return max((f1(own, foreign, score), score) for score in map(float, np.unique(own)))[1]


def interval(measure: Callable[[NDArray[np.intp], NDArray[np.intp]], float], own: int, foreign: int) -> Interval:
    """A measure with its 95 % percentile bootstrap interval.

    measure: of the rows of both kinds of questions. They are drawn apart, so that their share stays; the same numbers
    of questions give the same draws.
    """
    draw = np.random.default_rng(SEED)
    values = [measure(draw.integers(0, own, own), draw.integers(0, foreign, foreign)) for _ in range(RESAMPLES)]
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(measure(np.arange(own), np.arange(foreign)), float(low), float(high))
