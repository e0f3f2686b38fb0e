"""XLSX, CSV and TSV: question banks, tables, and that no row is lost."""

import datetime
from pathlib import Path

import openpyxl
import pytest
from files import CONTEXT, check_offsets, headings, of_kind, shown, with_part, workbook, write

from core.errors import UnreadableBookError
from core.types import BlockKind, ExtractedBook
from ingest.readers.delimited import read_delimited
from ingest.readers.workbook import read_workbook

BANK = [
    ["序号", "题目", "选项A", "选项B", "选项C", "选项D", "答案", "解析", "难度"],
    [1, "死锁的必要条件不包括？", "互斥", "请求和保持", "可抢占", "循环等待", "C", "应为不可剥夺。", "易"],
    [2.0, "进程是什么？", "程序的一次执行", "文件", "C. 设备", None, "A", None, None],
]
FIRST = (
    "1. 死锁的必要条件不包括？\nA. 互斥\nB. 请求和保持\nC. 可抢占\nD. 循环等待\n答案：C\n解析：应为不可剥夺。\n难度：易"
)
SECOND = "2. 进程是什么？\nA. 程序的一次执行\nB. 文件\nC. 设备\n答案：A"


def read(path: Path) -> ExtractedBook:
    book = read_workbook(path, CONTEXT)
    check_offsets(book)
    return book


def read_csv(path: Path) -> ExtractedBook:
    book = read_delimited(path, CONTEXT)
    check_offsets(book)
    return book


def test_a_question_bank_becomes_questions(tmp_path: Path) -> None:
    rows = [["操作系统题库"], [], *BANK]
    book = read(workbook(tmp_path / "bank.xlsx", {"第一章": rows}))
    assert shown(book) == [
        (BlockKind.heading, "第一章"),
        (BlockKind.paragraph, "操作系统题库"),
        (BlockKind.list, FIRST),
        (BlockKind.list, SECOND),
    ]
    assert book.title == "bank"


def test_an_english_bank(tmp_path: Path) -> None:
    rows = [["ID", "Question", "A", "B", "Correct Answer", "Explanation"], [7, "What is 2+2?", 3, 4, "B", "Count."]]
    assert of_kind(read(workbook(tmp_path / "bank.xlsx", {"Sheet1": rows})), BlockKind.list) == [
        "7. What is 2+2?\nA. 3\nB. 4\nCorrect Answer: B\nExplanation: Count."
    ]


def test_questions_and_answers_without_options(tmp_path: Path) -> None:
    book = read(workbook(tmp_path / "faq.xlsx", {"Sheet": [["问题", "参考答案"], ["什么是栈？", "后进先出。"]]}))
    assert shown(book) == [(BlockKind.list, "什么是栈？\n参考答案：后进先出。")]


def test_options_in_one_cell_and_lines_between_parts(tmp_path: Path) -> None:
    rows = [["题干", "选项", "正确答案"], [None, None, "第一部分"], ["甲乙哪个大？", "A.甲\nB.乙", "A"]]
    assert [text for _, text in shown(read(workbook(tmp_path / "bank.xlsx", {"Sheet1": rows})))] == [
        "第一部分",
        "甲乙哪个大？\nA.甲\nB.乙\n正确答案：A",
    ]


def test_values_of_every_kind(tmp_path: Path) -> None:
    path = tmp_path / "values.xlsx"
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["整数", "小数", "百分数", "日期", "时刻", "真假", "竖|线"])
    sheet.append([3.0, 0.1 + 0.2, 0.25, datetime.date(2024, 3, 1), datetime.datetime(2024, 3, 1, 9, 30), True, "a\nb"])
    sheet["C2"].number_format = "0.00%"
    book.save(str(path))
    assert of_kind(read(path), BlockKind.table) == [
        "| 整数 | 小数 | 百分数 | 日期 | 时刻 | 真假 | 竖\\|线 |\n| --- | --- | --- | --- | --- | --- | --- |\n"
        "| 3 | 0.3 | 25% | 2024-03-01 | 2024-03-01 09:30 | TRUE | a b |"
    ]


def test_formulas_give_their_value_or_else_themselves(tmp_path: Path) -> None:
    path = workbook(tmp_path / "sum.xlsx", {"Sheet": [["甲", "和"], [1, "=A2+1"]]})
    assert "| 1 | =A2+1 |" in read(path).text
    part = "xl/worksheets/sheet1.xml"
    sheet = (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        b'<row r="1"><c r="A1"><v>1</v></c><c r="B1"><f>A1+1</f><v>2</v></c></row></sheetData></worksheet>'
    )
    assert "| 1 | 2 |" in read(with_part(path, tmp_path / "valued.xlsx", part, sheet)).text


