"""Ruled tables in PDFs written here by hand: every cell in its place, and no character lost or doubled."""

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pypdfium2 as pdfium
import pytest
from test_pdf import DATA, Paper, headings, needs_data, of_kind, prose, read

from core.types import BlockKind, ExtractedBook
from ingest.readers.pdf.grids import find_grids
from ingest.readers.pdf.layout import Run
from ingest.readers.pdf.ruled import Ruling, with_tables

KNOWLEDGE = Path(__file__).parents[3] / "knowledge"
Cells = list[list[str]]


def line(paper: Paper, x0: float, y0: float, x1: float, y1: float) -> None:
    paper.pages[-1].append(f"0.7 w {x0} {842 - y0} m {x1} {842 - y1} l S")


def box(paper: Paper, x0: float, y0: float, x1: float, y1: float, paint: str) -> None:
    """paint: the operator, "f" for a filled and "S" for a stroked rectangle."""
    paper.pages[-1].append(f"0.9 g {x0} {842 - y1} {x1 - x0} {y1 - y0} re {paint} 0 g")


def grid(paper: Paper, xs: list[float], ys: list[float], way: str = "lines") -> None:
    """Rules as programs write them: strokes, thin bars, or a rectangle for each cell."""
    if way in ("boxes", "shades"):
        for x0, x1 in pairwise(xs):
            for y0, y1 in pairwise(ys):
                box(paper, x0, y0, x1, y1, "S" if way == "boxes" else "f")
        return
    bars = [(xs[0], y, xs[-1], y) for y in ys] + [(x, ys[0], x, ys[-1]) for x in xs]
    for x0, y0, x1, y1 in bars:
        if way == "lines":
            line(paper, x0, y0, x1, y1)
        else:
            box(paper, x0 - 0.3, y0 - 0.3, x1 + 0.3, y1 + 0.3, "f")


def cells_of(table: str) -> Cells:
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in table.split("\n")]
    assert set(rows[1]) == {"---"}
    return [rows[0], *rows[2:]]


def tables(book: ExtractedBook) -> list[Cells]:
    return [cells_of(table) for table in of_kind(book, BlockKind.table)]


def assert_nothing_lost(path: Path, book: ExtractedBook) -> None:
    """The characters of each page of the file are those of the book's page, table marks aside."""
    document = pdfium.PdfDocument(path)
    for index, page in enumerate(book.pages):
        text_page = document[index].get_textpage()
        shown = Counter("".join(text_page.get_text_range().split()))
        inside = [b for b in book.blocks if page.start <= b.start < page.end]
        texts = [(b.kind, book.text[b.start : b.end]) for b in inside]
        kept = "".join("".join(map("".join, cells_of(t))) if k is BlockKind.table else t for k, t in texts)
        assert Counter("".join(kept.replace("\\|", "|").split())) == shown
    document.close()


def read_whole(paper: Paper, tmp_path: Path) -> ExtractedBook:
    path = paper.save(tmp_path / "a.pdf")
    book = read(path)
    assert_nothing_lost(path, book)
    return book


def wrapped(paper: Paper, top: float) -> Cells:
    """Text for a grid of columns 72, 130, 300, 520: a header and two rows whose cells are wrapped."""
    paper.text(76, top + 14, "Item", 9).text(134, top + 14, "Process", 9).text(304, top + 14, "Thread", 9)
    paper.text(76, top + 40, "Unit", 9).text(134, top + 34, "the unit to which the system gives its", 9)
    paper.text(134, top + 46, "resources", 9).text(304, top + 34, "the unit that the scheduler picks to run on the", 9)
    paper.text(304, top + 46, "processor", 9).text(76, top + 68, "Cost", 9).text(134, top + 68, "high", 9)
    paper.text(304, top + 62, "low, for threads of one process share all of its", 9).text(304, top + 74, "memory", 9)
    return [
        ["Item", "Process", "Thread"],
        [
            "Unit",
            "the unit to which the system gives its resources",
            "the unit that the scheduler picks to run on the processor",
        ],
        ["Cost", "high", "low, for threads of one process share all of its memory"],
    ]


