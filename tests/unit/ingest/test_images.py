"""Images as pages: frames, rotation, bounds, and documents whose pages are images."""

import importlib.util
from pathlib import Path

import pytest
from docx.document import Document
from docx.shared import Inches
from drawn import page, png, quick
from files import check_offsets, epub, of_kind, slides, with_part, word, write
from PIL import Image

from core.errors import UnreadableBookError
from core.settings import IngestSettings
from core.types import BlockKind
from ingest.readers.images import is_scan, read_image
from ingest.readers.pandoc import read_pandoc
from ingest.readers.slides import read_slides
from ingest.sandbox import parse_in_sandbox

DATA = Path(__file__).parents[4] / "shared" / "data" / "formats"
SETTINGS = IngestSettings()
needs_engine = pytest.mark.skipif(importlib.util.find_spec("rapidocr") is None, reason="rapidocr is not installed")


def blank(width: int, height: int, mode: str = "RGB") -> Image.Image:
    return Image.new(mode, (width, height), 255 if mode in {"1", "L"} else "white")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.jpeg", "a.bmp", "a.webp", "a.tiff"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_one_image_is_one_page_in_its_own_pixels(name: str, mode: str, tmp_path: Path) -> None:
    blank(600, 400, mode).save(tmp_path / name)
    context, engine, asked = quick()
    book = read_image(tmp_path / name, context)
    check_offsets(book)
    assert book.text == "这一页的大小是600乘400"
    assert [(page.number, page.label) for page in book.pages] == [(1, None)]
    (page,) = book.ocr
    assert (page.number, page.engine, page.confidence) == (1, "rapidocr", 0.9) and len(page.image) == 64
    assert engine.seen == [(600, 400)] and asked == [60.0]


@pytest.mark.parametrize("mode", ["RGBA", "P", "1", "LA", "CMYK", "I;16"])
def test_other_kinds_of_pixels(mode: str, tmp_path: Path) -> None:
    Image.new(mode, (300, 200)).save(tmp_path / "a.tif")
    assert "300乘200" in read_image(tmp_path / "a.tif", quick()[0]).text


def test_each_frame_is_a_page(tmp_path: Path) -> None:
    frames = [blank(600, 400 + 50 * number) for number in range(3)]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    book = read_image(tmp_path / "a.tif", quick()[0])
    check_offsets(book)
    assert [page.number for page in book.pages] == [1, 2, 3]
    assert [page.number for page in book.ocr] == [1, 2, 3]
    assert [book.text[page.start : page.end].strip()[-3:] for page in book.pages] == ["400", "450", "500"]


def test_too_many_frames(tmp_path: Path) -> None:
    frames = [blank(60, 40) for _ in range(11)]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    with pytest.raises(UnreadableBookError, match=r"a\.tif has 11 pages, more than the limit of 10"):
        read_image(tmp_path / "a.tif", quick()[0])


