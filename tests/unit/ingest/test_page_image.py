"""Pages as images: the yellow lies where the quote stands."""

import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from drawn import page as drawn_page
from files import write
from PIL import Image
from test_pdf import Paper
from test_sandbox import needs_rapidocr

from core.errors import BookChanged, PageMissing, UnreadableBookError
from core.settings import PROJECT, IngestSettings, Settings
from core.types import ExtractedBook
from ingest.catalog import book_id
from ingest.page_image import PageImage, page_image
from ingest.quotes import Quote, quote_at
from ingest.sandbox import parse_in_sandbox
from vector_db.files import sha256
from vector_db.layout import KnowledgeBaseFolder
from vector_db.manifest import BookRecord, EmbeddingRecord, Manifest

KNOWLEDGE = PROJECT / "knowledge"
A4 = (595, 842)
LEFT = ["The scheduler picks the process", "that waits longest and gives it", "the proc-", "essor for one time slice."]
RIGHT = ["When the slice is over it goes", "to the end of the queue and", "another process runs."]


def manifest(folder: Path) -> Manifest:
    return Manifest(
        id="g",
        kb="default",
        created_at="",
        source_dir=str(folder),
        embedding=EmbeddingRecord(model="m", revision="r", dimension=1),
        fingerprint="f",
        books=(),
        chunks=0,
        vectors=0,
        indexed=0,
        files={},
    )


def record(path: Path, pages: int = 1, ocr_pages: int = 0) -> BookRecord:
    return BookRecord(
        id=book_id(path.name),
        source=path.name,
        title="",
        subject="",
        language="en",
        edition="",
        sha256=sha256(path),
        pages=pages,
        characters=1,
        chunks=1,
        unknown_token_rate=0,
        dense=False,
        ocr_pages=ocr_pages,
        ocr_engine="rapidocr" if ocr_pages else None,
    )


def show(settings: Settings, path: Path, number: int = 1, quote: str = "", nth: int = 0, ocr: int = 0) -> PageImage:
    book = record(path, ocr_pages=ocr)
    return page_image(settings, manifest(path.parent), book, number, Quote(quote, nth))


def pixels(image: PageImage) -> np.ndarray:
    opened = Image.open(io.BytesIO(image.png))
    assert opened.size == (image.width, image.height) and opened.format == "PNG"
    return np.asarray(opened.convert("RGB")).astype(int)


def yellow(image: PageImage) -> np.ndarray:
    there = pixels(image)
    return there[..., 0] - there[..., 2] > 60


def share(image: PageImage, box: Sequence[float], size: tuple[int, int] = A4) -> float:
    """How much of a box (in points) is yellow."""
    mask, x, y = yellow(image), image.width / size[0], image.height / size[1]
    x0, y0, x1, y1 = (round(value) for value in (box[0] * x, box[1] * y, box[2] * x, box[3] * y))
    return float(mask[y0:y1, x0:x1].mean())


def two_columns(path: Path) -> Path:
    """The file holds the right column first."""
    return Paper().page().lines(320, 100, RIGHT).lines(72, 100, LEFT).save(path)


def test_a_page_without_a_quote(settings: Settings, tmp_path: Path) -> None:
    shown = show(settings, two_columns(tmp_path / "a.pdf"))
    assert (shown.width, shown.height) == (1200, 1699) and not shown.highlighted
    assert not yellow(shown).any()
    assert (pixels(shown) < 100).any()


def test_the_yellow_lies_on_the_words(settings: Settings, tmp_path: Path) -> None:
    shown = show(settings, two_columns(tmp_path / "a.pdf"), quote="that waits longest")
    assert shown.highlighted
    assert share(shown, (73, 105, 150, 114)) > 0.7  # the second line, which stands on y = 114
    mask = yellow(shown)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    scale = shown.width / A4[0]
    assert 100 < rows[0] / scale < 106 and 114 < rows[-1] / scale < 120
    assert 70 < columns[0] / scale < 73 and 150 < columns[-1] / scale < 172
    assert (
        mask.sum() > 0.9 * (rows[-1] - rows[0]) * (columns[-1] - columns[0]) - (pixels(shown) < 200).all(axis=2).sum()
    )


def test_words_stay_readable_below_the_yellow(settings: Settings, tmp_path: Path) -> None:
    path = two_columns(tmp_path / "a.pdf")
    without, marked = pixels(show(settings, path)), pixels(show(settings, path, quote="that waits longest"))
    ink = without.sum(axis=2) < 60
    assert (marked[ink].sum(axis=1) < 60).all()


