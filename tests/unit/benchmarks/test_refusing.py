"""Measures of the refusal benchmark."""

import numpy as np
import pytest
from refusing.scores import OURS, Foreign, Scored
from refusing.table import rows

from evaluate.decisions import at_threshold, best_threshold, roc_auc
from evaluate.intervals import Array, intervals

OWN, FOREIGN = np.array([0.9, 0.8, 0.3]), np.array([0.5, 0.3, 0.1, 0.0])


def f1(own: Array, foreign: Array, threshold: float) -> float:
    return at_threshold(own, foreign, threshold)["f1"]


def test_a_score_that_reaches_the_threshold_is_accepted() -> None:
    assert f1(OWN, FOREIGN, 0.8) == pytest.approx(2 * 2 / (2 + 0 + 3))
    assert f1(OWN, FOREIGN, 0.3) == pytest.approx(2 * 3 / (3 + 2 + 3))
    assert f1(OWN, FOREIGN, 2.0) == 0


def test_the_best_threshold_has_the_highest_f1_on_the_same_questions() -> None:
    best = best_threshold(OWN, FOREIGN)
    assert f1(OWN, FOREIGN, best) == max(f1(OWN, FOREIGN, float(score)) for score in (*OWN, *FOREIGN))


def test_equal_scores_count_half_in_auc() -> None:
    assert roc_auc(OWN, FOREIGN) == pytest.approx((4 + 4 + 2.5) / 12)
    assert roc_auc(OWN, OWN) == pytest.approx(0.5)


def test_an_interval_is_around_the_measure_of_all_questions() -> None:
    found = intervals(lambda strata: {"auc": roc_auc(*strata)}, [OWN, FOREIGN])["auc"]
    assert found.mean == roc_auc(OWN, FOREIGN)
    assert 0 <= found.low <= found.mean <= found.high <= 1


def test_near_and_far_questions_have_rows_of_their_own_and_ours_its_served_threshold() -> None:
    foreign = [Foreign("a", "near"), Foreign("b", "far")]
    scores = np.array([0.9, 0.6, 0.5, 0.1])
    found = list(rows("book", Scored({"cosine": scores, OURS: scores}, 0.4), 2, foreign))
    assert [row[:3] for row in found] == [
        ["book (2)", f"{kind}", system] for kind in ("far (1)", "near (1)", "all (2)") for system in ("cosine", OURS)
    ]
    near_cosine, near_ours = found[2], found[3]
    assert near_cosine[3:7] == ["0.600", "2", "0", "1.000"]
    assert near_ours[3:7] == ["0.400", "2", "1", "0.800"]
    assert near_cosine[10] == "-20.0" and near_ours[10] == ""
