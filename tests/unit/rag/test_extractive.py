"""The writer that answers with the book's own sentences."""

from collections.abc import Sequence
from dataclasses import replace

from made_books import book_of, even_weights, passage_of, passages_of

from core.settings import ChunkSettings
from core.text import length
from core.types import Passage
from rag.draft import Segment, answer_text, segments_of
from rag.extractive import select_units

CONDITIONS = (
    "1. 互斥条件：一个资源每次只能被一个进程使用。\n"
    "2. 请求与保持条件：进程因请求资源而阻塞时，对已获得的资源保持不放。\n"
    "3. 不可剥夺条件：进程已获得的资源在用完之前不能被强行剥夺。\n"
    "4. 循环等待条件：若干进程之间形成头尾相接的循环等待资源关系。"
)


def answer(question: str, passages: Sequence[Passage]) -> list[Segment]:
    return segments_of(select_units(question, even_weights(question), passages), passages)


def ranked(*passages: Passage) -> list[Passage]:
    """Passages of several books as one result, best first."""
    return [replace(passage, score=1 / (61 + rank)) for rank, passage in enumerate(passages)]


def test_the_four_conditions_of_deadlock_come_whole_with_one_citation() -> None:
    passages = ranked(
        passage_of(
            ("heading", "死锁的必要条件"),
            ("paragraph", "死锁并不常见。产生死锁必须同时满足以下四个条件："),
            ("list", CONDITIONS),
            ("paragraph", "只要破坏其中任何一个条件，就可以预防死锁。"),
        ),
        passage_of(("heading", "死锁的处理"), ("paragraph", "死锁的处理有预防、避免和检测三类方法。"), title="另一本"),
    )
    (segment,) = answer("死锁的四个必要条件是什么？", passages)
    assert segment.text == f"产生死锁必须同时满足以下四个条件：\n\n{CONDITIONS}[1]"
    assert segment.citation.quote == f"产生死锁必须同时满足以下四个条件：\n\n{CONDITIONS}"


def test_a_number_that_the_book_puts_into_brackets_is_no_citation() -> None:
    said = "死锁是指若干进程互相等待对方占有的资源[3]。"
    (segment,) = answer("什么是死锁？", ranked(passage_of(("heading", "死锁"), ("paragraph", said))))
    assert segment.text == "死锁是指若干进程互相等待对方占有的资源(3)。[1]"
    assert segment.citation.quote == said


def test_a_definition_question_is_answered_with_the_definition_first() -> None:
    passages = ranked(
        passage_of(
            ("heading", "死锁"),
            ("paragraph", "操作系统必须处理死锁。死锁是指若干进程互相等待对方占有的资源。这时它们都无法推进。"),
        ),
        passage_of(("heading", "银行家算法"), ("paragraph", "银行家算法用来避免死锁。"), title="另一本"),
    )
    segments = answer("什么是死锁？", passages)
    assert segments[0].text.startswith("死锁是指若干进程互相等待对方占有的资源。")
    assert "银行家" not in answer_text(segments)


def test_an_english_definition_comes_first_too() -> None:
    passages = ranked(
        passage_of(
            ("heading", "Transactions"),
            ("paragraph", "Users like a transaction. A transaction is a unit of work. It ends with a commit."),
        )
    )
    assert answer_text(answer("What is a transaction?", passages)).startswith("A transaction is a unit of work.")


def quicksort() -> list[Passage]:
    return ranked(
        passage_of(
            ("heading", "快速排序"),
            ("paragraph", "快速排序先选一个枢轴，再把元素划分到它的两边。"),
            ("code", "void quicksort(int a[], int low, int high) {\n    partition(a, low, high);  // 划分\n}"),
        )
    )


def test_code_is_not_given_unless_asked_for() -> None:
    assert "```" not in answer_text(answer("快速排序怎样划分？", quicksort()))


def test_code_is_given_when_asked_for() -> None:
    assert "void quicksort(int a[]" in answer_text(answer("快速排序的代码怎么写？", quicksort()))


def test_near_duplicates_of_two_books_are_given_once() -> None:
    said = "时间片轮转算法让就绪队列中的每个进程轮流运行一个时间片。"
    passages = ranked(
        passage_of(("heading", "时间片轮转"), ("paragraph", said), title="甲"),
        passage_of(("heading", "时间片轮转"), ("paragraph", said.replace("让就绪", "使就绪")), title="乙"),
    )
    segments = answer("时间片轮转算法怎样运行进程？", passages)
    assert [segment.citation.book for segment in segments] == ["甲"]


def test_sentences_of_two_books_that_differ_are_both_given() -> None:
    passages = ranked(
        passage_of(("heading", "时间片"), ("paragraph", "时间片过大，轮转算法退化为先来先服务。"), title="甲"),
        passage_of(("heading", "时间片"), ("paragraph", "时间片过小，轮转算法的切换开销就很高。"), title="乙"),
    )
    segments = answer("轮转算法的时间片过大过小会怎样？", passages)
    assert [segment.citation.book for segment in segments] == ["甲", "乙"]


def test_the_answer_follows_the_order_of_the_book_not_of_the_ranking() -> None:
    book = book_of(
        [
            ("heading", "分页"),
            ("paragraph", "分页系统把内存分为页框。" + "这里是很多别的话。" * 8),
            ("paragraph", "分页系统把进程的内存映射到页框。" + "那里也有很多别的话。" * 8),
        ]
    )
    earlier, later = passages_of(book, settings=ChunkSettings(target=40, limit=120))
    first, second = answer("分页系统的内存和页框", ranked(later, earlier))
    assert first.text == "分页系统把内存分为页框。[1]"
    assert second.text == "分页系统把进程的内存映射到页框。[2]"
    assert first.citation.start < second.citation.start


def test_a_question_that_shares_no_term_gets_nothing() -> None:
    assert answer("红烧肉怎么做？", quicksort()) == []


def test_no_passages_give_nothing() -> None:
    assert answer("什么是死锁？", []) == []


def test_an_answer_does_not_grow_without_end() -> None:
    sentences = [f"进程调度的第{n}条原则是{'很' * n}公平。" for n in range(1, 40)]
    passages = ranked(passage_of(("heading", "进程调度"), ("paragraph", "".join(sentences[:15]))))
    assert 0 < length(answer_text(answer("进程调度的原则", passages))) < length("".join(sentences[:15])) / 2
