"""Bootstrap intervals: widths that statistics predict, and what the draws keep."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ConfigError
from evaluate.intervals import Array, bootstrap, intervals

VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=40)


def test_the_interval_of_equal_values_is_the_value() -> None:
    interval = bootstrap([0.25] * 7)
    assert (interval.mean, interval.low, interval.high) == (0.25, 0.25, 0.25)


def test_the_interval_of_a_coin_has_the_width_that_statistics_predict() -> None:
    interval = bootstrap([0.0, 1.0] * 200)
    error = 1.96 * math.sqrt(0.25 / 400)  # normal approximation, 0.049
    assert interval.mean == 0.5
    assert interval.low == pytest.approx(0.5 - error, abs=0.01)
    assert interval.high == pytest.approx(0.5 + error, abs=0.01)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    values = [index / 37 for index in range(37)]
    assert bootstrap(values) == bootstrap(values)
    assert bootstrap(values) != bootstrap(values, seed=1)


@settings(deadline=None, max_examples=25)
@given(VALUES)
def test_the_interval_is_ordered_and_within_the_values(values: list[float]) -> None:
    interval = bootstrap(values, resamples=50)
    assert min(values) - 1e-9 <= interval.low <= interval.high <= max(values) + 1e-9


def test_no_values_are_an_error() -> None:
    with pytest.raises(ConfigError, match="no questions"):
        bootstrap([])


def test_each_stratum_keeps_its_size_and_its_values() -> None:
    seen: list[tuple[int, int]] = []

    def statistics(strata: Sequence[Array]) -> dict[str, float]:
        seen.append((len(strata[0]), len(strata[1])))
        assert set(strata[0]) <= {1.0, 2.0} and set(strata[1]) <= {3.0}
        return {"sum": float(strata[0].sum() + strata[1].sum())}

    found = intervals(statistics, [np.array([1.0, 2.0]), np.array([3.0] * 5)], resamples=200)
    assert set(seen) == {(2, 5)} and len(seen) == 201
    assert (found["sum"].mean, found["sum"].low, found["sum"].high) == (18, 17, 19)


def test_rows_are_drawn_whole() -> None:
    rows = np.array([[number, 2 * number] for number in range(30)], dtype=np.float64)
    found = intervals(lambda strata: {"gap": float((strata[0][:, 1] - 2 * strata[0][:, 0]).max())}, [rows])
    assert (found["gap"].low, found["gap"].high) == (0, 0)


def test_an_empty_stratum_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no questions"):
        intervals(lambda strata: {"x": 0.0}, [np.ones(3), np.ones(0)])
