"""Decisions by threshold: against brute force on random scores, and values worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate.decisions import MEASURES, at_threshold, average_precision, best_threshold, curve, decision_measures
from evaluate.decisions import roc_auc as area
from evaluate.intervals import Array

# Few distinct values, so that ties between the classes are common.
SCORES = st.lists(st.integers(0, 8).map(lambda eighths: eighths / 8), min_size=1, max_size=25).map(np.array)
LOOSE = settings(deadline=None)


def brute_area(accept: Array, reject: Array) -> float:
    return float(np.mean([(a > r) + (a == r) / 2 for a in accept for r in reject]))


def brute_average(accept: Array, reject: Array) -> float:
    total, before = 0.0, 0.0
    for threshold in sorted({*accept, *reject}, reverse=True):
        right = sum(score >= threshold for score in accept)
        wrong = sum(score >= threshold for score in reject)
        total += (right / len(accept) - before) * right / (right + wrong)
        before = right / len(accept)
    return total


@LOOSE
@given(SCORES, SCORES)
def test_areas_are_those_of_brute_force(accept: Array, reject: Array) -> None:
    assert area(accept, reject) == pytest.approx(brute_area(accept, reject))
    assert average_precision(accept, reject) == pytest.approx(brute_average(accept, reject))


@LOOSE
@given(SCORES, SCORES)
def test_the_roc_area_is_that_under_the_curve_and_of_the_other_side(accept: Array, reject: Array) -> None:
    found = curve(accept, reject)
    under = np.trapezoid([0, *found.recall], [0, *found.fallout])
    assert area(accept, reject) == pytest.approx(under)
    assert area(reject, accept) == pytest.approx(1 - area(accept, reject))


@LOOSE
@given(SCORES, SCORES)
def test_only_the_order_of_scores_counts_for_the_areas(accept: Array, reject: Array) -> None:
    assert area(accept**3, reject**3) == area(accept, reject)
    assert average_precision(accept**3, reject**3) == average_precision(accept, reject)


@LOOSE
@given(SCORES, SCORES)
def test_the_curve_counts_what_each_threshold_accepts(accept: Array, reject: Array) -> None:
    found = curve(accept, reject)
    for at, threshold in enumerate(found.thresholds):
        assert found.right[at] == (accept >= threshold).sum() and found.wrong[at] == (reject >= threshold).sum()
        measured = at_threshold(accept, reject, threshold)
        assert measured["recall"] == pytest.approx(found.recall[at])
        if found.right[at]:
            assert measured["precision"] == pytest.approx(found.precision[at])
    assert (found.recall[-1], found.fallout[-1]) == (1, 1)


@LOOSE
@given(SCORES, SCORES)
def test_f1_is_the_harmonic_mean_and_no_threshold_beats_the_best(accept: Array, reject: Array) -> None:
    best = at_threshold(accept, reject, best_threshold(accept, reject))["f1"]
    for threshold in np.linspace(0, 1.1, 45):
        found = at_threshold(accept, reject, threshold)
        assert found["f1"] <= best + 1e-12
        if found["recall"]:
            mean = 2 * found["precision"] * found["recall"] / (found["precision"] + found["recall"])
            assert found["f1"] == pytest.approx(mean)


def test_values_worked_out_by_hand() -> None:
    accept, reject = np.array([0.9, 0.6, 0.3]), np.array([0.6, 0.2])
    found = decision_measures(accept, reject, 0.6)
    assert tuple(found) == MEASURES
    assert found["roc_auc"] == pytest.approx((2 + 1.5 + 1) / 6)
    assert found["average_precision"] == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert (found["precision"], found["recall"], found["f1"]) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert best_threshold(accept, reject) == 0.3


def test_a_threshold_is_reached_by_what_equals_it() -> None:
    assert at_threshold(np.array([0.38]), np.array([0.3799]), 0.38) == {"precision": 1, "recall": 1, "f1": 1}


def test_nothing_accepted_scores_0() -> None:
    assert at_threshold(np.array([0.1]), np.array([0.0]), 0.5) == {"precision": 0, "recall": 0, "f1": 0}