def test_a_hyphenated_quote_over_two_columns(settings: Settings, tmp_path: Path) -> None:
    quote = "gives it the processor for one time slice. When the slice is over it goes to the end"
    shown = show(settings, two_columns(tmp_path / "a.pdf"), quote=quote)
    assert shown.highlighted
    assert share(shown, (73, 91, 220, 100)) == 0  # the first line of the left column
    assert share(shown, (190, 105, 220, 114)) > 0.6  # "gives it"
    assert share(shown, (73, 119, 110, 128)) > 0.6 and share(shown, (73, 133, 190, 142)) > 0.6
    assert share(shown, (321, 91, 460, 100)) > 0.6 and share(shown, (321, 105, 370, 114)) > 0.6
    assert share(shown, (321, 119, 420, 128)) == 0
    assert share(shown, (230, 60, 315, 200)) == 0  # between the columns


def test_the_occurrence_that_is_meant(settings: Settings, tmp_path: Path) -> None:
    path = Paper().page().lines(72, 100, ["a process runs", "another line", "a process runs"]).save(tmp_path / "a.pdf")
    second = show(settings, path, quote="a process runs", nth=1)
    assert share(second, (73, 91, 140, 100)) == 0 and share(second, (73, 119, 140, 128)) > 0.6


def test_a_turned_page(settings: Settings, tmp_path: Path) -> None:
    path = Paper(page_extra="/Rotate 90").page().text(72, 100, "A process waits").save(tmp_path / "a.pdf")
    shown = show(settings, path, quote="A process waits")
    assert shown.width == 1200 and shown.height == 848
    # Turned clockwise, what stood 72 to 145 from the left and 100 from the top is as far from the top and the right.
    assert share(shown, (842 - 101, 74, 842 - 92, 140), (842, 595)) > 0.6
    assert yellow(shown).mean() < 0.01


def test_a_page_whose_corner_is_elsewhere(settings: Settings, tmp_path: Path) -> None:
    path = (
        Paper(page_extra="/CropBox [50 400 450 800]").page().text(72, 100, "A process waits").save(tmp_path / "a.pdf")
    )
    shown = show(settings, path, quote="A process waits")
    assert share(shown, (23, 49, 90, 58), (400, 400)) > 0.6


def test_a_quote_that_is_not_there(settings: Settings, tmp_path: Path) -> None:
    shown = show(settings, two_columns(tmp_path / "a.pdf"), quote="死锁的四个必要条件")
    assert not shown.highlighted and not yellow(shown).any()


def sample(name: str, settings: Settings, cache: bool = False) -> tuple[ExtractedBook, Path]:
    path = KNOWLEDGE / name
    recognised = KnowledgeBaseFolder(settings.data_dir, "default").recognised / book_id(name) if cache else None
    return parse_in_sandbox(path, IngestSettings(), recognised), path


def test_a_chinese_quote_over_two_lines(settings: Settings) -> None:
    book, path = sample("operating-systems.pdf", settings)
    words = "死锁的四个必要条件并不是充分条件，四个条件都成立时也未必发生死锁。"
    start = book.text.index(words)
    page = book.page_at(start)
    pages = [(each, book.text[each.start : each.end]) for each in book.pages]
    shown = page_image(
        settings,
        manifest(KNOWLEDGE),
        record(path),
        page.number or 0,
        quote_at(pages, start, start + len(words), page.number or 0),
    )
    mask = yellow(shown)
    rows = np.flatnonzero(mask.any(axis=1))
    first, second = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    assert shown.highlighted and 20 < len(first) < 60 and 20 < len(second) < 60
    wide = [int(mask[line].any(axis=0).sum()) for line in (first, second)]
    assert wide[0] > 800 and 40 < wide[1] < 120  # a whole line, and the last word of the sentence


def test_every_passage_of_a_book_is_found(settings: Settings) -> None:
    """On one page in ten, what was extracted from its middle is found where it stands."""
    book, path = sample("operating-systems.pdf", settings)
    for page in book.pages[5::10]:
        middle = (page.start + page.end) // 2
        quote = book.text[middle : min(middle + 120, page.end)]
        assert show(settings, path, page.number or 0, quote).highlighted, (page.number, quote)


