"""How much of a right answer an answer holds: values worked out by hand, and bounds that always hold."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate.overlap import MEASURES, answer_tokens, contained, overlaps

TEXTS = st.text("死锁是两个ab c1。", max_size=30)


def test_tokens_are_chinese_characters_and_other_words() -> None:
    assert answer_tokens("TCP 的**三次握手**（SYN）。[1]") == ["tcp", "的", "三", "次", "握", "手", "syn"]
    assert answer_tokens("The heap is a tree.") == ["heap", "is", "tree"]
    assert answer_tokens("資料庫 ＡＢＣ") == answer_tokens("资料库 abc")


@pytest.mark.parametrize(
    ("answer", "gold", "expected"),
    [
        ("他丢了308分。[1]", "308", True),
        ("他丢了1308分。", "308", False),
        ("He left.", "he", True),
        ("They left.", "he", False),
        ("死锁有四个\n必要条件", "四个必要条件", True),
        ("死锁有四个条件", "四个必要条件", False),
        ("what", "？！", False),
    ],
)
def test_containment_is_of_whole_tokens_in_a_row(answer: str, gold: str, expected: bool) -> None:
    assert contained(gold, answer) is expected


def test_values_worked_out_by_hand() -> None:
    # 4 of the 6 gold tokens, in an answer of 8.
    found = overlaps("互相等待资源的人", ["互相等待对方"])
    assert found == pytest.approx({"answer_contained": 0, "token_recall": 4 / 6, "token_f1": 8 / 14})


def test_the_best_of_several_right_answers_counts() -> None:
    assert overlaps("四分钟", ["五小时", "4分钟", "四分钟"]) == {
        "answer_contained": 1,
        "token_recall": 1,
        "token_f1": 1,
    }


def test_there_is_nothing_to_say_without_tokens_to_compare() -> None:
    assert overlaps("死锁", []) == overlaps("死锁", ["？！"]) == {}
    assert overlaps("", ["死锁"]) == dict.fromkeys(MEASURES, 0)


@settings(deadline=None)
@given(TEXTS, TEXTS, TEXTS)
def test_bounds(answer: str, gold: str, more: str) -> None:
    found = overlaps(answer, [gold])
    assert all(0 <= value <= 1 for value in found.values())
    if found.get("answer_contained"):
        assert found["token_recall"] == 1
    longer = overlaps(f"{answer} {more}", [gold])
    assert all(longer[name] >= found[name] for name in ("answer_contained", "token_recall") if found)
