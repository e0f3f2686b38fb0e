"""Which text layers are none, and characters that a file gives no meaning."""

import random
from pathlib import Path

import pytest
from PIL import Image
from test_pdf import DATA, PROSE, Paper, needs_data, prose

from ingest.readers.context import ReaderContext
from ingest.readers.ocr import Ocr, OcrLine
from ingest.readers.pdf.file import PdfFile
from ingest.readers.pdf.layout import Run
from ingest.readers.pdf.ligatures import with_ligatures
from ingest.readers.pdf.quality import garbage, sensible, why_recognise
from ingest.readers.pdf.reader import read_pdf, reason
from ingest.readers.pdf.recognised import runs_of

ENGLISH = " ".join(PROSE * 2)
CHINESE = "进程是程序的一次执行，系统为它分配内存和处理机时间，调度程序决定哪个就绪进程可以运行以及运行多长时间。" * 3
CODE = "static struct rb_node *rb_next(const char *str, size_t len) { strncpy(dst, src, len); mtx_lck(ptr); } " * 8
KOREAN = "적립 대상 업종은 온라인 쇼핑몰이며 월 최대 적립 한도는 이용 금액에 따라 다르게 적용됩니다. " * 6
GERMAN = (
    "Ein Prozeß läuft, bis die zugeteilte Zeit verbraucht ist; danach wählt der Planer den nächsten für den Übergang. "
    * 5
)
FORMULAS = "∀x∈R ∃δ>0: |f(x)−f(a)|<ε ⇒ ∑ᵢ₌₁ⁿ aᵢxᵢ ≤ ∫₀^∞ e^{−λt}dt = 1/λ, λ≠0 ∧ α·β ≡ γ (mod p) " * 6


def layer(text: str, mono: float = 0.0, y: float = 300) -> list[Run]:
    return [Run(text, 70, y, 500, y + 11, 11, mono)]


@pytest.mark.parametrize("text", [ENGLISH, CHINESE, KOREAN, GERMAN, FORMULAS, "TCP UDP HTTP SMTP DNS " * 4, "7", ""])
def test_real_text_is_no_garbage(text: str) -> None:
    assert garbage(layer(text), 0.0) == ""


def test_code_is_no_garbage() -> None:
    assert garbage(layer(CODE, mono=1.0) + layer(ENGLISH), 0.0) == ""
    assert garbage(layer(CODE, mono=1.0), 0.0) == ""


def shuffled_han() -> str:
    chosen = random.Random(1)
    return "".join(chr(chosen.randrange(0x5000, 0x9F00)) for _ in range(300))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (CHINESE.encode("gb18030").decode("latin-1"), "another encoding"),
        ("".join(f"(cid:{code})" for code in range(20, 60)), "without a meaning"),
        ("\ue012\ue044\uf0a1 " * 30, "without a meaning"),
        ("\ufffd" * 40 + "abc", "without a meaning"),
        ("锟斤拷" * 20, "without a meaning"),
        ("".join(chr(ord(char) - 29) if char.isalpha() else char for char in ENGLISH.lower()), "no words"),
        (ENGLISH.translate(str.maketrans("aeiou", "xqzkv")), "no words"),
        (shuffled_han(), "no words"),
    ],
)
def test_garbage_is_told_with_its_reason(text: str, why: str) -> None:
    assert why in garbage(layer(text), 0.0)
    assert sensible(layer(text), 0.0) < 0.3 * sensible(layer(ENGLISH), 0.0)


def test_fonts_without_a_map_are_garbage() -> None:
    assert "without a meaning" in garbage(layer(ENGLISH), 0.5)
    assert garbage(layer(ENGLISH), 0.1) == ""
    assert sensible(layer("abcd"), 0.5) == 2


def test_text_on_images() -> None:
    def why(runs: list[Run], image: float, hidden: int = 0) -> str:
        return why_recognise(runs, 842, hidden, garbage(runs, 0.0), image)

    assert why(layer(ENGLISH), 1.0) == ""  # recognised before, and well
    assert why(layer("CONFIDENTIAL"), 1.0) == "little text on an image"
    head = layer("Downloaded from the library of the university on Monday for personal use only. " * 3, y=20)
    assert why(head, 1.0) == "little text on an image"
    assert why(head, 0.3) == ""
    assert why([], 1.0) == "no text layer"
    assert why([], 0.0) == ""
    assert why([], 0.0, hidden=50) == "control characters"
    assert why(layer("..,- ~'`^ |1l .;:_ " * 20), 1.0) == "signs that make no words"
    assert why(layer(FORMULAS), 0.5) == ""


@needs_data
@pytest.mark.parametrize(
    ("name", "recognised"),
    [
        ("books/en/erickson_07-mst.pdf", 0),  # formulas
        ("formats/unstructured/korean-text-with-tables.pdf", 0),
        ("formats/unstructured/multi-column-2p.pdf", 0),
        ("formats/unstructured/copy-protected.pdf", 0),
        ("formats/unstructured/embedded-cmap-cidfont.pdf", 0),
        ("formats/unstructured/pdf-with-ocr-text.pdf", 0),  # a scan with good text below it
        ("formats/unstructured/single_table.pdf", 1),
        ("formats/scanned/mineru_small_ocr_zh_scan_8p.pdf", 8),
        ("formats/scanned/haystack_non_text_searchable.pdf", 1),
        ("formats/scanned/chatchat_ocr_test.pdf", 1),
    ],
)
def test_real_files(name: str, recognised: int) -> None:
    document = PdfFile(DATA / name, 3000)
    pages = [document.read(index) for index in range(len(document))]
    assert sum(bool(page and reason(document, index, page)) for index, page in enumerate(pages)) == recognised
    document.close()


