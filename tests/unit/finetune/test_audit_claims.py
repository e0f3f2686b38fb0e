import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.audit.asked import claims_of, is_short, statement
from finetune.audit.claims import Claim, claims_in, subject_of, value_of
from finetune.audit.contradictions import contradicting_rows, contrasted, excluded
from finetune.audit.rows import Row, rows_of
from finetune.conversations import Conversation, Exchange


def exclude(one: list[Claim], other: list[Claim]) -> list[str]:
    return [reason for a in one for b in other if (reason := excluded(a, b))]


@pytest.mark.parametrize(
    ("question", "answer", "book"),
    [
        ("哪种类型的存储器通常被用作计算机的主存储器？", "SRAM", "主存通常由 DRAM 构成，高速缓存用 SRAM。"),
        ("计算机的主存储器通常采用什么类型的存储器？", "SRAM", "主存通常由 DRAM 构成。"),
        ("Which memory is usually used as the main memory?", "SRAM", "The main memory is usually made of DRAM."),
        ("快速排序算法的平均时间复杂度是：", "O(n^2)", "快速排序的平均时间复杂度为 $O(n \\log n)$。"),
        ("DNS 协议工作在哪一层？", "传输层", "DNS 是应用层协议，TCP 是传输层协议。"),
        ("进程有几种基本状态？", "5种", "进程有三种基本状态。"),
        ("进程有几种基本状态？", "五种", "进程有3种基本状态。"),
        ("UDP 协议是面向连接的吗？", "是的", "UDP 协议不是面向连接的。"),
        ("冒泡排序是稳定的排序吗？", "不是", "冒泡排序是稳定的排序。"),
        ("说说主存。", "主存储器由 SRAM 构成，它的速度比磁盘快得多，断电后内容丢失。", "主存由 DRAM 构成。"),
        (
            "TCP 首部有多长？",
            "TCP 首部的固定部分有 32 个字节，它由源端口、目的端口等字段组成。",
            "TCP 首部的固定部分有 20 个字节。",
        ),
        ("顺序表采用哪种存储分配？", "动态分配", "顺序表采用静态分配。"),
    ],
)
def test_answers_that_a_book_excludes(question: str, answer: str, book: str) -> None:
    assert exclude(claims_of(question, answer), claims_in(book))


@pytest.mark.parametrize(
    ("question", "answer", "book"),
    [
        ("哪种类型的存储器通常被用作计算机的主存储器？", "DRAM", "主存通常由 DRAM 构成，高速缓存用 SRAM。"),
        ("哪种类型的存储器通常被用作计算机的高速缓存？", "SRAM", "主存通常由 DRAM 构成，高速缓存用 SRAM。"),
        ("计算机的主存储器通常采用什么类型的存储器？", "随机访问存储器（RAM）", "主存通常由 DRAM 构成。"),
        ("栈是什么？", "一种线性结构", "栈是一种数据结构。"),
        ("快速排序算法的平均时间复杂度是：", "O(nlogn)", "快速排序的平均时间复杂度为 $\\Theta(n \\log_2 n)$。"),
        ("快速排序算法的平均时间复杂度是：", "O(nlogn)", "快速排序的最坏时间复杂度为 O(n^2)。"),
        ("归并排序的时间复杂度是：", "O(nlogn)", "该算法的时间复杂度为 O(n)。时间复杂度是 O(n^2)。"),
        ("进程有几种基本状态？", "3种", "线程有五种基本状态。如果进程有五种基本状态，则不同。"),
        ("TCP 是面向连接的吗？", "是", "UDP 不是面向连接的。TCP 是面向连接的吗？"),
        ("分几步？", "三步", "1. 进程有两种状态\n2. 第三步是结束\n3. 1921年获得图灵奖"),
        ("HashMap 是线程安全的吗？", "不是", "HashMap 是线程不安全的。"),
        ("下列程序段的时间复杂度是", "O(n)", "下列程序段的时间复杂度为 O(n^2)。"),
        ("时间复杂度是多少？", "O(n)", "时间复杂度是 O(n^2)。"),
        ("某二叉树的高度是", "3", "某二叉树的高度是 4。"),
        ("进程包含线程吗？", "进程包含线程，一个进程中可以有多个线程同时运行，共享资源。", "线程不包含进程。"),
    ],
)
def test_answers_that_a_book_does_not_exclude(question: str, answer: str, book: str) -> None:
    assert not exclude(claims_of(question, answer), claims_in(book))


