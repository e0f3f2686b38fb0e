"""Answers that are given again."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from core.types import Answer, GenerationOptions, Scope, Turn
from rag.answer import Question
from rag.answer_cache import AnswerCache, Key, Remembered, normalised

ANSWER = Answer("答", (), False, None, "extractive", "default", "g1")
QUESTION = Question("什么是死锁？")


def remembered(text: str = "答", **changes: Any) -> Remembered:
    return Remembered((), replace(ANSWER, answer=text, **changes))


def key(cache: AnswerCache, question: Question = QUESTION, kb: str = "default", generation: str = "g1") -> Key:
    found = cache.key(kb, generation, question)
    assert found is not None
    return found


@pytest.fixture
def cache() -> AnswerCache:
    return AnswerCache(10, 1, 0)


@pytest.mark.parametrize("text", ["什么是死锁?", " 什么是死锁 ", "什么是死锁？？", "什么是死锁。"])
def test_what_means_the_same_is_found(cache: AnswerCache, text: str) -> None:
    cache.put(key(cache), remembered())
    assert cache.get(key(cache, replace(QUESTION, text=text, client="somebody else")))


@pytest.mark.parametrize(
    "changes",
    [
        {"text": "什么是活锁？"},
        {"text": "x2 的导数是什么？"},
        {"text": "怎么计算 n！"},
        {"text": "p 是什么？"},
        {"top_k": 3},
        {"mode": "exam"},
        {"scope": Scope(("操作系统",))},
        {"options": GenerationOptions(max_new_tokens=5)},
    ],
)
def test_what_decides_the_answer_is_part_of_the_key(cache: AnswerCache, changes: dict[str, Any]) -> None:
    for text in (QUESTION.text, "x² 的导数是什么？", "怎么计算 n", "P 是什么？"):
        cache.put(key(cache, replace(QUESTION, text=text)), remembered())
    assert cache.get(key(cache, replace(QUESTION, **changes))) is None


def test_another_knowledge_base_or_generation_is_another_answer(cache: AnswerCache) -> None:
    cache.put(key(cache), remembered())
    assert cache.get(key(cache, kb="physics")) is None
    assert cache.get(key(cache, generation="g2")) is None


def test_a_conversation_and_a_drawn_answer_are_not_kept() -> None:
    cache, drawn = AnswerCache(10, 1, 0), AnswerCache(10, 1, 0.7)
    assert cache.key("default", "g1", replace(QUESTION, history=(Turn("user", "死锁"),))) is None
    assert cache.key("default", "g1", replace(QUESTION, options=GenerationOptions(temperature=1))) is None
    assert cache.key("default", "g1", replace(QUESTION, options=GenerationOptions(temperature=1, seed=3)))
    assert drawn.key("default", "g1", QUESTION) is None
    assert drawn.key("default", "g1", replace(QUESTION, options=GenerationOptions(temperature=0)))


def test_an_answer_that_a_model_failed_at_is_not_kept(cache: AnswerCache) -> None:
    cache.put(key(cache), remembered(fallback="out of memory"))
    assert cache.get(key(cache)) is None


def test_switched_off_it_keeps_nothing() -> None:
    cache = AnswerCache(0, 1, 0)
    assert cache.key("default", "g1", QUESTION) is None and cache.get(None) is None
    cache.put(None, remembered())


def test_what_was_not_asked_for_longest_goes_first() -> None:
    cache = AnswerCache(2, 1, 0)
    a, b, c = (key(cache, Question(text)) for text in "abc")
    cache.put(a, remembered())
    cache.put(b, remembered())
    assert cache.get(a)
    cache.put(c, remembered())
    assert cache.get(a) and cache.get(c) and cache.get(b) is None


def test_memory_is_bounded_by_bytes() -> None:
    cache = AnswerCache(1000, 1, 0)
    keys = [key(cache, Question(str(number))) for number in range(20)]
    for each in keys:
        cache.put(each, remembered("长" * 50_000))
    assert sum(cache.get(each) is not None for each in keys) == 2**20 // remembered("长" * 50_000).size
    cache.put(keys[0], remembered("长" * 500_000))
    assert cache.get(keys[0]) is None


def test_many_threads_share_it() -> None:
    cache = AnswerCache(50, 1, 0)

    def work(number: int) -> None:
        for step in range(200):
            each = key(cache, Question(str((number * 7 + step) % 80)))
            found = cache.get(each)
            assert found is None or found.answer.answer == each[2].text
            cache.put(each, remembered(each[2].text))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


@pytest.mark.parametrize(("text", "same"), [("Ｗhat  is\nＡＣＩＤ？", "What is ACID"), ("C++ 是？?", "C++ 是")])
def test_width_spaces_and_the_end_do_not_matter(text: str, same: str) -> None:
    assert normalised(text) == same
