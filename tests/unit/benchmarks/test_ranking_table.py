"""The tables of the retrieval benchmark."""

import pytest
from ranking.table import MEASURES, OURS, Scores, compared, stratified, tables

from evaluate.intervals import bootstrap


def scores(**systems: list[float]) -> Scores:
    return {name.replace("_", " "): dict.fromkeys(MEASURES, values) for name, values in systems.items()}


TWO = scores(BM25_jieba=[0.5, 0.5, 0.0, 0.0], dense=[0.5, 0.5, 0.5, 0.0], **{OURS: [1.0, 1.0, 0.0, 0.0]})


def test_a_row_marks_the_best_other_and_compares_ours_with_it() -> None:
    (row,) = [line for line in tables({"set": TWO}).splitlines() if "MRR@10" in line]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:7] == ["set (4)", "MRR@10", "0.250", "0.375 ←", "0.500", "1.33", "+12.5"]


def test_the_mean_counts_each_set_the_same() -> None:
    other = scores(BM25_jieba=[1.0], dense=[0.0], **{OURS: [0.0]})
    against = compared([TWO, other], "BM25 jieba", "mrr@10")
    assert (against.ours, against.other) == (0.25, 0.625)
    assert against.points.mean == pytest.approx(-37.5)
    assert "| mean of sets | MRR@10 |" in tables({"a": TWO, "b": other})


def test_sets_across_languages_stand_apart_and_are_compared_with_keywords() -> None:
    parts = tables({"set": TWO, "set_en→zh": TWO}).split("\n\n")
    assert parts[1] == "Across languages:" and "mean" not in parts[0]
    assert "| set_en→zh (4) | 0.250 | 0.500 | 2.00 | +25.0 |" in parts[-1]


def test_nothing_found_by_the_others_is_no_division_by_zero() -> None:
    assert "inf" in tables({"set": scores(BM25_jieba=[0.0], **{OURS: [1.0]})})


def test_one_group_is_the_plain_bootstrap() -> None:
    ours, plain = stratified([values := [0.0, 0.2, 0.9, 0.4]]), bootstrap(values)
    assert (ours.mean, ours.low, ours.high) == pytest.approx((plain.mean, plain.low, plain.high))
