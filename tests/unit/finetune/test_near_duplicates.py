"""Near duplicates: the same as comparing every pair, whatever the order, and fast."""

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.near_duplicates import groups, normalised


def test_width_case_punctuation_and_blanks_do_not_matter() -> None:
    assert normalised("什么是 ＴＣＰ？") == normalised("什么是tcp") == "什么是tcp"


def test_signs_of_arithmetic_matter() -> None:
    assert groups(["a-b", "a*b", "a/b", "a+b"]) == []


def test_one_word_more_is_a_near_duplicate_and_another_question_is_not() -> None:
    texts = [
        "请问在操作系统中，进程和线程之间的区别是什么？请举例说明。",
        "什么是虚拟内存？它解决了什么问题？",
        "在操作系统中，进程和线程之间的区别是什么？请举例说明",
        "What is the difference between a process and a thread in an operating system?",
        "what is the difference between a process and a thread in an operating system",
    ]
    assert groups(texts) == [[0, 2], [3, 4]]


def test_empty_and_short_texts() -> None:
    assert groups([]) == []
    assert groups(["一"]) == []
    assert groups(["", " ", "a", "A.", "b", "？？", "？"]) == [[0, 1], [2, 3]]


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.1])
def test_a_threshold_that_means_nothing(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        groups(["a"], threshold)


def _grams(text: str) -> set[str]:
    said = normalised(text)
    return {said[at : at + 3] for at in range(max(len(said) - 2, 1))}


def _every_pair(texts: list[str], threshold: float) -> list[list[int]]:
    part = list(range(len(texts)))
    for one in range(len(texts)):
        for other in range(one):
            mine, its = _grams(texts[one]), _grams(texts[other])
            if len(mine & its) >= threshold * len(mine | its) - 1e-9:
                part = [part[other] if label == part[one] else label for label in part]
    found = [[index for index, label in enumerate(part) if label == wanted] for wanted in set(part)]
    return sorted(group for group in found if len(group) > 1)


@settings(deadline=None)
@given(st.lists(st.text("abc 。", max_size=12), max_size=12), st.sampled_from([0.3, 0.5, 0.8, 1.0]))
def test_the_same_as_comparing_every_pair(texts: list[str], threshold: float) -> None:
    assert groups(texts, threshold) == _every_pair(texts, threshold)


def test_many_rows_take_seconds() -> None:
    draw = random.Random(1)
    signs = [chr(0x4E00 + index) for index in range(2000)]
    texts = ["".join(draw.choices(signs, k=60)) for _ in range(10_000)]
    texts += [text + "呢" for text in texts[:500]] + [f"第{number}章讲了哪些内容？" for number in range(1500)]
    started = time.process_time()
    found = groups(texts)
    assert time.process_time() - started < 30
    assert [index for index, *_ in found if index < 500] == list(range(500))
