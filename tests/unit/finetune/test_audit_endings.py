import pytest

from finetune.audit.endings import endings, why_cut
from finetune.audit.rows import rows_of
from finetune.conversations import Conversation, Exchange, Kind

LONG = "操作系统管理计算机的硬件和软件资源。" * 12


@pytest.mark.parametrize(
    "text",
    [
        "移码",
        "O(nlogn)",
        "死锁是互相等待。",
        LONG + "如下：\n\n- 进程管理\n- 内存管理",
        LONG + "```c\nint x = 1;\n```",
        LONG + "因此 $x = 1$",
        LONG + "见 https://example.org/a",
        "Use a semaphore (or a mutex).",
        "1) 进程 2) 线程",
        ":( 不知道",
        "正确答案： 1. A 2. C 3. A 4. C 5. A",
        "(5 + 8 + 10 + 12) / 4 = 8.75",
        "A sentence (Wǒ huì dài) which says it",
    ],
)
def test_finished_answers(text: str) -> None:
    assert why_cut(text) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("代码如下\n```c\nint x = 1;", "code is not closed"),
        ("$$\\begin{aligned} x", "aligned} is not closed"),
        ("元素有：锶（Sr）、锝(T", "( is not closed"),
        ("爵士乐的乐器很多，如萨克斯、小号、", "ends with"),
        ("The four conditions of deadlock are mutual exclusion and", "ends with 'and'"),
        ("获得点数的方法有很多，有以下几种：", "ends with"),
        ("产生死锁的原因有很多，例如", "ends with"),
        (LONG + "进程是资源分配的基本单位而线程是处理机调度的基本单位所以线程切换的开", "without a full stop"),
    ],
)
def test_cut_answers(text: str, why: str) -> None:
    assert why in (why_cut(text) or "")


def row(question: str, answer: str, kind: Kind = "question") -> Conversation:
    return Conversation((Exchange(question, answer),), kind)


def test_empty_rows_are_errors_and_running_text_needs_no_question() -> None:
    rows = rows_of([row("问", " \n"), row(" ", "答"), row("", "课文。", "text"), row("问", "答")], "train")
    (found,) = endings(rows)
    assert (found.check, found.severity, found.count) == ("empty", "error", 2)


def test_many_cut_answers_are_an_error() -> None:
    cut = [row(f"问 {at}", "萨克斯、小号、长笛、单簧管、") for at in range(3)]
    whole = [row(f"另问 {at}", "完整的回答。") for at in range(20)]
    assert [one.severity for one in endings(rows_of(cut, "train"))] == ["error"]
    assert [one.severity for one in endings(rows_of(cut + whole, "train"))] == ["warning"]


def test_where_no_answer_has_a_full_stop_none_lacks_it() -> None:
    text = LONG + "进程是资源分配的基本单位而线程是处理机调度的基本单位所以线程切换的开"
    assert endings(rows_of([row("问一", text), row("问二", text + "销")], "train")) == []
