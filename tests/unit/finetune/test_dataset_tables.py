"""Workbooks and delimited files: columns by name, templates, and rows that are told when they are no good."""

from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from core.errors import DatasetError
from finetune.conversations import Exchange
from finetune.dataset.found import Found
from finetune.dataset.settings import SourceSettings
from finetune.dataset.tables import read_table


def write_xlsx(path: Path, **sheets: list[list[Any]]) -> Path:
    book = Workbook()
    book.remove(book.active)  # type: ignore[arg-type]
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def read(path: Path, **settings: Any) -> Found:
    return read_table(path, path.name, SourceSettings(path=path, **settings))


def pairs(found: Found) -> list[tuple[str, str]]:
    return [(one.exchanges[0].input, one.exchanges[0].output) for one in found.kept]


@pytest.mark.parametrize(
    "header",
    [["题目", "答案"], ["问题", "参考答案"], ["Question", "Answer"], ["input", "output"], ["问", "答"], ["Q", "A"]],
)
def test_usual_headers_are_recognised(tmp_path: Path, header: list[str]) -> None:
    found = read(write_xlsx(tmp_path / "bank.xlsx", s=[header, ["什么是栈？", "后进先出的线性表"]]))
    assert pairs(found) == [("什么是栈？", "后进先出的线性表")]
    assert found.kept[0].source == "bank.xlsx, row 2"


def test_a_bank_of_choices(tmp_path: Path) -> None:
    head = ["序号", "题干", "选项A", "选项B", "选项C", "正确答案", "解析"]
    rows = [
        ["题库"],
        [],
        head,
        [1, "栈？", "先进先出", "后进先出", None, "B", "见书"],
        [2, "线性的？", "栈", "树", "队列", "A,C"],
    ]
    found = read(write_xlsx(tmp_path / "bank.xlsx", s=rows))
    assert pairs(found) == [
        ("栈？\nA. 先进先出\nB. 后进先出", "B. 后进先出\n\n见书"),
        ("线性的？\nA. 栈\nB. 树\nC. 队列", "AC\nA. 栈\nC. 队列"),
    ]
    assert [one.reason for one in found.outside] == ["stands above the header: 题库"]


def test_named_columns_and_a_template(tmp_path: Path) -> None:
    rows = [["info_1", "info_2", "Q", "回复 内容", "提示"], ["阿司匹林", "用法", "每天几次", "一天一次", "你是药师"]]
    found = read(
        write_xlsx(tmp_path / "bank.xlsx", s=rows),
        columns={"answer": "回复 内容", "system": "提示"},
        template="关于{info_1}的{info_2}问题,{Q}?",
    )
    assert found.kept[0].exchanges == (Exchange("关于阿司匹林的用法问题,每天几次?", "一天一次", "你是药师"),)


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "bank.xlsx", s=[["题目", "答案"], ["甲", "乙"]])
    with pytest.raises(DatasetError, match=r"bank\.xlsx: no row with the columns 问法; its first row is: 题目, 答案"):
        read(path, columns={"question": "问法"})
    with pytest.raises(DatasetError, match=r"no header with a question.*\n.*--column question=题目"):
        read(write_xlsx(tmp_path / "other.xlsx", s=[["甲", "乙"], ["丙", "丁"]]))


def test_empty_cells_are_left_out_and_listed_and_sheets_are_all_read(tmp_path: Path) -> None:
    bank = {
        "一": [["题目", "答案"], ["有", "有"], ["没有答案", None], [None, "没有题目"]],
        "二": [["question", "answer"], ["x", "y"]],
        "说明": [["这是说明"]],
    }
    found = read(write_xlsx(tmp_path / "bank.xlsx", **bank))
    assert pairs(found) == [("有", "有"), ("x", "y")]
    assert [(one.where, one.reason) for one in found.left_out] == [
        ("bank.xlsx, 一, row 3", "the answer is empty"),
        ("bank.xlsx, 一, row 4", "the question is empty"),
    ]
    assert (found.rows, found.outside[0].where) == (4, "bank.xlsx, 说明")


def test_delimited_files(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    bank = '题目,答案\n"进程和线程，\n有什么区别？",线程是处理机调度的基本单位\n什么是死锁？,进程互相等待对方的资源\n'
    path.write_bytes(bank.encode("gb18030"))
    found = read(path)
    assert [question for question, _ in pairs(found)] == ["进程和线程，\n有什么区别？", "什么是死锁？"]
    assert found.kept[1].source == "bank.csv, row 4"
    path.write_text("question,answer\na,b\nc,d,e\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"bank\.csv, row 3: it has 3 cells, the header 2"):
        read(path)


def test_alpaca_in_a_table_keeps_its_input(tmp_path: Path) -> None:
    path = tmp_path / "alpaca.csv"
    path.write_text("instruction,input,output\n翻译,hello,你好\n", encoding="utf-8")
    assert pairs(read(path)) == [("翻译\nhello", "你好")]


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "bank.csv").write_text("\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="holds no rows"):
        read(tmp_path / "bank.csv")