def test_hidden_sheets_rows_and_columns_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "hidden.xlsx"
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["名", "值", "隐藏列"], ["甲", 1, "隐藏"], ["隐藏行", 2, "隐藏"], ["乙", 3, "隐藏"]):
        sheet.append(row)
    sheet.row_dimensions[3].hidden = True
    sheet.column_dimensions["C"].hidden = True
    secret = book.create_sheet("隐藏表")
    secret.append(["隐藏"])
    secret.sheet_state = "veryHidden"
    book.save(str(path))
    read_book = read(path)
    assert read_book.text == "| 名 | 值 |\n| --- | --- |\n| 甲 | 1 |\n| 乙 | 3 |"
    assert read_book.notes == ("1 hidden sheets were left out", "Sheet: 2 hidden rows and columns were left out")


def test_merged_cells(tmp_path: Path) -> None:
    path = tmp_path / "merged.xlsx"
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["成绩表", None, None], ["班", "人", "分"], ["一班", "甲", 90], [None, "乙", 80]):
        sheet.append(row)
    sheet.merge_cells("A1:C1")
    sheet.merge_cells("A3:A4")
    book.save(str(path))
    assert shown(read(path)) == [
        (BlockKind.caption, "成绩表"),
        (BlockKind.table, "| 班 | 人 | 分 |\n| --- | --- | --- |\n| 一班 | 甲 | 90 |\n| 一班 | 乙 | 80 |"),
    ]


def test_two_tables_of_a_sheet_and_a_stray_cell(tmp_path: Path) -> None:
    path = tmp_path / "two.xlsx"
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["甲", "乙"], [1, 2], [], [3, 4], [], ["表 2 其他"], ["丙", "丁"], [5, 6]):
        sheet.append(row)
    sheet["XFD1048576"] = "远处"
    book.save(str(path))
    assert shown(read(path)) == [
        (BlockKind.table, "| 甲 | 乙 |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |"),
        (BlockKind.caption, "表 2 其他"),
        (BlockKind.table, "| 丙 | 丁 |\n| --- | --- |\n| 5 | 6 |"),
        (BlockKind.paragraph, "远处"),
    ]


def test_each_sheet_is_a_heading_and_no_row_of_a_long_one_is_lost(tmp_path: Path) -> None:
    rows = [["编号", "名称"], *([number, f"名称{number}号"] for number in range(3000))]
    book = read(workbook(tmp_path / "long.xlsx", {"数据": rows, "空": [], "Sheet3": [["一列"], ["甲"], ["乙"]]}))
    assert headings(book) == [(1, "数据"), (1, "Sheet3")]
    tables = of_kind(book, BlockKind.table)
    assert len(tables) > 10
    assert all(table.startswith("| 编号 | 名称 |\n| --- | --- |\n") for table in tables)
    assert [number for number in range(3000) if f"| {number} | 名称{number}号 |" not in book.text] == []
    assert of_kind(book, BlockKind.list) == ["- 一列\n- 甲\n- 乙"]


def test_a_workbook_that_is_too_large_or_damaged(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", {"Sheet": [["甲"]]})
    large = with_part(path, tmp_path / "large.xlsx", "xl/worksheets/sheet1.xml", b" " * (65 * 2**20))
    with pytest.raises(UnreadableBookError, match=r"large\.xlsx has 65 MiB of cells") as caught:
        read_workbook(large, CONTEXT)
    assert "split" in caught.value.mend
    broken = with_part(path, tmp_path / "broken.xlsx", "xl/worksheets/sheet1.xml", b"<worksheet")
    with pytest.raises(UnreadableBookError, match=r"broken\.xlsx"):
        read_workbook(broken, CONTEXT)


CSV = '题目,A,B,答案\n"什么是栈，\n它有何用？",先进先出,后进先出,B\n队列是什么结构？,先进先出,后进先出,A\n'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_encodings_delimiters_and_quoted_line_breaks(encoding: str, delimiter: str, tmp_path: Path) -> None:
    book = read_csv(write(tmp_path / "bank.csv", CSV.replace(",", delimiter).encode(encoding)))
    assert of_kind(book, BlockKind.list) == [
        "什么是栈，\n它有何用？\nA. 先进先出\nB. 后进先出\n答案：B",
        "队列是什么结构？\nA. 先进先出\nB. 后进先出\n答案：A",
    ]


def test_a_table_in_big5(tmp_path: Path) -> None:
    text = "協定,埠號,說明\n超文件傳輸協定,80,網頁瀏覽使用的傳輸協定\n網域名稱系統,53,查詢網域名稱對應的位址\n" * 3
    assert "| 網域名稱系統 | 53 |" in read_csv(write(tmp_path / "a.csv", text.encode("big5"))).text


def test_rows_of_other_widths_are_kept(tmp_path: Path) -> None:
    book = read_csv(write(tmp_path / "a.csv", "甲,乙\n1\n2,3,4\n\n5,6\n"))
    assert book.text == "| 甲 | 乙 |  |\n| --- | --- | --- |\n| 1 |  |  |\n| 2 | 3 | 4 |\n| 5 | 6 |  |"


def test_a_quotation_mark_without_its_partner(tmp_path: Path) -> None:
    with pytest.raises(UnreadableBookError, match=r"a\.csv is not a readable table") as caught:
        read_delimited(write(tmp_path / "a.csv", '甲,"乙\n' + "1,2\n" * 50_000), CONTEXT)
    assert "quotation mark" in caught.value.mend