def test_the_rotation_of_a_photograph(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    blank(600, 400).save(tmp_path / "a.jpg", exif=turned)
    assert "400乘600" in read_image(tmp_path / "a.jpg", quick()[0]).text


@pytest.mark.parametrize("size", [(10_000, 9_000), (20_000, 15_000)])
def test_a_decompression_bomb(size: tuple[int, int], tmp_path: Path) -> None:
    Image.new("1", size).save(tmp_path / "bomb.png")
    with pytest.raises(UnreadableBookError, match=r"bomb\.png is too large an image") as caught:
        read_image(tmp_path / "bomb.png", quick()[0])
    assert "scale it down" in caught.value.mend


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.webp", "a.bmp"])
def test_a_damaged_image(name: str, tmp_path: Path) -> None:
    Image.effect_noise((600, 400), 80).convert("RGB").save(tmp_path / name)
    write(tmp_path / name, (tmp_path / name).read_bytes()[:3000])
    with pytest.raises(UnreadableBookError, match=rf"{name[:1]}\.{name[2:]} is not a readable image") as caught:
        read_image(tmp_path / name, quick()[0])
    assert caught.value.mend


def test_when_a_document_is_a_scan() -> None:
    assert is_scan(20, [(300, 200)])
    assert is_scan(500, [(1240, 1754)] * 20)
    assert not is_scan(20, [(30, 30)])
    assert not is_scan(20, [])
    assert not is_scan(5000, [(1240, 1754)] * 20)


def test_a_word_file_of_page_images(tmp_path: Path) -> None:
    def fill(document: Document) -> None:
        document.add_paragraph("扫描的讲义")
        for number in range(2):
            blank(900, 600 + 100 * number).save(tmp_path / f"{number}.png")
            document.add_picture(str(tmp_path / f"{number}.png"), Inches(5))
        document.add_paragraph("讲义的末尾")

    book = read_pandoc(word(tmp_path / "scan.docx", fill), quick()[0])
    check_offsets(book)
    assert of_kind(book, BlockKind.paragraph) == [
        "扫描的讲义",
        "这一页的大小是900乘600",
        "这一页的大小是900乘700",
        "讲义的末尾",
    ]
    assert [page.number for page in book.ocr] == [1, 2]
    assert [page.number for page in book.pages] == [None]


def test_images_of_a_document_with_text_are_left_alone(tmp_path: Path) -> None:
    def fill(document: Document) -> None:
        document.add_paragraph("进程是程序的一次执行。" * 30)
        blank(900, 600).save(tmp_path / "a.png")
        document.add_picture(str(tmp_path / "a.png"), Inches(5))

    context, engine, _ = quick()
    assert read_pandoc(word(tmp_path / "text.docx", fill), context).ocr == ()
    assert engine.seen == []


def test_a_word_file_whose_image_is_damaged(tmp_path: Path) -> None:
    def fill(document: Document) -> None:
        document.add_paragraph("只有这一句")
        blank(900, 600).save(tmp_path / "a.png")
        document.add_picture(str(tmp_path / "a.png"), Inches(5))

    path = word(tmp_path / "a.docx", fill)
    broken = with_part(path, tmp_path / "b.docx", "word/media/image1.png", b"\x89PNG\r\n\x1a\n broken")
    assert read_pandoc(broken, quick()[0]).text == "只有这一句"


def test_an_epub_of_page_images_also_in_svg(tmp_path: Path) -> None:
    images = {"images/1.png": png(blank(900, 600)), "images/2.png": png(blank(900, 700))}
    svg = '<svg xmlns="http://www.w3.org/2000/svg"><image xlink:href="images/2.png" xmlns:xlink="http://www.w3.org/1999/xlink"/></svg>'
    chapters = {"a.xhtml": '<p><img src="images/1.png" alt=""/></p>', "b.xhtml": f"<div>{svg}</div>"}
    book = read_pandoc(epub(tmp_path / "scan.epub", chapters, images=images), quick()[0])
    assert book.text == "这一页的大小是900乘600\n\n这一页的大小是900乘700"


def test_slides_of_images(tmp_path: Path) -> None:
    def fill(show: object) -> None:
        for number in range(2):
            blank(900, 600 + 100 * number).save(tmp_path / f"{number}.png")
            slide = show.slides.add_slide(show.slide_layouts[6])  # type: ignore[attr-defined]
            slide.shapes.add_picture(str(tmp_path / f"{number}.png"), 0, 0, show.slide_width)  # type: ignore[attr-defined]
        last = show.slides.add_slide(show.slide_layouts[5])  # type: ignore[attr-defined]
        last.shapes.title.text = "进程是程序的一次执行，是资源分配的单位" * 10

    book = read_slides(slides(tmp_path / "scan.pptx", fill), quick()[0])
    check_offsets(book)
    texts = [book.text[page.start : page.end].strip() for page in book.pages]
    assert texts[:2] == ["这一页的大小是900乘600", "这一页的大小是900乘700"]
    assert [page.number for page in book.ocr] == [1, 2]


@needs_engine
def test_the_engine_reads_an_image_in_the_sandbox(tmp_path: Path) -> None:
    page(["进程调度是操作系统的核心功能", "时间片轮转算法让进程轮流运行"]).save(tmp_path / "scan.png")
    book = parse_in_sandbox(tmp_path / "scan.png", SETTINGS)
    assert "进程调度是操作系统的核心功能" in book.text
    assert book.ocr[0].confidence > 0.8


@needs_engine
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("unstructured/chi_sim_image.jpeg", "新鲜甘草黄酮养分"),
        ("scanned/chatchat_ocr_test.docx", "横向文本框"),
        ("scanned/chatchat_ocr_test.pptx", "横向文本框"),
    ],
)
def test_samples(name: str, words: str) -> None:
    if not (DATA / name).exists():
        pytest.skip(f"no {name} in {DATA}: the shared data is not beside this checkout")
    book = parse_in_sandbox(DATA / name, SETTINGS)
    assert words in book.text
    assert [page.engine for page in book.ocr] == ["rapidocr"]
