"""What the citation check is measured on."""

import numpy as np
import pytest
from citations import DATA, precise, rouge, shared
from citing.mended import mended
from citing.numbers import numbers_found
from citing.pairs import pairs, sentences_of

from evaluate.decisions import curve

NEEDS_DATA = pytest.mark.skipif(not (DATA / "xquad_zh").is_dir(), reason=f"the retrieval sets are not in {DATA}")


def test_baselines_are_shares_of_the_sentence() -> None:
    assert shared("互斥条件 deadlock", "deadlock 的互斥条件有很多") == 1
    assert shared("deadlock", "a heap") == 0
    assert rouge("死锁可以预防", "死锁不可以预防") == 1
    assert rouge("a b c d", "d b") == pytest.approx(1 / 3)


def test_the_lowest_threshold_that_is_precise_enough() -> None:
    found = curve(np.array([0.9, 0.8, 0.4]), np.array([0.6, 0.1]))
    assert precise(found, 1.0) == 0.8
    assert precise(found, 0.7) == 0.4


def test_sentences_with_little_to_compare_are_left_out() -> None:
    assert sentences_of("好的。互斥条件是指一个资源每次只能被一个进程使用。") == [
        "互斥条件是指一个资源每次只能被一个进程使用。"
    ]


@NEEDS_DATA
def test_pairs_have_two_halves_and_no_passage_on_both_sides() -> None:
    found = pairs(DATA, 3)
    assert {pair.half for pair in found} == {0, 1}
    assert len({(pair.kind, pair.said, pair.read) for pair in found}) == 10
    assert all(set(pair.right).isdisjoint(sum(pair.wrong, ())) for pair in found)


@NEEDS_DATA
def test_changed_numbers_are_found_and_true_ones_left_alone() -> None:
    found = numbers_found(DATA, "zh", "zh")
    assert found.flagged >= 0.95 * found.changed
    assert found.wrongly == 0


@NEEDS_DATA
def test_wrong_markers_are_put_right() -> None:
    found = mended(DATA, "en", "en", 20, marker=True)
    assert found.right >= 15
    assert found.wrong <= 1
