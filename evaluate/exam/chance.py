"""What guessing would score. Pure functions."""

from collections.abc import Sequence

import numpy as np

from evaluate.intervals import LEVEL, Interval


def guessing(probabilities: Sequence[float]) -> Interval:
    """The share that guessing gets right, and between what it lies in 95 % of all exams of these questions.

    probabilities: of each question, at least one, the chance to guess it. Exact: the distribution of a sum of unequal
    coins (Poisson binomial), by convolution.
    """
    count = len(probabilities)
    distribution = np.ones(1)
    for chance in probabilities:
        distribution = np.convolve(distribution, (1 - chance, chance))
    below = np.cumsum(distribution)
    low, high = (int(np.searchsorted(below, bound)) for bound in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Interval(sum(probabilities) / count, low / count, min(high, count) / count)
