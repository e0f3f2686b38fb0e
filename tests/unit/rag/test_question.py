"""What a question asks for."""

import pytest

from rag.question import QuestionKind, kind_of, topic_of


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("什么是死锁？", QuestionKind.definition),
        ("进程的定义是什么？", QuestionKind.definition),
        ("What is a transaction?", QuestionKind.definition),
        ("Define normalization.", QuestionKind.definition),
        ("死锁的四个必要条件是什么？", QuestionKind.listing),
        ("请求与保持条件是什么意思？", QuestionKind.definition),
        ("进程有哪些状态？", QuestionKind.listing),
        ("TCP建立连接的步骤", QuestionKind.listing),
        ("What are the ACID properties?", QuestionKind.listing),
        ("Which kinds of index exist?", QuestionKind.listing),
        ("为什么线程切换的开销小？", QuestionKind.reason),
        ("Why is the log written first?", QuestionKind.reason),
        ("进程和线程有什么区别？", QuestionKind.comparison),
        ("Compare TCP and UDP.", QuestionKind.comparison),
        ("TCP 与 UDP 相比有什么不同之处？", QuestionKind.comparison),
        ("页表项有多少位？", QuestionKind.quantity),
        ("How many frames are there?", QuestionKind.quantity),
        ("快速排序的代码怎么写？", QuestionKind.code),
        ("Write an SQL query for the youngest student.", QuestionKind.code),
        ("银行家算法的作用", QuestionKind.other),
        ("Explain slow start", QuestionKind.other),
    ],
)
def test_the_words_of_a_question_tell_its_kind(question: str, kind: QuestionKind) -> None:
    assert kind_of(question) is kind


def test_a_question_of_two_kinds_takes_the_more_special_one() -> None:
    assert kind_of("进程和线程的区别是什么？") is QuestionKind.comparison
    assert kind_of("产生死锁的原因有哪些？") is QuestionKind.reason


def test_a_word_inside_another_word_is_no_sign() -> None:
    assert kind_of("How is a barcode decoded?") is not QuestionKind.code


@pytest.mark.parametrize(
    ("question", "topic"),
    [
        ("什么是死锁？", "死锁"),
        ("何谓 虚拟内存?", "虚拟内存"),
        ("请问进程是什么？", "进程"),
        ("进程的定义是什么？", "进程"),
        ("线程的概念", "线程"),
        ("事务是什么意思？", "事务"),
        ("What is a transaction?", "transaction"),
        ("What's the write-ahead log?", "write-ahead log"),
        ("define third normal form", "third normal form"),
        ("死锁如何预防？", ""),
        ("How does OSPF work?", ""),
    ],
)
def test_the_topic_is_what_is_to_be_defined(question: str, topic: str) -> None:
    assert topic_of(question) == topic