class TestGrids:
    @pytest.mark.parametrize("way", ["lines", "bars", "boxes", "shades"])
    def test_wrapped_cells_stay_whole(self, tmp_path: Path, way: str) -> None:
        paper = Paper().page().lines(72, 80, prose(4))
        grid(paper, [72, 130, 300, 520], [160, 180, 212, 240], way)
        want = wrapped(paper, 160)
        paper.lines(72, 270, prose(4, start=7))
        book = read_whole(paper, tmp_path)
        assert tables(book) == [want]
        kinds = [block.kind for block in book.blocks]
        assert kinds == [BlockKind.paragraph, BlockKind.table, BlockKind.paragraph]

    def test_cells_that_all_but_touch_are_kept_apart(self, tmp_path: Path) -> None:
        paper = Paper().page()
        grid(paper, [72, 100, 130], [100, 116, 132])
        for y in (112, 128):
            paper.text(72.6, y, "abcde", 10).text(100.4, y, "fghij", 10)
        assert tables(read_whole(paper, tmp_path)) == [[["abcde", "fghij"]] * 2]

    def test_open_sides(self, tmp_path: Path) -> None:
        paper = Paper().page().lines(72, 80, prose(4))
        for y in (160, 180, 212, 240):
            line(paper, 72, y, 520, y)
        for x in (130, 300):
            line(paper, x, 160, x, 240)
        want = wrapped(paper, 160)
        assert tables(read_whole(paper, tmp_path)) == [want]

    def test_spanned_cells_fill_the_first_field(self, tmp_path: Path) -> None:
        paper = Paper().page()
        for y, x0 in ((100, 72), (120, 172), (140, 72), (160, 172), (180, 72)):
            line(paper, x0, y, 372, y)
        for x, y0 in ((72, 100), (172, 100), (272, 120), (372, 100)):
            line(paper, x, y0, x, 180)
        for x, y, text in ((180, 114, "both"), (180, 134, "left"), (280, 134, "right"), (80, 124, "key")):
            paper.text(x, y, text, 10)
        for x, y, text in ((80, 164, "a"), (180, 154, "b"), (280, 154, "c"), (180, 174, "d"), (280, 174, "e")):
            paper.text(x, y, text, 10)
        want = [["key", "both", ""], ["", "left", "right"], ["a", "b", "c"], ["", "d", "e"]]
        assert tables(read_whole(paper, tmp_path)) == [want]

    def test_rows_without_rules_between_them(self, tmp_path: Path) -> None:
        paper = Paper().page()
        grid(paper, [72, 172, 272], [100, 118, 182])
        rows = [["Job", "Time"], ["P1", "6"], ["P2", "13"], ["P3", "8"], ["P4", "2"]]
        for number, (job, time) in enumerate(rows):
            paper.text(76, 113 + 16 * number, job, 10).text(176, 113 + 16 * number, time, 10)
        assert tables(read_whole(paper, tmp_path)) == [rows]

    def test_a_table_that_goes_on_over_the_page_stays_two(self, tmp_path: Path) -> None:
        paper = Paper()
        for _ in range(2):
            paper.page().lines(72, 200, prose(3))
            grid(paper, [72, 130, 300, 520], [300, 320, 352, 380])
            want = wrapped(paper, 300)
        assert tables(read_whole(paper, tmp_path)) == [want, want]

    def test_a_table_inside_a_form_that_is_moved(self, tmp_path: Path) -> None:
        paper = Paper().page()
        paper.pages[-1].append("q 0.5 0 0 0.5 100 300 cm")
        grid(paper, [72, 172, 272], [100, 130, 160])
        paper.text(80, 120, "one", 20).text(180, 120, "two", 20).text(80, 150, "three", 20).text(180, 150, "four", 20)
        paper.pages[-1].append("Q")
        assert tables(read_whole(paper, tmp_path)) == [[["one", "two"], ["three", "four"]]]

    def test_turned_page(self, tmp_path: Path) -> None:
        paper = Paper(page_extra="/Rotate 90").page()
        for x in (100, 120, 140):
            paper.pages[-1].append(f"{x} 60 m {x} 260 l S")
        for y in (60, 160, 260):
            paper.pages[-1].append(f"100 {y} m 140 {y} l S")
        for x, y, text in ((115, 65, "one"), (115, 165, "two"), (135, 65, "three"), (135, 165, "four")):
            paper.pages[-1].append(f"BT /F1 10 Tf 0 1 -1 0 {x} {y} Tm ({text}) Tj ET")
        assert tables(read_whole(paper, tmp_path)) == [[["one", "two"], ["three", "four"]]]

    def test_a_table_in_one_of_two_columns(self, tmp_path: Path) -> None:
        paper = Paper().page()
        for row in range(24):
            if not 6 <= row < 12:
                paper.text(60, 130 + 13 * row, f"left{row} " + " ".join(PROSE_WORDS[row : row + 6]), 10)
            paper.text(310, 130 + 13 * row, f"right{row} " + " ".join(PROSE_WORDS[row : row + 6]), 10)
        grid(paper, [60, 160, 280], [205, 225, 245, 265])
        for y, (a, b) in zip((219, 239, 259), (("x", "y"), ("1", "2"), ("3", "4")), strict=True):
            paper.text(70, y, a, 10).text(170, y, b, 10)
        book = read_whole(paper, tmp_path)
        assert tables(book) == [[["x", "y"], ["1", "2"], ["3", "4"]]]
        order = [book.text.index(word) for word in ("left0 ", "| 3 | 4 |", "left23 ", "right0 ", "right23 ")]
        assert order == sorted(order)

    def test_chinese_lines_are_joined_without_a_space(self) -> None:
        boxes = [(0, y, 100, y) for y in (0, 20, 50)] + [(x, 0, x, 50) for x in (0, 50, 100)]
        ruled = find_grids(np.array(boxes, dtype=np.float64), np.ones(len(boxes), dtype=np.bool_))
        texts = [
            ("比较项", 2, 5, 0),
            ("线程", 52, 5, 1),
            ("调度", 2, 30, 2),
            ("调度的", 52, 24, 3),
            ("单位", 52, 36, 3),
        ]
        runs = [Run(text, x, y, x + 40, y + 10, 10, cell=(0, cell)) for text, x, y, cell in texts]
        (run,) = with_tables(runs, Ruling(ruled))
        assert run.table == ((("比较项",), ("线程",)), (("调度",), ("调度的", "单位")))


