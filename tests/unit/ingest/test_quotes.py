"""Quotes by their letters alone, and the part of one that stands on a page."""

import pytest

from core.types import Page
from ingest.quotes import Quote, letters, quote_at

PAGES = [
    (Page(1, None, 0, 21), "死锁是互相等待。死锁是 互相等待。\n\n再见"),
    (Page(2, "2", 21, 30), "死锁可以预防，也可"),
]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sched-\nuling", "scheduling"),
        ("sched\u00aduling", "scheduling"),
        ("⽤户 ⻚面", "用户页面"),
        ("eﬃcient ﬂow", "efficient flow"),
        ("ＴＣＰ／ＩＰ", "TCP/IP"),
        ("cafe\u0301", "café"),
        ("互斥\n条件\u200b，", "互斥条件"),
        ("| 进程 | 线程 |\n| --- | --- |", "进程 线程"),
    ],
)
def test_what_extraction_changes_makes_no_difference(one: str, other: str) -> None:
    assert letters(one)[0] == letters(other)[0] != ""


def test_each_letter_knows_its_place() -> None:
    assert letters("a ﬃ,b") == ("affib", [0, 2, 2, 2, 4])


def test_signs_alone_are_no_letters() -> None:
    assert letters("+-—… \n。") == ("", [])


def test_a_quote_is_cut_to_its_page() -> None:
    assert quote_at(PAGES, 17, 27, 1) == Quote("\n\n再见")
    assert quote_at(PAGES, 17, 27, 2) == Quote("死锁可以预防")
    assert quote_at(PAGES, 0, 8, 2) == quote_at(PAGES, 0, 8, 9) == Quote("")


def test_the_same_words_before_it_are_counted() -> None:
    assert quote_at(PAGES, 0, 7, 1) == Quote("死锁是互相等待", nth=0)
    assert quote_at(PAGES, 8, 16, 1) == Quote("死锁是 互相等待", nth=1)
