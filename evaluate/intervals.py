"""Confidence intervals by the bootstrap: what another sample of such questions would give. Pure functions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError

RESAMPLES = 1000
LEVEL = 0.95
SEED = 408
METHOD = f"{LEVEL:.0%} percentile bootstrap interval over questions ({RESAMPLES:,} resamples, seed {SEED})"

Array = NDArray[np.float64]
# Values by name of the measure, from one sample of each stratum.
Statistics = Callable[[Sequence[Array]], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Interval:
    """A measure over questions, with the bounds of its confidence interval."""

    mean: float
    low: float
    high: float


def intervals(
    statistics: Statistics, strata: Sequence[Array], *, seed: int = SEED, resamples: int = RESAMPLES
) -> dict[str, Interval]:
    """Each of the `statistics` of `strata` with its 95 % percentile bootstrap interval.

    strata: arrays with one row a question. Rows are drawn with replacement within each stratum, so that the strata keep
    their sizes. The same seed and sizes give the same draws. Raises ConfigError when a stratum is empty.
    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 8 and 13.
    """
    if not all(len(rows) for rows in strata):
        raise ConfigError("there are no questions to measure", mend="name a file that is not empty")
    draw = np.random.default_rng(seed)
    found = statistics(strata)
    drawn = [statistics([rows[draw.integers(0, len(rows), len(rows))] for rows in strata]) for _ in range(resamples)]
    bounds = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    result: dict[str, Interval] = {}
    for name, value in found.items():
        low, high = np.quantile([values[name] for values in drawn], bounds)
        result[name] = Interval(float(value), float(low), float(high))
    return result


def bootstrap(values: Sequence[float] | Array, *, seed: int = SEED, resamples: int = RESAMPLES) -> Interval:
    """The mean of `values`, one a question, with its interval. Raises ConfigError when there are none."""
    sample = np.asarray(values, dtype=np.float64)
    return intervals(lambda strata: {"mean": strata[0].mean()}, [sample], seed=seed, resamples=resamples)["mean"]