class TestLevelRules:
    def test_top_middle_and_bottom_rule(self, tmp_path: Path) -> None:
        paper = Paper().page().lines(72, 80, prose(4))
        for y in (160, 178, 244):
            line(paper, 100, y, 480, y)
        rows = [("Policy", "What it does", "Cost"), ("FIFO", "takes the oldest page that is in", "low")]
        for number, row in enumerate(rows):
            for x, cell in zip((104, 200, 400), row, strict=True):
                paper.text(x, 173 + 20 * number, cell, 10)
        paper.text(200, 205, "memory", 10).text(104, 221, "LRU", 10).text(200, 221, "takes the longest unused", 10)
        paper.text(400, 221, "high", 10).text(104, 237, "OPT", 10).text(400, 237, "none", 10)
        paper.lines(72, 270, prose(4, start=5))
        assert tables(read_whole(paper, tmp_path)) == [
            [
                ["Policy", "What it does", "Cost"],
                ["FIFO", "takes the oldest page that is in memory", "low"],
                ["LRU", "takes the longest unused", "high"],
                ["OPT", "", "none"],
            ]
        ]

    def test_rules_between_all_rows(self, tmp_path: Path) -> None:
        paper = Paper().page().lines(72, 80, prose(4))
        for y in (160, 180, 212, 240):
            line(paper, 72, y, 520, y)
        want = wrapped(paper, 160)
        assert tables(read_whole(paper, tmp_path)) == [want]

    def test_prose_between_rules_is_prose(self, tmp_path: Path) -> None:
        paper = Paper().page()
        for y in (60, 300, 520):
            line(paper, 72, y, 520, y)
        paper.lines(72, 80, prose(15)).lines(72, 320, prose(14))
        assert tables(read_whole(paper, tmp_path)) == []

    def test_two_columns_between_rules_are_columns(self, tmp_path: Path) -> None:
        paper = Paper().page()
        for y in (110, 300, 520):
            line(paper, 60, y, 540, y)
        for row in range(30):
            paper.text(60, 130 + 13 * row, f"left{row} " + " ".join(PROSE_WORDS[row : row + 6]), 10)
            paper.text(310, 130 + 13 * row, f"right{row} " + " ".join(PROSE_WORDS[row : row + 6]), 10)
        assert tables(read_whole(paper, tmp_path)) == []

    def test_underlined_headings(self, tmp_path: Path) -> None:
        paper = Paper().page()
        for number in range(4):
            y = 80 + 150 * number
            paper.text(72, y, f"2.{number + 1} Section", 15).lines(72, y + 30, prose(7, start=number))
            line(paper, 72, y + 6, 520, y + 6)
        book = read_whole(paper, tmp_path)
        assert tables(book) == []
        assert len(headings(book)) == 4