def test_text_and_blank_pages_are_not_recognised(tmp_path: Path) -> None:
    path = Paper().page().lines(72, 100, prose(30)).page().save(tmp_path / "a.pdf")
    document = PdfFile(path, 10)
    assert [reason(document, index, page) for index in range(2) if (page := document.read(index))] == ["", ""]
    document.close()


class TestLigatures:
    def mended(self, text: str, width: float) -> str:
        return with_ligatures(text, [width if char == "\ufffd" else 0.3 for char in text])

    def test_by_width(self) -> None:
        assert self.mended("first, di\ufffderent", 0.55) == "first, di\ufb00erent"
        assert self.mended("first, e\ufffdciency", 0.7) == "first, e\ufb03ciency"
        assert self.mended("first, ba\ufffde", 0.7) == "first, ba\ufb04e"

    def test_others_are_left(self) -> None:
        assert self.mended("first, Bor\ufffdvka", 0.45) == "first, Bor\ufffdvka"
        assert self.mended("first, in \ufffd\ufffd", 0.55) == "first, in \ufffd\ufffd"

    def test_where_fi_is_missing_too_nothing_is_guessed(self) -> None:
        assert self.mended("often the \ufffd of a\ufffdb", 0.55) == "often the \ufffd of a\ufffdb"

    @needs_data
    def test_a_real_book(self) -> None:
        document = PdfFile(DATA / "books/en/erickson_07-mst.pdf", 3000)
        pages = [document.read(index) for index in range(len(document))]
        document.close()
        text = " ".join(run.text for page in pages if page for run in page.runs)
        assert "efficient" in text and "different" in text and "effectively" in text
        assert "ecient" not in text and "dierent" not in text


class TestSizesOfRecognisedLines:
    def sizes(self, *lines: tuple[str, float, float]) -> list[float]:
        """Sizes against that of the body. lines: text, width and height of the box, which add to twenty of the body."""
        body = [("进程是程序在一个数据集合上的一次执行过程", 400.0, 24.0)] * 20
        found = [
            OcrLine(text, 50, 40 * k, 50 + wide, 40 * k + high, 1)
            for k, (text, wide, high) in enumerate([*body, *lines])
        ]
        runs = runs_of(found, 2.0)
        assert runs[0].x1 == 225 and runs[0].size == pytest.approx(9.6)
        return [run.size / runs[0].size for run in runs[20:]]

    def test_loose_boxes_of_short_lines_are_of_the_same_type(self) -> None:
        assert self.sizes(("费。", 42, 36), ("承担者。", 82, 33), ("一元", 48, 31)) == [1, 1, 1]

    def test_headings_and_notes_are_not(self) -> None:
        heading, note = self.sizes(
            ("第三章 散列表", 230, 38), ("（8）只要交换价值相等，一种商品就同另一种商品", 336, 22)
        )
        assert heading > 1.4
        assert 0.6 < note < 0.8

    def test_other_scripts_go_by_height(self) -> None:
        assert self.sizes(("A process is a program", 300, 25), ("A Large Title", 300, 40)) == [
            1,
            pytest.approx(40 / 24),
        ]


class Said:
    """An engine that reads the same lines off every image."""

    def __init__(self, *lines: str) -> None:
        self._lines = lines

    def identity(self) -> str:
        return "said"

    def read(self, image: Image.Image) -> list[OcrLine]:
        return [OcrLine(text, 200, 300 + 60 * k, 1400, 340 + 60 * k, 0.9) for k, text in enumerate(self._lines)]


class TestWhichIsKept:
    def text(self, path: Path, *lines: str) -> tuple[str, tuple[int, ...], tuple[str, ...]]:
        ocr = Ocr()
        ocr.__dict__["_engine"] = Said(*lines)
        book = read_pdf(path, ReaderContext(10, ocr=ocr))
        return book.text, tuple(page.number for page in book.ocr), book.notes

    def test_garbage_gives_way_and_good_pages_stay(self, tmp_path: Path) -> None:
        garbled = [line.translate(str.maketrans("aeiou", "xqzkv")) for line in prose(20)]
        paper = Paper().page().lines(72, 100, prose(20)).page().lines(72, 100, garbled)
        text, recognised, _ = self.text(paper.save(tmp_path / "a.pdf"), "what the page shows in plain words")
        assert recognised == (2,)
        assert text.startswith("A process") and text.endswith("what the page shows in plain words")

    def test_a_layer_is_kept_where_the_image_says_nothing(self, tmp_path: Path) -> None:
        garbled = [line.translate(str.maketrans("aeiou", "xqzkv")) for line in prose(20)]
        text, recognised, notes = self.text(Paper().page().lines(72, 100, garbled).save(tmp_path / "a.pdf"))
        assert recognised == () and text == " ".join(garbled) and notes == ()

    def test_a_short_layer_on_an_image_is_kept_unless_the_image_says_much_more(self, tmp_path: Path) -> None:
        paper = Paper(images={0: Image.new("L", (60, 80), 200)}).page().text(72, 400, "A title on a picture of stars")
        path = paper.save(tmp_path / "a.pdf")
        assert self.text(path, "A title on a picture")[:2] == ("A title on a picture of stars", ())
        lines = [f"line {number} of what the image says" for number in range(5)]
        assert self.text(path, *lines)[1] == (1,)

    def test_images_without_text_are_noted(self, tmp_path: Path) -> None:
        paper = Paper(images={number: Image.new("L", (60, 80), 200) for number in (1, 2, 4)})
        for _ in range(6):
            paper.page()
        paper.lines(72, 100, prose(5))
        assert self.text(paper.save(tmp_path / "a.pdf"))[1:] == (
            (),
            ("no text was found on the images of pages 2-3, 5",),
        )
