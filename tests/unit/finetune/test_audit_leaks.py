import json
from pathlib import Path

import pytest

from core.errors import DatasetError
from finetune.audit.findings import Finding
from finetune.audit.leaks import leaks, read_exam, stem
from finetune.audit.repeats import different_answers, repeats
from finetune.audit.rows import Row, Split, rows_of, same
from finetune.conversations import Conversation, Exchange, Kind

OPTIONS = "\nA. 数组\nB. 链表\nC. 栈\nD. 二叉树"


def rows(*pairs: tuple[str, str], split: Split = "train", kind: Kind = "question") -> tuple[Row, ...]:
    return rows_of([Conversation((Exchange(*pair),), kind) for pair in pairs], split)


def by_check(found: list[Finding]) -> dict[str, Finding]:
    return {one.check: one for one in found}


def test_one_row_a_hundred_times() -> None:
    questions = [
        (f"第 {at} 章的{word}讲了什么内容？", word)
        for at, word in enumerate("进程 线程 死锁 分页 分段 文件 磁盘".split())
    ]
    found = by_check(repeats(rows(*questions, *[("请做一下自我介绍", "我是小助手")] * 100), 0.8))
    assert (found["repeated-row"].severity, found["repeated-row"].count) == ("error", 100)
    assert "100 times" in found["repeated-row"].examples[0].why
    assert "duplicate" not in found


def test_a_row_may_be_repeated_a_few_times() -> None:
    found = by_check(repeats(rows(*[("请做一下自我介绍", "我是小助手")] * 10), 0.8))
    assert found.keys() == {"duplicate"} and found["duplicate"].count == 9


def test_copies_differ_in_blanks_case_and_the_last_stop() -> None:
    assert same("什么是 TCP？") == same("什么是  tcp ?")
    found = by_check(repeats(rows(("什么是 TCP？", "协议。"), ("什么是 tcp?", "协议"), ("什么是 UDP？", "协议")), 0.99))
    assert found["duplicate"].count == 1
    assert found["duplicate"].rows == ("train: train, row 2",)


def test_copies_in_train_and_test_are_leaks_and_no_duplicates() -> None:
    both = (*rows(("什么是死锁和饥饿？", "互相等待")), *rows(("什么是死锁和饥饿？", "互相等待"), split="test"))
    assert repeats(both, 0.8) == []
    (found,) = leaks(both, [], 0.8)
    assert (found.check, found.severity, found.count) == ("leak-test", "error", 1)
    assert found.examples[0].why == "the same as test, row 1"


def test_near_copies() -> None:
    first = "操作系统中产生死锁必须同时满足的四个必要条件分别是什么，请逐条说明并举出例子"
    pairs = rows(
        (first, "互斥、请求与保持、不可剥夺、循环等待"), (first + "来", "互斥、请求与保持、不可剥夺、循环等待")
    )
    (found,) = repeats(pairs, 0.8)
    assert (found.check, found.severity, found.count) == ("near-duplicate", "warning", 1)
    asked = (*pairs[:1], *rows((first + "来", "另一个回答"), split="test"))
    assert by_check(leaks(asked, [], 0.8))["leak-test"].count == 1


def test_questions_with_several_answers() -> None:
    (found,) = different_answers(rows(("主存用什么？", "SRAM"), ("主存用什么", "DRAM"), ("缓存用什么？", "SRAM")))
    assert (found.check, found.count) == ("different-answers", 2)
    assert "SRAM ≠ DRAM" in found.examples[0].text
    assert different_answers(rows(("", "课文一"), ("", "课文二"), kind="text")) == []


@pytest.mark.parametrize(
    "question",
    [
        f"线性表不包括哪种类型？{OPTIONS}",
        "线性表不包括哪种类型？",
        "线性表不包括哪种类型? (A) 数组 (B) 链表 (C) 栈",
        "线性表 不包括哪种类型",
    ],
)
def test_exam_questions_are_found_with_and_without_their_options(question: str, tmp_path: Path) -> None:
    exam = tmp_path / "exam.jsonl"
    row = {"question": "线性表不包括哪种类型？", "options": {"A": "数组", "B": "二叉树"}, "answer": "B"}
    exam.write_text(json.dumps(row, ensure_ascii=False) + "\n\n", encoding="utf-8")
    (found,) = leaks(rows((question, "二叉树"), ("什么是栈的定义和性质？", "后进先出")), read_exam(exam), 0.8)
    assert (found.check, found.severity, found.count) == ("leak-exam", "error", 1)
    assert found.examples[0].why.endswith("exam.jsonl, line 1")


def test_another_question_is_no_leak() -> None:
    exam = [("线性表不包括哪种类型？", "exam.jsonl, line 1"), ("什么是栈", "exam.jsonl, line 2")]
    assert (
        leaks(rows(("死锁的四个必要条件是什么？", "互斥"), ("什么是堆栈", "后进先出"), ("", "课文")), exam, 0.8) == []
    )
    assert leaks((), exam, 0.8) == []


def test_stems() -> None:
    assert stem(f"线性表不包括？{OPTIONS}") == "线性表不包括？"
    assert stem("A. 数组") == "A. 数组"
    assert stem("Vitamin A: what is it?") == "Vitamin A: what is it?" or stem("Vitamin A: what is it?") == "Vitamin"


def test_unreadable_exams_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"none\.jsonl"):
        read_exam(tmp_path / "none.jsonl")
    for text in ("{", "[1]", '{"answer": "A"}'):
        (tmp_path / "bad.jsonl").write_text(text)
        with pytest.raises(DatasetError, match=r"bad\.jsonl is no exam"):
            read_exam(tmp_path / "bad.jsonl")