def test_a_value_that_the_books_give_to_another_subject() -> None:
    (claim, _) = claims_of("教材中根目录采用的是什么？", "位图")
    told = claims_in("教材中根目录采用索引，空闲块采用位图。")
    found = contrasted(claim, told)
    assert found is not None and found.value == "索引"
    assert contrasted(claim, claims_in("教材中根目录采用索引。")) is None
    assert contrasted(claim, claims_in("教材中根目录采用位图索引，空闲块采用位图。")) is None


def test_subjects_and_values() -> None:
    assert subject_of("计算机的主存储器") == subject_of("主存") == ("主存",)
    assert subject_of("TCP 协议") == ("tcp",)
    assert subject_of("时间复杂度") == ()
    assert value_of("一种随机访问存储器（RAM）") == "随机访问存储器"
    assert value_of("O(n)") == "o(n)"
    assert value_of("键盘、鼠标") == value_of("a and b") == ""


def test_short_answers_are_read_with_their_question() -> None:
    assert is_short("移码") and not is_short("产生死锁必须同时满足以下四个条件")
    assert statement("主存储器是什么？", "DRAM") == "主存储器是 DRAM"


def rows(*pairs: tuple[str, str], system: str = "") -> tuple[Row, ...]:
    return rows_of([Conversation((Exchange(question, answer, system),), source=f"row {at}")
                    for at, (question, answer) in enumerate(pairs, 1)], "train")  # fmt: skip


def test_rows_that_contradict_one_another() -> None:
    (found,) = contradicting_rows(
        rows(
            ("主存储器采用什么存储器？", "SRAM"),
            ("哪种存储器被用作主存储器？", "DRAM"),
            ("高速缓存采用什么？", "SRAM"),
            ("死锁有几个必要条件？", "4个"),
            ("死锁有几个必要条件？", "四个"),
        )
    )
    assert (found.check, found.severity, found.rows) == (
        "contradicting-rows",
        "error",
        ("train: row 1", "train: row 2"),
    )
    assert "sram is not dram" in found.examples[0].why


def test_multiple_choice_rows_are_read_by_their_option() -> None:
    options = "\nA. SRAM\nB. DRAM\nC. 磁带\nD. 闪存"
    (found,) = contradicting_rows(rows((f"主存采用什么？{options}", "A"), (f"哪种存储器被用作主存？{options}", "B")))
    assert found.count == 2
    assert contradicting_rows(rows((f"主存采用什么？{options}", "A"), (f"缓存采用什么？{options}", "B"))) == []


def test_later_turns_speak_of_what_went_before() -> None:
    talks = [
        Conversation((Exchange(f"讲讲{name}排序。", "好的。"), Exchange(f"{word}排序的时间复杂度是？", value)))
        for name, word, value in (("快速", "这种", "O(n)"), ("归并", "这种", "O(n^2)"))
    ]
    assert contradicting_rows(rows_of(talks, "train")) == []


def test_a_row_does_not_contradict_itself_nor_one_under_a_system_prompt() -> None:
    assert contradicting_rows(rows(("说明", "房间里的人会说中文。房间里的人不会说中文。"))) == []
    assert contradicting_rows(rows(("主存采用什么？", "SRAM"), ("主存采用什么？", "DRAM"), system="资料：")) == []


@given(st.text(alphabet="主存是由不有三种3 SRAM状态的。，？层O(n)", max_size=40), st.text(max_size=40))
def test_any_text_has_claims_that_do_not_exclude_themselves(one: str, other: str) -> None:
    for claim in (*claims_in(one), *claims_of(one, other), *claims_of(other, one)):
        assert excluded(claim, claim) is None