@needs_rapidocr
def test_a_scanned_page_is_marked_by_what_was_recognised(settings: Settings) -> None:
    book, path = sample("hashing-scan.pdf", settings, cache=True)
    words = "链地址法把所有散列地址相同的记录链接在同一个单链表中"
    start = book.text.index(words)
    number = book.page_at(start).number or 0
    shown = show(settings, path, number, words, ocr=len(book.pages))
    assert shown.highlighted
    without = pixels(show(settings, path, number, ocr=len(book.pages)))
    mask = yellow(shown)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    assert 20 < rows[-1] - rows[0] < 60 and 600 < columns[-1] - columns[0] < 900
    # The line's ink begins and ends in the yellow; the line below is not touched.
    ink = without.sum(axis=2) < 300
    line = ink[rows[0] : rows[-1], columns[0] : columns[-1]]
    assert line.mean() > 0.05
    gone = show(settings.model_copy(update={"data_dir": settings.source_dir}), path, number, words, ocr=1)
    assert not gone.highlighted


@needs_rapidocr
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.bmp", "a.tiff"])
def test_page_images(name: str, settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / name
    blank, text = drawn_page([""]), drawn_page(["进程调度是操作系统的核心功能", "时间片轮转算法让进程轮流运行"])
    if path.suffix == ".tiff":
        blank.save(path, save_all=True, append_images=[text])
    else:
        text.save(path)
    number = 2 if path.suffix == ".tiff" else 1
    parse_in_sandbox(
        path, IngestSettings(), KnowledgeBaseFolder(settings.data_dir, "default").recognised / book_id(name)
    )
    shown = show(settings, path, number, "时间片轮转算法让进程轮流运行", ocr=1)
    assert shown.highlighted
    assert share(shown, (62, 124, 560, 158), (900, 240)) > 0.6
    assert share(shown, (62, 44, 560, 78), (900, 240)) == 0


def test_a_page_that_is_not_there(settings: Settings, tmp_path: Path) -> None:
    path = two_columns(tmp_path / "a.pdf")
    for number in (0, 2, -1):
        with pytest.raises(PageMissing, match=rf"a\.pdf has no page {number}: it has one page") as caught:
            show(settings, path, number)
        assert caught.value.mend
    tiff = tmp_path / "b.tiff"
    Image.new("L", (20, 20)).save(tiff, save_all=True, append_images=[Image.new("L", (20, 20))])
    with pytest.raises(PageMissing, match="pages 1 to 2"):
        show(settings, tiff, 3)


def test_a_book_without_pages(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(PageMissing, match=r"a\.md has no pages") as caught:
        show(settings, write(tmp_path / "a.md", "正文"))
    assert caught.value.mend


def test_a_file_that_is_another_one_or_gone(settings: Settings, tmp_path: Path) -> None:
    path = two_columns(tmp_path / "a.pdf")
    book = record(path)
    with path.open("ab") as file:
        file.write(b"\n")
    with pytest.raises(BookChanged, match=r"a\.pdf has changed") as caught:
        page_image(settings, manifest(tmp_path), book, 1)
    assert "keben rebuild" in caught.value.mend
    path.unlink()
    with pytest.raises(BookChanged, match="No such file"):
        page_image(settings, manifest(tmp_path), book, 1)


def test_a_damaged_file(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(UnreadableBookError, match=r"a\.pdf"):
        show(settings, write(tmp_path / "a.pdf", b"%PDF-1.7\n" + os.urandom(1000)))
    with pytest.raises(UnreadableBookError, match=r"a\.png"):
        show(settings, write(tmp_path / "a.png", b"\x89PNG\r\n\x1a\n" + bytes(100)))


@pytest.mark.parametrize("size", ["14400 14400", "1 14400", "14400 1", "0.01 0.01", "1e9 1e9", "-5 0"])
def test_sizes_that_no_page_has(size: str, settings: Settings, tmp_path: Path) -> None:
    path = Paper(page_extra=f"/MediaBox [0 0 {size}]").page().text(0, 842, "A process waits").save(tmp_path / "a.pdf")
    path.write_bytes(path.read_bytes().replace(b"/MediaBox [0 0 595 842] ", b""))
    shown = show(settings, path, quote="A process waits")
    assert shown.width <= 1201 and shown.height <= 3601


def test_a_page_that_takes_too_long(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.page_image._CPU_SECONDS", 1)
    paper = Paper().page()
    paper.pages[-1] += ["0.5 w 0 0 m " + " ".join(f"{k * 7 % 595} {k * 13 % 842} l" for k in range(3000)) + " B"] * 100
    with pytest.raises(UnreadableBookError, match="1 s of processor time"):
        show(settings, paper.save(tmp_path / "a.pdf"))
