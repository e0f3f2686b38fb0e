"""The terms that a book brings along: words of its headings, and English names in brackets."""

import pytest

from vector_db.book_terms import BookTerms, book_terms
from vector_db.tokenizer import cut

NAMED: dict[str, set[tuple[str, str]]] = {
    "死锁（deadlock）是指": {("死锁", "deadlock")},
    "死锁 (Deadlock)": {("死锁", "deadlock")},
    "死锁（英文：deadlock）": {("死锁", "deadlock")},
    "**死锁**（deadlock）": {("死锁", "deadlock")},
    "“死锁”（ deadlock ）": {("死锁", "deadlock")},
    "虚拟内存（Virtual  Memory）": {("虚拟内存", "virtual memory")},
    "資源分配圖（resource allocation graph）": {("资源分配图", "resource allocation graph")},
    "操作系统（OS）与进程（process）": {("操作系统", "os"), ("进程", "process")},
}


@pytest.mark.parametrize(("text", "glossary"), NAMED.items(), ids=NAMED)
def test_an_english_name_in_brackets_is_that_of_the_term_before(text: str, glossary: set[tuple[str, str]]) -> None:
    assert set(book_terms([], [text]).glossary) == glossary


@pytest.mark.parametrize("sign", ["，", ", ", "；", "、", "，简称", ", 缩写为 "])
def test_an_abbreviation_is_another_name(sign: str) -> None:
    found = book_terms([], [f"进程控制块（Process Control Block{sign}PCB）记录进程的状态"])
    assert set(found.glossary) == {("进程控制块", "process control block"), ("进程控制块", "pcb")}


def test_brackets_may_be_turned() -> None:
    assert book_terms([], ["deadlock（死锁）是指"]).glossary == (("死锁", "deadlock"),)
    assert book_terms([], ["Process Control Block (进程控制块) holds"]).glossary == (
        ("进程控制块", "process control block"),
    )


def test_words_that_lead_to_a_term_are_no_part_of_it() -> None:
    assert book_terms([], ["这种现象称为死锁（deadlock）。"]).glossary == (("死锁", "deadlock"),)
    assert book_terms([], ["我们使用动态规划（dynamic programming）求解"]).glossary == (
        ("动态规划", "dynamic programming"),
    )


def test_of_a_long_run_only_the_last_words_are_the_term_unless_the_book_says_it_twice() -> None:
    text = "多级反馈队列调度算法（multilevel feedback queue）"
    assert [chinese for chinese, _ in book_terms([], [text]).glossary] == ["队列调度算法"]
    assert [chinese for chinese, _ in book_terms([], [text, text]).glossary] == ["多级反馈队列调度算法"]


@pytest.mark.parametrize(
    "text",
    ["见图（a）", "公式（2）成立", "死锁（见第三章）", "（deadlock）", "锁（lock）", "死锁deadlock", "死锁（deadlock"],
)
def test_other_brackets_name_nothing(text: str) -> None:
    assert book_terms([], [text]) == BookTerms()


def test_a_name_of_many_words_is_a_remark() -> None:
    assert book_terms([], ["死锁（a state that no process can leave by itself）"]) == BookTerms()


def test_words_of_headings_of_which_no_dictionary_has_a_part_are_kept() -> None:
    assert cut("杭研") == ["杭", "研"] and cut("资源分配图") == ["资源分配", "图"]
    found = book_terms(["杭研的资源分配图", "银行家算法", "死锁"], [])
    assert found == BookTerms(words=("杭研",))


def test_function_words_part_the_words_of_a_heading() -> None:
    assert book_terms(["杭研与泸研"], []).words == ("杭研", "泸研")
    assert book_terms(["什么是死锁", "第一章 绪论", "B+树的插入", "Deadlocks"], []).words == ()


def test_a_heading_that_is_a_sentence_gives_no_word() -> None:
    assert book_terms(["最短剩余时间优先调度算法"], []).words == ()


def test_a_chinese_term_that_is_explained_is_a_word_of_the_book() -> None:
    assert book_terms([], ["杭研（a place）"]).words == ("杭研",)
    assert book_terms([], ["死锁（deadlock）", "资源分配图（resource allocation graph）"]).words == ()


def test_the_terms_are_in_order_and_each_is_there_once() -> None:
    texts = ["进程（process）", "死锁（deadlock）", "进程（process）", "死锁（Deadlock）"]
    headings = ["银行家算法", "资源分配图", "银行家算法"]
    found = book_terms(iter(headings), texts)
    assert found.glossary == tuple(sorted({("进程", "process"), ("死锁", "deadlock")}))
    assert found == book_terms(reversed(headings), texts[::-1])
    assert list(found.words) == sorted(set(found.words))
