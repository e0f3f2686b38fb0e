"""Answers held against real knowledge bases, small ones written here."""

from collections.abc import Iterator

import pytest

from core.errors import KnowledgeBaseMissing
from core.settings import Settings
from finetune.audit.books import Books, held_against, outcome_of
from finetune.audit.knowledge import open_books
from finetune.audit.rows import rows_of
from finetune.conversations import Conversation, Exchange
from ingest.rebuild import rebuild

BOOK = """# 计算机组成原理

## 存储系统

### 存储器的层次结构

主存通常由 DRAM 构成，高速缓存用 SRAM。主存的容量比高速缓存大得多，速度比高速缓存慢。

### 磁盘

磁盘是辅助存储器，断电以后数据不会丢失。

## 数据的表示

浮点数的阶码通常用移码表示，尾数用补码表示。

## 排序算法

快速排序的平均时间复杂度为 $O(n \\log n)$，最坏时间复杂度为 $O(n^2)$。冒泡排序是稳定的排序算法。

# Computer Organization

## Memory

The main memory is usually made of DRAM. The cache uses SRAM, which is faster and more expensive.

## The pipeline

A pipeline has five stages. Forwarding resolves most data hazards.
"""


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    folder = tmp_path_factory.mktemp("organisation")
    (folder / "organisation.md").write_text(BOOK, encoding="utf-8")
    settings = Settings(data_dir=tmp_path_factory.mktemp("kb"), source_dir=folder)
    assert rebuild(settings, settings.kb).exit_code == 0
    with open_books(settings, settings.kb) as opened:
        yield opened


@pytest.mark.parametrize(
    ("question", "answer", "said"),
    [
        ("哪种类型的存储器通常被用作计算机的主存储器？", "SRAM", "主存通常由 DRAM 构成"),
        ("主存储器采用什么存储器？", "SRAM", "主存通常由 DRAM 构成"),
        ("Which kind of memory is usually used as the main memory?", "SRAM", "The main memory is usually made of DRAM"),
        ("快速排序算法的平均时间复杂度是：", "O(n^2)", "快速排序的平均时间复杂度为"),
        ("冒泡排序是稳定的排序算法吗？", "不是", "冒泡排序是稳定的排序算法"),
    ],
)
def test_contradicted_answers_name_the_passage(books: Books, question: str, answer: str, said: str) -> None:
    outcome, against = outcome_of(question, answer, books)
    assert outcome == "contradicted" and against is not None
    assert said in against.clause
    assert ">" in against.place


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("哪种类型的存储器通常被用作计算机的主存储器？", "DRAM"),
        ("高速缓存用什么存储器？", "SRAM"),
        ("浮点数的阶码用什么表示？", "移码"),
        ("快速排序的平均时间复杂度是多少？", "O(nlogn)"),
        ("主存和高速缓存有什么区别？", "主存的容量比高速缓存大得多，速度比高速缓存慢。主存通常由 DRAM 构成。"),
        ("What is the main memory made of?", "The main memory is usually made of DRAM, and the cache uses SRAM."),
    ],
)
def test_supported_answers(books: Books, question: str, answer: str) -> None:
    assert outcome_of(question, answer, books) == ("supported", None)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("操作系统的作用是什么？", "管理硬件和软件资源"),
        ("主存的断电特性是什么？", "易失性"),
        ("磁盘是什么存储器？", "纸带"),
        ("What is a deadlock?", "A state in which processes wait for one another for ever."),
    ],
)
def test_answers_that_are_not_in_the_book(books: Books, question: str, answer: str) -> None:
    assert outcome_of(question, answer, books) == ("not found", None)


def test_the_right_option_is_another_one(books: Books) -> None:
    question = "高速缓存采用的是？\nA. 磁带\nB. SRAM\nC. 闪存\nD. 磁鼓"
    outcome, against = outcome_of(question, "C", books)
    assert outcome == "contradicted" and against is not None and against.reason == "sram is another option"
    assert outcome_of(question, "B", books) == ("supported", None)


def test_rows_are_counted_and_the_wrong_one_is_an_error(books: Books) -> None:
    pairs = [
        ("哪种存储器通常被用作计算机的主存储器？", "SRAM"),
        ("浮点数的阶码用什么表示？", "移码"),
        ("操作系统的作用是什么？", "管理硬件和软件资源"),
    ]
    conversations = [
        Conversation((Exchange(*pair),), source=f"bank.xlsx, row {at}") for at, pair in enumerate(pairs, 1)
    ]
    identity = Conversation((Exchange("你是谁？", "助教"),), "identity")
    held, found = held_against(rows_of([*conversations, identity], "train"), books)
    assert (held.supported, held.contradicted, held.not_found) == (1, 1, 1)
    assert [(one.check, one.severity, one.rows) for one in found] == [
        ("contradicts-book", "error", ("train: bank.xlsx, row 1",)),
        ("not-in-books", "note", ("train: bank.xlsx, row 3",)),
    ]
    example = found[0].examples[0]
    assert "≠ 主存通常由 DRAM 构成" in example.text
    assert "存储器的层次结构: sram is not dram" in example.why


def test_a_missing_knowledge_base_is_named(settings: Settings) -> None:
    with pytest.raises(KnowledgeBaseMissing, match="nowhere"), open_books(settings, "nowhere"):
        pass
