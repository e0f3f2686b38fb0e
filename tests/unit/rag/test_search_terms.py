"""The terms of a question, and what the books call them."""

import pytest

from rag.search_terms import SearchTerms, search_terms
from vector_db.reader import Generation


def asked(question: str, opened: Generation) -> SearchTerms:
    return search_terms(question, opened.lexical)


def test_each_term_is_there_once_with_its_weight(opened: Generation) -> None:
    found = asked("死锁、进程和死锁", opened)
    assert found.terms == ("死锁", "进程")
    assert found.by_term() == {"死锁": pytest.approx(opened.lexical.idf("死锁")), "进程": opened.lexical.idf("进程")}
    assert found.total == pytest.approx(opened.lexical.idf("死锁") + opened.lexical.idf("进程"))


def test_a_rare_term_weighs_more_than_a_common_one(opened: Generation) -> None:
    weights = asked("银行家算法和进程", opened).by_term()
    assert weights["银行家"] > weights["进程"] > 0


def test_a_character_alone_weighs_less_than_a_word_as_rare(opened: Generation) -> None:
    weights = asked("鳄鱼 缺 x", opened).by_term()
    assert 0 < weights["缺"] < weights["鳄鱼"] == weights["x"]


def test_a_term_has_the_name_that_the_books_use_more(opened: Generation) -> None:
    assert asked("deadlock", opened).names == (("死锁",),)
    # The books say 死锁 more often, so the English name helps nobody who asks in Chinese.
    assert asked("死锁", opened).names == ((),)
    assert asked("How do deadlocks arise?", opened).all_names == ["deadlock", "aris", "死锁"]


def test_the_books_own_words_are_terms(opened: Generation) -> None:
    assert "红黑树" in asked("怎样画出一棵红黑树", opened).terms


def test_a_question_of_nothing_but_question_words_has_no_terms(opened: Generation) -> None:
    found = asked("这是什么？", opened)
    assert (found.terms, found.all_names, found.total) == ((), [], 0)
