"""Plain text: how bytes become text, and what makes a heading."""

from pathlib import Path

import pytest
from files import CONTEXT, block_at, check_offsets, headings, of_kind, shown, write

from core.errors import UnreadableBookError
from core.types import BlockKind, ExtractedBook
from ingest.readers.text import decode, read_text
from ingest.readers.text_builder import visible

SIMPLIFIED = "第一章 操作系统概论\n操作系统是管理计算机硬件与软件资源的系统软件。进程是程序的一次执行过程。\n"
TRADITIONAL = "第一章 作業系統概論\n作業系統是管理電腦硬體與軟體資源的系統軟體。行程是程式的一次執行過程。\n"
ENGLISH = "Chapter 1\nThe naïve résumé of a café costs 3 €. An operating system manages the hardware.\n"


def read(folder: Path, text: str) -> ExtractedBook:
    book = read_text(write(folder / "book.txt", text), CONTEXT)
    assert book.text == text
    check_offsets(book)
    return book


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (SIMPLIFIED, "utf-8"),
        (SIMPLIFIED, "utf-8-sig"),
        (SIMPLIFIED, "utf-16"),
        (SIMPLIFIED, "gb18030"),
        (SIMPLIFIED * 100, "gb18030"),
        (SIMPLIFIED, "gbk"),
        (TRADITIONAL, "big5"),
        (TRADITIONAL * 100, "big5"),
        (TRADITIONAL, "gb18030"),
        (ENGLISH, "cp1252"),
    ],
)
def test_decoding(text: str, encoding: str, tmp_path: Path) -> None:
    assert decode(write(tmp_path / "book.txt", text.encode(encoding))) == text


def test_utf_16_big_endian(tmp_path: Path) -> None:
    path = write(tmp_path / "book.txt", b"\xfe\xff" + SIMPLIFIED.encode("utf-16-be"))
    assert decode(path) == SIMPLIFIED


def test_bytes_in_no_encoding(tmp_path: Path) -> None:
    path = write(tmp_path / "noise.txt", bytes(range(128, 256)) * 3)
    with pytest.raises(UnreadableBookError, match=r"noise\.txt is not text") as caught:
        decode(path)
    assert "UTF-8" in caught.value.mend


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
def test_the_book_is_the_same_in_every_encoding(encoding: str, tmp_path: Path) -> None:
    book = read_text(write(tmp_path / "a.txt", SIMPLIFIED.replace("\n", "\r\n").encode(encoding)), CONTEXT)
    assert book == read(tmp_path, SIMPLIFIED)
    assert headings(book) == [(1, "第一章 操作系统概论")]


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("第一章 进程管理", 1),
        ("第3章　死锁", 1),
        ("  第十二章 TCP 与 UDP 的比较", 1),
        ("第一百零二章 尾声", 1),
        ("第二篇", 1),
        ("第四节 调度", 2),
        ("1 Introduction", 1),
        ("2.1 进程的状态", 2),
        ("2.1.3 就绪队列", 3),
        ("3.2.1.4 A deep section", 4),
    ],
)
def test_chapter_lines_are_headings(line: str, level: int, tmp_path: Path) -> None:
    book = read(tmp_path, f"前言。\n\n{line}\n\n正文。\n")
    assert headings(book) == [(level, line.strip())]
    assert of_kind(book, BlockKind.paragraph) == ["前言。", "正文。"]


@pytest.mark.parametrize(
    "line",
    [
        "第一章讲进程。第二章讲线程",
        "第一章讲了进程的概念。",
        "第三天我们出发",
        "1999 年，网络开始普及。",
        "3.14 是圆周率；它是无理数",
        "2 processes wait for the same resource and neither of them can go on until the other one has ended",
    ],
)
def test_sentences_are_no_headings(line: str, tmp_path: Path) -> None:
    assert headings(read(tmp_path, f"前文。\n\n{line}\n\n后文。\n")) == []


def test_numbered_lines_in_a_row_are_a_list(tmp_path: Path) -> None:
    text = "死锁的必要条件有\n1. 互斥条件\n2. 请求和保持条件\n3. 不可剥夺条件\n\n解除死锁的办法：\n\n1、剥夺资源\n"
    assert of_kind(read(tmp_path, text), BlockKind.list) == [
        "1. 互斥条件\n2. 请求和保持条件\n3. 不可剥夺条件",
        "1、剥夺资源",
    ]


def test_numbered_lines_with_text_between_are_headings(tmp_path: Path) -> None:
    text = "1 进程\n进程是程序的执行。\n2 线程\n线程更轻。\n2.1 内核线程\n2.2 用户线程\n由库管理。\n"
    assert headings(read(tmp_path, text)) == [(1, "1 进程"), (1, "2 线程"), (2, "2.1 内核线程"), (2, "2.2 用户线程")]


def test_bullets_are_a_list(tmp_path: Path) -> None:
    text = "分类\n- 就绪\n- 运行\n* 阻塞\n（1）甲\n① 乙\n• 丙\n"
    assert of_kind(read(tmp_path, text), BlockKind.list) == ["- 就绪\n- 运行\n* 阻塞\n（1）甲\n① 乙\n• 丙"]


def test_wrapped_lines_are_one_paragraph(tmp_path: Path) -> None:
    book = read(tmp_path, "操作系统管理\n硬件资源。\n\n　　进程是执行。\n　　线程更轻。\nIt runs.\n")
    assert shown(book) == [
        (BlockKind.paragraph, "操作系统管理\n硬件资源。"),
        (BlockKind.paragraph, "进程是执行。"),
        (BlockKind.paragraph, "线程更轻。\nIt runs."),
    ]
    assert block_at(book, "线程").start == book.text.index("线程")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", [SIMPLIFIED, TRADITIONAL, ENGLISH])
def test_utf_16_without_a_mark(text: str, encoding: str, tmp_path: Path) -> None:
    assert decode(write(tmp_path / "book.txt", text.encode(encoding))) == text


def test_a_few_damaged_bytes_leave_the_rest_as_it_is(tmp_path: Path) -> None:
    data = bytearray((SIMPLIFIED * 20).encode())
    data[100] = 0xFF
    data[800:801] = b""
    text = visible(decode(write(tmp_path / "book.txt", bytes(data))))
    assert text.count("进程是程序的一次执行过程") >= 18
    assert "\ufffd" not in text


@pytest.mark.parametrize("encoding", ["gb18030", "big5"])
@pytest.mark.parametrize("plain_lines", [0, 50])
def test_damaged_utf_8_is_told_from_other_encodings(encoding: str, plain_lines: int, tmp_path: Path) -> None:
    body = "第一章 操作系統概論\n\n作業系統管理電腦的資源，程序是執行的單位。\n"
    text = "x = read(y)  -- a line of ASCII\n" * plain_lines + body * 5
    spoiled = bytearray(text.encode())
    for place in range(len(spoiled) - 60, len(spoiled), 9):
        spoiled[place] = 0xFF
    assert "作業系統管理電腦的資源" in decode(write(tmp_path / "a.txt", bytes(spoiled)))
    assert "作業系統管理電腦的資源" in decode(write(tmp_path / "b.txt", text.encode(encoding)))
