"""Measures of a decision by threshold: a question is accepted when its score reaches it. Pure functions.

accept, reject: scores of the questions that should be answered and of those that should be refused, shapes (n,) and
(m,), neither empty. The positive class is "accept".
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluate.intervals import Array

MEASURES = ("roc_auc", "average_precision", "precision", "recall", "f1")

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Curve:
    """What every threshold that makes a difference accepts, highest first; arrays of one length.

    right, wrong: how many questions are accepted that should be, and that should not.
    """

    thresholds: Array
    right: Counts
    wrong: Counts
    accept: int
    reject: int

    @property
    def precision(self) -> Array:
        """Share of what is accepted that should be."""
        return self.right / (self.right + self.wrong)

    @property
    def recall(self) -> Array:
        """Share of what should be accepted that is: the true positive rate."""
        return self.right / self.accept

    @property
    def fallout(self) -> Array:
        """Share of what should be refused that is accepted: the false positive rate."""
        return self.wrong / self.reject


def curve(accept: Array, reject: Array) -> Curve:
    """The curve over all scores that occur."""
    thresholds = np.unique(np.concatenate((accept, reject)))[::-1]
    right, wrong = (len(some) - np.searchsorted(np.sort(some), thresholds, "left") for some in (accept, reject))
    return Curve(thresholds, right, wrong, len(accept), len(reject))


def roc_auc(accept: Array, reject: Array) -> float:
    """Area under the ROC curve: how often a question to accept scores above one to reject, ties counting half.

    Mann and Whitney, "On a test of whether one of two random variables is stochastically larger", 1947.
    """
    ordered = np.sort(reject)
    beaten = np.searchsorted(ordered, accept, "left") + np.searchsorted(ordered, accept, "right")
    return float(beaten.mean() / (2 * len(reject)))


def average_precision(accept: Array, reject: Array) -> float:
    """Precision at each threshold, weighted by the recall that it adds; nothing is interpolated."""
    found = curve(accept, reject)
    return float(np.sum(found.precision * np.diff(found.recall, prepend=0.0)))


def at_threshold(accept: Array, reject: Array, threshold: float) -> dict[str, float]:
    """precision, recall and f1 of accepting scores of `threshold` or more; precision is 0 when none is accepted."""
    right, wrong = int((accept >= threshold).sum()), int((reject >= threshold).sum())
    return {
        "precision": right / (right + wrong) if right else 0.0,
        "recall": right / len(accept),
        "f1": 2 * right / (right + wrong + len(accept)),
    }


def decision_measures(accept: Array, reject: Array, threshold: float) -> dict[str, float]:
    """All `MEASURES`."""
    return {
        "roc_auc": roc_auc(accept, reject),
        "average_precision": average_precision(accept, reject),
        **at_threshold(accept, reject, threshold),
    }


def best_threshold(accept: Array, reject: Array) -> float:
    """The score whose F1 as a threshold is highest, the higher of equals. It flatters the questions it is chosen on."""
    found = curve(accept, reject)
    return float(found.thresholds[np.argmax(2 * found.right / (found.right + found.wrong + found.accept))])