class TestNoTables:
    def test_a_frame_around_text(self, tmp_path: Path) -> None:
        paper = Paper().page().lines(72, 80, prose(4))
        box(paper, 72, 150, 520, 200, "S")
        paper.lines(80, 168, ["A process is a program", "that runs."])
        line(paper, 72, 160, 520, 160)
        assert tables(read_whole(paper, tmp_path)) == []

    def test_a_row_of_boxes(self, tmp_path: Path) -> None:
        paper = Paper().page()
        grid(paper, [72, 112, 152, 192], [100, 120])
        for x, text in ((76, "17"), (116, "4"), (156, "8")):
            paper.text(x, 114, text, 10)
        assert tables(read_whole(paper, tmp_path)) == []

    def test_a_plot_with_a_grid(self, tmp_path: Path) -> None:
        paper = Paper().page()
        grid(paper, [100 + 40.0 * k for k in range(8)], [100 + 30.0 * k for k in range(7)])
        paper.text(106, 115, "cost", 9).text(340, 262, "pages", 9).text(200, 175, "curve", 9)
        paper.text(80, 284, "0", 9).lines(72, 320, prose(4))
        assert tables(read_whole(paper, tmp_path)) == []

    def test_boxes_joined_by_lines(self, tmp_path: Path) -> None:
        paper = Paper().page()
        for x, y, text in ((100, 100, "new"), (250, 100, "ready"), (400, 200, "running"), (250, 300, "blocked")):
            box(paper, x, y, x + 70, y + 30, "S")
            paper.text(x + 10, y + 18, text, 10)
        line(paper, 170, 115, 250, 115)
        line(paper, 320, 115, 435, 115)
        line(paper, 435, 115, 435, 200)
        line(paper, 435, 230, 435, 315)
        line(paper, 320, 315, 435, 315)
        line(paper, 285, 130, 285, 300)
        assert tables(read_whole(paper, tmp_path)) == []


PROSE_WORDS = " ".join(prose(6)).split()


def from_source() -> list[Cells]:
    text = re.sub(r"[`$]|\*\*", "", (KNOWLEDGE / "_sources/operating-systems.md").read_text("utf-8"))
    found = re.findall(r"(?m)(?:^\|.*\n)+", text)
    return [[[re.sub(r"\s", "", cell) for cell in row] for row in cells_of(table.strip())] for table in found]


@pytest.mark.skipif(not (KNOWLEDGE / "operating-systems.pdf").is_file(), reason="no sample book")
def test_every_table_of_the_sample_book() -> None:
    found = [
        [[re.sub(r"\s", "", cell) for cell in row] for row in table]
        for table in tables(read(KNOWLEDGE / "operating-systems.pdf"))
    ]
    whole: list[Cells] = []
    for table in found:  # two go on over the page, with their header again
        if whole and table[0] == whole[-1][0]:
            whole[-1] += table[1:]
        else:
            whole.append(table)
    assert whole == from_source()


@needs_data
def test_figures_are_no_tables() -> None:
    book = read(DATA / "books/en/erickson_07-mst.pdf")
    assert all("if " in table for table in of_kind(book, BlockKind.table))
