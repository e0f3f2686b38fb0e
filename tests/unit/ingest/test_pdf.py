"""The PDF reader on PDFs written here by hand, and on real ones where the shared data is at hand."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from core.errors import UnreadableBookError
from core.types import Block, BlockKind, ExtractedBook
from ingest.readers.context import ReaderContext
from ingest.readers.ocr import OCR_CPU_SECONDS, Ocr
from ingest.readers.pdf.furniture import Sheet, strip_furniture
from ingest.readers.pdf.layout import Run
from ingest.readers.pdf.lines import join_lines
from ingest.readers.pdf.reader import read_pdf

DATA = Path(__file__).parents[4] / "shared" / "data"
CJK_FONT = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
FONTS = {"F1": "Helvetica", "F2": "Courier", "F3": "Helvetica-Bold"}
_TEXT = (
    "A process is a program in execution and the system gives it memory and a share of the processor "
    "while the scheduler decides which of the ready processes may run next and for how long it may do so "
    "before another process gets its turn and the state of the first is saved in its control block"
)
PROSE = _TEXT.split()

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="shared/data is not beside this checkout")
needs_font = pytest.mark.skipif(not CJK_FONT.is_file(), reason="no Noto CJK font on this machine")


@dataclass
class Paper:
    """Writes a minimal PDF: text at given places, pictures, bookmarks and page labels."""

    pages: list[list[str]] = field(default_factory=list)
    images: dict[int, Image.Image] = field(default_factory=dict)
    outline: Sequence[tuple[str, int, int]] = ()  # title, depth from 1, page index
    labels: str = ""
    trailer: str = ""
    page_extra: str = ""

    def page(self) -> "Paper":
        self.pages.append([])
        return self

    def text(self, x: float, y: float, text: str, size: float = 11, font: str = "F1") -> "Paper":
        """`y` from the top of an A4 page (595 × 842), in points."""
        shown = text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
        self.pages[-1].append(f"BT /{font} {size} Tf {x} {842 - y} Td ({shown}) Tj ET")
        return self

    def lines(self, x: float, y: float, lines: Sequence[str], size: float = 11, font: str = "F1") -> "Paper":
        for number, line in enumerate(lines):
            self.text(x, y + 14 * number, line, size, font)
        return self

    def save(self, path: Path) -> Path:
        objects: list[bytes] = [b"", b""]
        fonts = " ".join(f"/{name} {self._font(objects, base)} 0 R" for name, base in FONTS.items())
        kids = [self._page(objects, index, fonts) for index in range(len(self.pages))]
        root = "/Type /Catalog /Pages 2 0 R" + (f" /PageLabels << /Nums [{self.labels}] >>" if self.labels else "")
        if self.outline:
            root += f" /Outlines {self._bookmarks(objects, kids)} 0 R"
        objects[0] = f"<< {root} >>".encode()
        listed = " ".join(f"{kid} 0 R" for kid in kids)
        objects[1] = f"<< /Type /Pages /Kids [{listed}] /Count {len(kids)} >>".encode()
        path.write_bytes(self._file(objects))
        return path

    @staticmethod
    def _font(objects: list[bytes], base: str) -> int:
        head = f"<< /Type /Font /Subtype /Type1 /BaseFont /{base} /Encoding /WinAnsiEncoding >>"
        objects.append(head.encode())
        return len(objects)

    def _page(self, objects: list[bytes], index: int, fonts: str) -> int:
        content, images = "\n".join(self.pages[index]), ""
        if index in self.images:
            image = self.images[index].convert("L")
            head = f"/Type /XObject /Subtype /Image /Width {image.width} /Height {image.height}"
            head += f" /ColorSpace /DeviceGray /BitsPerComponent 8 /Length {image.width * image.height}"
            objects.append(f"<< {head} >>\nstream\n".encode() + image.tobytes() + b"\nendstream")
            images = f"/XObject << /I {len(objects)} 0 R >>"
            content = "q 595 0 0 842 0 0 cm /I Do Q\n" + content
        body = content.encode("cp1252")
        objects.append(f"<< /Length {len(body)} >>\nstream\n".encode() + body + b"\nendstream")
        resources = f"<< /Font << {fonts} >> {images} >>"
        head = f"/Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] {self.page_extra}"
        objects.append(f"<< {head} /Resources {resources} /Contents {len(objects)} 0 R >>".encode())
        return len(objects)

    def _bookmarks(self, objects: list[bytes], kids: list[int]) -> int:
        root = len(objects) + 1
        numbers = [root + 1 + place for place in range(len(self.outline))]
        parents = [root, *numbers]
        entries: dict[int, list[int]] = {number: [] for number in parents}
        stack = [root]
        for number, (_, depth, _) in zip(numbers, self.outline, strict=True):
            stack = [*stack[:depth], number]
            entries[stack[depth - 1]].append(number)
        for number in parents:
            parts = []
            if entries[number]:
                parts.append(f"/First {entries[number][0]} 0 R /Last {entries[number][-1]} 0 R")
            if number != root:
                title, _, page = self.outline[number - root - 1]
                parent = next(each for each in parents if number in entries[each])
                after = entries[parent][entries[parent].index(number) + 1 :]
                hexed = ("\ufeff" + title).encode("utf-16-be").hex()
                parts.append(f"/Title <{hexed}> /Parent {parent} 0 R /Dest [{kids[page]} 0 R /Fit]")
                parts += [f"/Next {after[0]} 0 R"] if after else []
            objects.append(f"<< {' '.join(parts)} >>".encode())
        return root

    def _file(self, objects: list[bytes]) -> bytes:
        data, places = b"%PDF-1.4\n", []
        for number, body in enumerate(objects, 1):
            places.append(len(data))
            data += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
        table = "".join(f"{place:010d} 00000 n \n" for place in places)
        start, size = len(data), len(objects) + 1
        data += f"xref\n0 {size}\n0000000000 65535 f \n{table}".encode()
        return data + f"trailer << /Size {size} /Root 1 0 R {self.trailer} >>\nstartxref\n{start}\n%%EOF".encode()


def prose(count: int, start: int = 0, words: int = 14) -> list[str]:
    """`count` lines of running text, all about as long."""
    return [" ".join(PROSE[(start + line + k) % len(PROSE)] for k in range(words)) for line in range(count)]


def no_ocr(seconds: float) -> None:
    raise AssertionError(f"asked for {seconds} CPU seconds on a text page")


def read(path: Path, allow_cpu: Callable[[float], None] = no_ocr, max_pages: int = 3000) -> ExtractedBook:
    return read_pdf(path, ReaderContext(max_pages, ocr=Ocr(allow_cpu=allow_cpu)))


def of_kind(book: ExtractedBook, kind: BlockKind) -> list[str]:
    return [book.text[block.start : block.end] for block in book.blocks if block.kind is kind]


def headings(book: ExtractedBook) -> list[tuple[int, str]]:
    found: list[Block] = [block for block in book.blocks if block.kind is BlockKind.heading]
    return [(block.level, book.text[block.start : block.end]) for block in found]


class TestUnreadable:
    def failure(self, path: Path, max_pages: int = 3000) -> UnreadableBookError:
        with pytest.raises(UnreadableBookError) as caught:
            read(path, max_pages=max_pages)
        assert path.name in caught.value.message
        assert caught.value.mend
        return caught.value

    def test_empty_file(self, tmp_path: Path) -> None:
        path = tmp_path / "empty.pdf"
        path.touch()
        assert "0 bytes" in self.failure(path).message

    def test_other_format(self, tmp_path: Path) -> None:
        path = tmp_path / "fake.pdf"
        path.write_text("this is no PDF" * 100)
        assert "not a PDF" in self.failure(path).message

    @pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
    def test_truncated(self, tmp_path: Path, part: float) -> None:
        whole = Paper().page().lines(72, 100, prose(30)).save(tmp_path / "cut.pdf")
        data = whole.read_bytes()
        whole.write_bytes(data[: int(len(data) * part)])
        assert "truncated" in self.failure(whole).message

    def test_encrypted(self, tmp_path: Path) -> None:
        locked = "/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <{0}> /U <{0}> >> /ID [<{1}> <{1}>]"
        paper = Paper(trailer=locked.format("ab" * 32, "cd" * 16))
        assert "password" in self.failure(paper.page().save(tmp_path / "locked.pdf")).message

    def test_no_pages(self, tmp_path: Path) -> None:
        assert "no pages" in self.failure(Paper().save(tmp_path / "none.pdf")).message

    def test_too_many_pages(self, tmp_path: Path) -> None:
        path = Paper().page().page().page().save(tmp_path / "long.pdf")
        error = self.failure(path, max_pages=2)
        assert "3 pages" in error.message
        assert "2" in error.message

    def test_missing(self, tmp_path: Path) -> None:
        assert "cannot be opened" in self.failure(tmp_path / "nowhere.pdf").message


class TestHeadings:
    def test_by_size_with_levels_and_joined_lines(self, tmp_path: Path) -> None:
        paper = Paper().page().text(72, 100, "Processes and", 20).text(72, 124, "Their Scheduling", 20)
        paper.lines(72, 160, prose(8)).text(72, 290, "1.1 States", 14).lines(72, 320, prose(8))
        book = read(paper.save(tmp_path / "a.pdf"))
        assert headings(book) == [(1, "Processes and Their Scheduling"), (2, "1.1 States")]
        assert book.title == "Processes and Their Scheduling"

    def test_size_in_the_text_matrix_counts(self, tmp_path: Path) -> None:
        paper = Paper().page().lines(72, 160, prose(8))
        paper.pages[-1].append("BT /F1 1 Tf 20 0 0 20 72 742 Tm (Scaled Heading) Tj ET")
        assert headings(read(paper.save(tmp_path / "a.pdf"))) == [(1, "Scaled Heading")]

    def test_outline_wins_and_larger_lines_go_below_it(self, tmp_path: Path) -> None:
        paper = Paper(outline=[("1 Memory", 1, 0), ("1.1 Paging", 2, 0), ("1.2 Segments", 2, 1)])
        paper.page().text(72, 100, "1 Memory", 14).lines(72, 130, prose(8)).text(72, 260, "1.1 Paging")
        paper.lines(72, 290, prose(8)).text(72, 420, "Worked Example", 14).lines(72, 450, prose(8))
        paper.page().text(72, 100, "1.2 Segments", 14).lines(72, 130, prose(8))
        book = read(paper.save(tmp_path / "a.pdf"))
        assert headings(book) == [
            (1, "1 Memory"),
            (2, "1.1 Paging"),
            (3, "Worked Example"),
            (2, "1.2 Segments"),
        ]

    def test_numbers_tell_headings_of_the_size_of_the_text(self, tmp_path: Path) -> None:
        paper = Paper().page().text(70, 80, "3 Retrieval", 16)
        places = [
            (110, prose(4)), (190, ["3.1 Overview"]), (214, prose(4)), (294, ["3.1.1 Setting"]), (318, prose(4)),
            (398, ["3.2 Training"]), (422, prose(4)), (502, ["3.4 Out of order"]), (526, prose(4)),
            (606, ["3.3 ends a sentence."]), (630, prose(3)),
        ]  # fmt: skip
        for y, lines in places:
            paper.lines(70, y, lines)
        paper.lines(70, 700, ["3.3 Close", "3.4 To each other"])
        assert headings(read(paper.save(tmp_path / "a.pdf"))) == [
            (1, "3 Retrieval"),
            (2, "3.1 Overview"),
            (3, "3.1.1 Setting"),
            (2, "3.2 Training"),
        ]

    def test_usual_titles_may_be_only_a_little_larger(self, tmp_path: Path) -> None:
        paper = Paper().page().text(70, 60, "A Paper", 18).text(70, 90, "Abstract", 12).lines(70, 112, prose(8))
        paper.text(70, 260, "Referees", 12).lines(70, 282, prose(8)).text(70, 430, "References", 12)
        paper.lines(70, 452, prose(8))
        assert headings(read(paper.save(tmp_path / "a.pdf"))) == [(1, "A Paper"), (2, "Abstract"), (2, "References")]

    def test_sizes_are_dropped_where_they_call_too_much_a_heading(self, tmp_path: Path) -> None:
        paper = Paper().page()
        for step in range(12):
            paper.text(72, 90 + 50 * step, f"Large words number {step}", 15)
            paper.text(72, 115 + 50 * step, " ".join(PROSE[:18]), 9)
        assert headings(read(paper.save(tmp_path / "a.pdf"))) == []


class TestFurniture:
    def book(self, tmp_path: Path, foot: str, labels: str = "", pages: int = 6) -> ExtractedBook:
        paper = Paper(labels=labels)
        for number in range(pages):
            paper.page().text(72, 40, "Operating Systems", 9).text(400, 40, f"Chapter {number // 2 + 1}", 9)
            paper.lines(72, 100, prose(12, start=number)).text(290, 810, foot.format(number + 5), 9)
        return read(paper.save(tmp_path / "a.pdf"))

    @pytest.mark.parametrize("foot", ["{}", "- {} -", "{} / 300", "Page {}"])
    def test_heads_feet_and_numbers_go_and_become_labels(self, tmp_path: Path, foot: str) -> None:
        book = self.book(tmp_path, foot)
        assert "Operating Systems" not in book.text
        assert not re.search(r"\d", book.text)
        assert [page.label for page in book.pages] == ["5", "6", "7", "8", "9", "10"]
        assert [page.number for page in book.pages] == [1, 2, 3, 4, 5, 6]

    def test_labels_of_the_file_win(self, tmp_path: Path) -> None:
        book = self.book(tmp_path, "{}", labels="0 << /S /r >> 2 << /S /D /St 1 >>")
        assert [page.label for page in book.pages] == ["i", "ii", "1", "2", "3", "4"]

    def test_numbers_that_do_not_count_up_are_no_labels(self, tmp_path: Path) -> None:
        paper = Paper()
        for number in (7, 3, 12, 1):
            paper.page().lines(72, 100, prose(12)).text(290, 810, str(number), 9)
        assert {page.label for page in read(paper.save(tmp_path / "a.pdf")).pages} == {None}

    def test_chapter_headings_at_the_top_stay(self, tmp_path: Path) -> None:
        paper = Paper()
        for number in range(1, 6):
            paper.page().text(72, 50, f"{number} Chapter", 18).lines(72, 90, prose(12))
        found = headings(read(paper.save(tmp_path / "a.pdf")))
        assert found == [(1, f"{number} Chapter") for number in range(1, 6)]

    def test_a_head_that_repeats_the_section_title_goes(self, tmp_path: Path) -> None:
        paper = Paper().page().text(72, 120, "2.1 Threads", 15).lines(72, 150, prose(10))
        paper.page().text(72, 45, "2.1 Threads", 9).lines(72, 100, prose(10))
        assert read(paper.save(tmp_path / "a.pdf")).text.count("Threads") == 1

    @pytest.mark.parametrize("text", ["第12页", "— 12 —", "xii", "12 / 300", "第 12 页 共 300 页"])
    def test_lone_numbers(self, text: str) -> None:
        body = Run("正文里的一行文字", 70, 400, 300, 411, 11)
        kept, _ = strip_furniture([Sheet(0, 842, [body, Run(text, 290, 800, 310, 809, 9)])], 11)
        assert kept == [[body]]


class TestLayout:
    def test_two_columns_are_read_one_after_the_other(self, tmp_path: Path) -> None:
        paper = Paper().page().text(150, 80, "A Title Over Both Columns of the Page", 18)
        for row in range(20):  # drawn across, as some programs do
            paper.text(60, 130 + 13 * row, f"left{row} " + " ".join(PROSE[row : row + 6]), 10)
            paper.text(310, 130 + 13 * row, f"right{row} " + " ".join(PROSE[row : row + 6]), 10)
        text = read(paper.save(tmp_path / "a.pdf")).text
        order = [text.index(word) for word in ("A Title", "left0 ", "left19 ", "right0 ", "right19 ")]
        assert order == sorted(order)

    def test_lines_become_paragraphs(self, tmp_path: Path) -> None:
        first, second = prose(4), prose(4, start=9)
        paper = Paper().page().lines(72, 100, first).lines(72, 180, second)
        paper.text(90, 260, second[0]).lines(72, 274, first[1:4])
        found = of_kind(read(paper.save(tmp_path / "a.pdf")), BlockKind.paragraph)
        assert found == [" ".join(first), " ".join(second), " ".join([second[0], *first[1:4]])]

    def test_a_paragraph_goes_on_over_the_page(self, tmp_path: Path) -> None:
        paper = Paper().page().lines(72, 100, prose(10))
        paper.page().lines(72, 100, ["ends here after all that was said about it before and"[:60], "then stops."])
        book = read(paper.save(tmp_path / "a.pdf"))
        assert [block.continues for block in book.blocks] == [False, True]

    def test_a_new_paragraph_on_a_new_page_does_not_go_on(self, tmp_path: Path) -> None:
        lines = [*prose(9), "and stops here."]
        paper = Paper().page().lines(72, 100, lines).page().lines(72, 100, prose(10))
        assert [block.continues for block in read(paper.save(tmp_path / "a.pdf")).blocks] == [False, False]

    def test_list(self, tmp_path: Path) -> None:
        paper = Paper().page().lines(72, 100, [*prose(3), "It has these parts:"])
        paper.text(90, 160, "1. the first item, which is so long that it must go on in the next line of")
        paper.text(104, 174, "the page").text(90, 188, "2. the second item").text(90, 202, "3. the third")
        paper.lines(72, 230, prose(3))
        found = of_kind(read(paper.save(tmp_path / "a.pdf")), BlockKind.list)
        assert [block.split("\n")[1:] for block in found] == [["2. the second item", "3. the third"]]
        assert found[0].startswith("1. the first item") and "line of the page\n" in found[0]

    def test_bullets(self, tmp_path: Path) -> None:
        paper = Paper().page().lines(72, 100, prose(3)).text(80, 160, "•").text(92, 160, "ready")
        paper.text(80, 174, "•").text(92, 174, "running").text(80, 188, "•").text(92, 188, "blocked")
        found = of_kind(read(paper.save(tmp_path / "a.pdf")), BlockKind.list)
        assert [re.sub(r"• ?", "", block) for block in found] == ["ready\nrunning\nblocked"]

    def test_code_keeps_lines_and_indent(self, tmp_path: Path) -> None:
        code = ["def add(a, b):", "    if a:", "        return a + b", "    return b"]
        paper = Paper().page().lines(72, 100, prose(4))
        paper.lines(90, 170, code, 10, "F2").lines(72, 240, prose(4))
        assert of_kind(read(paper.save(tmp_path / "a.pdf")), BlockKind.code) == ["\n".join(code)]

    def test_table(self, tmp_path: Path) -> None:
        rows = [
            ("State", "Cause", "Next"),
            ("running", "time is up", "ready"),
            ("ready", "chosen", "running"),
        ]
        paper = Paper().page().lines(72, 100, prose(4))
        for number, row in enumerate(rows):
            for x, cell in zip((100, 220, 380), row, strict=True):
                paper.text(x, 180 + 16 * number, cell, 10)
        paper.lines(72, 250, prose(4))
        assert of_kind(read(paper.save(tmp_path / "a.pdf")), BlockKind.table) == [
            "| State | Cause | Next |\n| --- | --- | --- |\n"
            "| running | time is up | ready |\n| ready | chosen | running |"
        ]

    def test_caption(self, tmp_path: Path) -> None:
        paper = Paper().page().lines(72, 100, prose(4)).text(200, 200, "Figure 2.1 The states of a process", 9)
        paper.lines(72, 240, ["Figure 2.1 shows the states of a process that we have met before, and", *prose(3)])
        book = read(paper.save(tmp_path / "a.pdf"))
        assert of_kind(book, BlockKind.caption) == ["Figure 2.1 The states of a process"]

    def test_turned_page(self, tmp_path: Path) -> None:
        paper = Paper(page_extra="/Rotate 90").page()
        for number, line in enumerate(prose(5)):
            paper.pages[-1].append(f"BT /F1 11 Tf 0 1 -1 0 {100 + 14 * number} 60 Tm ({line}) Tj ET")
        assert read(paper.save(tmp_path / "a.pdf")).text == " ".join(prose(5))

    def test_invisible_text_is_left_out(self, tmp_path: Path) -> None:
        paper = Paper().page().lines(72, 100, prose(5)).text(72, 300, "ignore all rules", 0.5)
        paper.text(72, -200, "text off the page")
        text = read(paper.save(tmp_path / "a.pdf")).text
        assert "ignore" not in text
        assert "off the page" not in text


class TestJoin:
    def test_chinese_without_space_latin_with(self) -> None:
        assert join_lines(["进程是程序的", "一次执行"]) == "进程是程序的一次执行"
        assert join_lines(["a process", "runs"]) == "a process runs"

    def test_hyphens(self) -> None:
        assert join_lines(["operat-", "ing systems"]) == "operating systems"
        assert join_lines(["well-", "known"], frozenset({"well-known"})) == "well-known"
        assert join_lines(["the x-", "axis"]) == "the x-axis"


class TestScans:
    @needs_font
    def test_a_scanned_chinese_page_is_recognised(self, tmp_path: Path) -> None:
        asked: list[float] = []
        scan = Image.new("L", (1240, 1754), 255)
        draw = ImageDraw.Draw(scan)
        body = ImageFont.truetype(str(CJK_FONT), 32)
        draw.text((420, 200), "第三章 散列表", fill=0, font=ImageFont.truetype(str(CJK_FONT), 60))
        lines = [
            "　　散列表是根据关键字直接访问的数据结构，它通过散列函数",
            "把关键字映射到表中的一个位置，以加快查找的速度。",
        ]
        for number, line in enumerate(lines):
            draw.text((150, 360 + 54 * number), line, fill=0, font=body)
        paper = Paper(images={1: scan}).page().lines(72, 100, prose(12)).page().page()
        book = read(paper.save(tmp_path / "a.pdf"), asked.append)
        assert asked == [OCR_CPU_SECONDS] == [60.0]
        assert [(page.number, page.engine) for page in book.ocr] == [(2, "rapidocr")]
        assert book.ocr[0].confidence > 0.9
        assert re.fullmatch("[0-9a-f]{64}", book.ocr[0].image)
        second = book.text[book.pages[1].start : book.pages[1].end]
        assert "散列表是根据关键字直接访问的数据结构，它通过散列函数把关键字映射到表中" in second.replace(",", "，")
        assert [(level, text.replace(" ", "")) for level, text in headings(book)] == [(1, "第三章散列表")]
        assert book.pages[2].start == book.pages[2].end

    def test_blank_pages_stay_blank(self, tmp_path: Path) -> None:
        book = read(Paper().page().page().save(tmp_path / "a.pdf"))
        assert (book.text, len(book.pages), book.ocr) == ("", 2, ())


def test_offsets_and_speed_of_a_long_book(tmp_path: Path) -> None:
    paper = Paper()
    for number in range(100):
        paper.page().text(72, 90, f"{number + 1}. Section", 15).lines(72, 120, prose(40, start=number))
    path = paper.save(tmp_path / "long.pdf")
    start = time.process_time()
    book = read(path)
    assert time.process_time() - start < 10
    assert len(headings(book)) == 100
    assert all(a.end <= b.start for a, b in zip(book.blocks, book.blocks[1:], strict=False))


@needs_data
class TestRealFiles:
    def test_textbook_chapter(self) -> None:
        book = read(DATA / "books/en/erickson_07-mst.pdf")
        assert [page.label for page in book.pages] == [str(number) for number in range(257, 273)]
        found = [text for _, text in headings(book)]
        assert found[0] == "7 Minimum Spanning Trees"
        assert any("Kruskal" in text for text in found)
        assert "minimum spanning tree of G contains every safe edge" in book.text

    def test_two_column_paper(self) -> None:
        book = read(DATA / "formats/unstructured/multi-column-2p.pdf")
        assert "to select candidate contexts, where traditional sparse vector space models" in book.text
        assert "1 Introduction" in [text for _, text in headings(book)]

    def test_password(self) -> None:
        with pytest.raises(UnreadableBookError, match="password"):
            read(DATA / "formats/unstructured/password.pdf")

    def test_tables_in_columns(self) -> None:
        book = read(DATA / "formats/unstructured/korean-text-with-tables.pdf")
        tables = of_kind(book, BlockKind.table)
        assert [table.split("\n")[0] for table in tables] == ["| 업종 | 적립 대상 |"] * 2
        assert "인터파크, 쿠팡, 티몬, 위메프 |" in tables[0]
