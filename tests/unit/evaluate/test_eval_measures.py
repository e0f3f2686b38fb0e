"""Measures: values worked out by hand, and bounds that hold for every ranking."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate.measures import first_rank, measure_names, measured, ndcg, recall, reciprocal_rank

RANKS = st.lists(st.one_of(st.none(), st.integers(1, 60)), min_size=1, max_size=12)


def test_one_gold_item_found_third() -> None:
    assert [recall([3], k) for k in (1, 2, 3, 10)] == [0, 0, 1, 1]
    assert reciprocal_rank([3], 10) == pytest.approx(1 / 3)
    assert reciprocal_rank([3], 2) == 0
    assert ndcg([3], 10) == pytest.approx(1 / math.log2(4))  # 0.5, the ideal is 1
    assert ndcg([3], 2) == 0


def test_three_gold_items_of_which_two_are_found() -> None:
    ranks = [4, None, 1]
    assert recall(ranks, 1) == pytest.approx(1 / 3)
    assert recall(ranks, 5) == pytest.approx(2 / 3)
    assert reciprocal_rank(ranks, 10) == 1
    gained, ideal = 1 + 1 / math.log2(5), 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert ndcg(ranks, 10) == pytest.approx(gained / ideal) == pytest.approx(0.6713, abs=1e-4)


def test_the_ideal_is_cut_off_like_the_ranking() -> None:
    assert ndcg([1, 2, None, None], 2) == pytest.approx(1)
    assert recall([1, 2, None, None], 2) == 0.5


def test_nothing_found() -> None:
    assert (recall([None], 10), reciprocal_rank([None], 10), ndcg([None], 10), first_rank([None])) == (0, 0, 0, None)


def test_one_passage_that_holds_all_items_is_a_perfect_ranking() -> None:
    assert recall([1, 1, 1], 1) == 1
    assert ndcg([1, 1, 1], 10) == 1


def test_nothing_is_claimed_beyond_the_passages_looked_at() -> None:
    assert measure_names(10) == ("recall@1", "recall@5", "recall@10", "mrr@10", "ndcg@10")
    assert measure_names(20) == ("recall@1", "recall@5", "recall@10", "recall@20", "mrr@10", "ndcg@10")
    assert measure_names(3) == ("recall@1", "recall@3", "mrr@3", "ndcg@3")
    assert measured([2], 3) == pytest.approx({"recall@1": 0, "recall@3": 1, "mrr@3": 0.5, "ndcg@3": 1 / math.log2(3)})


@settings(deadline=None)
@given(RANKS, st.integers(1, 50))
def test_all_measures_lie_between_0_and_1_and_agree_on_finding_nothing(ranks: list[int | None], k: int) -> None:
    values = [recall(ranks, k), reciprocal_rank(ranks, k), ndcg(ranks, k)]
    assert all(0 <= value <= 1 for value in values)
    assert len({value > 0 for value in values}) == 1


@settings(deadline=None)
@given(RANKS, st.integers(1, 49))
def test_looking_further_never_lowers_recall_or_reciprocal_rank(ranks: list[int | None], k: int) -> None:
    assert recall(ranks, k) <= recall(ranks, k + 1)
    assert reciprocal_rank(ranks, k) <= reciprocal_rank(ranks, k + 1)


@settings(deadline=None)
@given(RANKS, st.data())
def test_a_better_rank_never_lowers_a_measure(ranks: list[int | None], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(ranks) - 1))
    better = [*ranks]
    better[place] = data.draw(st.integers(1, ranks[place] or 60))
    assert recall(better, 10) >= recall(ranks, 10)
    assert reciprocal_rank(better, 10) >= reciprocal_rank(ranks, 10)
    assert ndcg(better, 10) >= ndcg(ranks, 10) - 1e-12
