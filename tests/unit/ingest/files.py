"""Makes real files for the readers: DOCX, PPTX, EPUB, HTML, and broken ones."""

import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import docx
import openpyxl
from docx.document import Document
from docx.oxml import parse_xml
from pptx import Presentation
from pptx.util import Inches

from core.types import Block, BlockKind, ExtractedBook
from ingest.readers.context import ReaderContext

CONTEXT = ReaderContext(max_pages=3000)

MATH = "http://schemas.openxmlformats.org/officeDocument/2006/math"
# \frac{a}{b}, as Word writes it.
OMML_FRACTION = (
    f'<m:oMath xmlns:m="{MATH}"><m:f><m:num><m:r><m:t>a</m:t></m:r></m:num>'
    "<m:den><m:r><m:t>b</m:t></m:r></m:den></m:f></m:oMath>"
)
# x^2 on a line of its own.
OMML_SQUARE = (
    f'<m:oMathPara xmlns:m="{MATH}"><m:oMath><m:sSup><m:e><m:r><m:t>x</m:t></m:r></m:e>'
    "<m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup></m:oMath></m:oMathPara>"
)
MATHML_FRACTION = (
    '<math xmlns="http://www.w3.org/1998/Math/MathML"><mfrac><mi>a</mi><mi>b</mi></mfrac></math>'
)  # fmt: skip
MATHML_SQUARE = (
    '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block"><msup><mi>x</mi><mn>2</mn></msup></math>'
)
_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
_CONTAINER = (
    '<?xml version="1.0"?><container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="content.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)
_OPF = (
    '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">'
    '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="id">keben</dc:identifier>'
    "<dc:title>{title}</dc:title><dc:language>zh</dc:language></metadata>"
    "<manifest>{items}</manifest><spine>{refs}</spine></package>"
)
_XHTML = (
    '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head>'
    "<body>{body}</body></html>"
)


def write(path: Path, content: str | bytes) -> Path:
    """`content` as it is; text as UTF-8 with its own line ends."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def html(path: Path, body: str, head: str = "<title>数据结构</title>") -> Path:
    """A web page."""
    return write(path, f"<!DOCTYPE html><html><head>{head}</head><body>{body}</body></html>")


def word(path: Path, fill: Callable[[Document], None]) -> Path:
    """A DOCX file."""
    document = docx.Document()
    fill(document)
    document.save(str(path))
    return path


def add_omml(document: Document, words: str, omml: str) -> None:
    """A paragraph of `words` and a formula."""
    document.add_paragraph(words)._p.append(parse_xml(omml))


def add_word_table(document: Document, rows: Sequence[Sequence[str]]) -> None:
    """A table of text cells."""
    table = document.add_table(len(rows), len(rows[0]))
    for row, cells in zip(table.rows, rows, strict=True):
        for cell, text in zip(row.cells, cells, strict=True):
            cell.text = text


def epub(
    path: Path, chapters: Mapping[str, str], title: str = "计算机网络", images: Mapping[str, bytes] | None = None
) -> Path:
    """An EPUB of XHTML bodies by name, read in their order, and images by name."""
    items = "".join(
        f'<item id="c{number}" href="{name}" media-type="application/xhtml+xml"/>'
        for number, name in enumerate(chapters)
    )
    items += "".join(
        f'<item id="i{number}" href="{name}" media-type="image/png"/>' for number, name in enumerate(images or {})
    )
    refs = "".join(f'<itemref idref="c{number}"/>' for number in range(len(chapters)))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        archive.writestr("META-INF/container.xml", _CONTAINER)
        archive.writestr("content.opf", _OPF.format(title=title, items=items, refs=refs))
        for name, body in chapters.items():
            archive.writestr(unquote(name), _XHTML.format(body=body))
        for name, data in (images or {}).items():
            archive.writestr(name, data)
    return path


def slides(path: Path, fill: Callable[[Any], object] | None = None) -> Path:
    """A PPTX file, filled with `lecture` or as told."""
    show = Presentation()
    (fill or lecture)(show)
    show.save(str(path))
    return path


def lecture(show: Any) -> None:
    """Four slides: text with notes, a table with notes, notes alone, a text box with a list and no title."""
    first = show.slides.add_slide(show.slide_layouts[1])
    first.shapes.title.text = "计算机网络"
    body = first.placeholders[1].text_frame
    body.text = "TCP 提供可靠的传输。"
    body.add_paragraph().text = "The network layer moves packets. It may lose them."
    first.notes_slide.notes_text_frame.text = "备注：先讲三次握手。"
    second = show.slides.add_slide(show.slide_layouts[5])
    second.shapes.title.text = "端口\v一览"
    second.notes_slide.notes_text_frame.text = "备注：80 是 HTTP。"
    table = second.shapes.add_table(2, 2, Inches(1), Inches(2), Inches(4), Inches(1)).table
    for number, text in enumerate(["协议", "端口|号", "HTTP", "80"]):
        table.cell(number // 2, number % 2).text = text
    third = show.slides.add_slide(show.slide_layouts[6])
    third.notes_slide.notes_text_frame.text = "备注：空白页。"
    last = show.slides.add_slide(show.slide_layouts[6])
    box = last.shapes.add_textbox(Inches(1), Inches(1), Inches(6), Inches(1)).text_frame
    box.text = "这一页没有标题。"
    for level, text in enumerate(["三次握手", "四次挥手"]):
        paragraph = box.add_paragraph()
        paragraph.text, paragraph.level = text, level
        properties = paragraph._p.get_or_add_pPr()
        properties.append(properties.makeelement(f"{{{_DRAWING}}}buChar", {"char": "•"}))


def ole(path: Path, streams: Mapping[str, bytes]) -> Path:
    """A container of Office 97 to 2003 with up to three streams of 4 KiB ([MS-CFB], version 3)."""
    sector, free, end = 512, 0xFFFFFFFF, 0xFFFFFFFE
    fat = [0xFFFFFFFD, end]
    entries = [("Root Entry", 5, end, 0, 1 if streams else free)]
    body = b""
    for number, (name, content) in enumerate(streams.items(), 1):
        start = len(fat)
        fat += [*range(start + 1, start + 8), end]
        body += content.ljust(4096, b"\0")[:4096]
        entries.append((name, 2, start, 4096, free))
        assert number < 4
    directory = b""
    for number, (name, kind, start, size, child) in enumerate(entries):
        right = number + 1 if 0 < number < len(entries) - 1 else free
        words = name.encode("utf-16-le")
        directory += words.ljust(64, b"\0") + struct.pack(
            "<HBBIII16sIQQIQ", len(words) + 2, kind, 1, free, right, child, b"", 0, 0, 0, start, size
        )
    directory = directory.ljust(sector, b"\0")
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    head += struct.pack("<HHHHH6sIIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, b"", 0, 1, 1, 0, 4096, end, 0, end, 0, 0)
    head += struct.pack("<108I", *[free] * 108)
    table = struct.pack("<128I", *(fat + [free] * (128 - len(fat))))
    return write(path, head + table + directory + body)


def workbook(path: Path, sheets: Mapping[str, Sequence[Sequence[object]]]) -> Path:
    """An XLSX file of rows by name of the sheet."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    book.save(str(path))
    return path


def with_part(source: Path, target: Path, part: str, content: bytes) -> Path:
    """A copy of a zipped file with one part replaced or added."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in dict.fromkeys([*old.namelist(), part]):
            new.writestr(name, content if name == part else old.read(name))
    return target


def shown(book: ExtractedBook) -> list[tuple[BlockKind, str]]:
    """Kind and text of every block."""
    return [(block.kind, book.text[block.start : block.end]) for block in book.blocks]


def headings(book: ExtractedBook) -> list[tuple[int, str]]:
    """Level and text of every heading."""
    return [
        (block.level, book.text[block.start : block.end]) for block in book.blocks if block.kind is BlockKind.heading
    ]


def of_kind(book: ExtractedBook, kind: BlockKind) -> list[str]:
    """Text of the blocks of one kind."""
    return [text for found, text in shown(book) if found is kind]


def indexed(book: ExtractedBook) -> str:
    """All text that stands in blocks."""
    return "\n".join(text for _, text in shown(book))


def check_offsets(book: ExtractedBook) -> None:
    """Blocks are in order, inside the text, and hold more than blanks; pages cover the text."""
    position = 0
    for block in book.blocks:
        assert position <= block.start < block.end <= len(book.text), block
        assert book.text[block.start : block.end].strip(), block
        assert (1 <= block.level <= 6) if block.kind is BlockKind.heading else block.level == 0, block
        position = block.end
    assert book.pages[0].start == 0
    assert book.pages[-1].end == len(book.text)
    assert all(left.end == right.start for left, right in zip(book.pages, book.pages[1:], strict=False))


def block_at(book: ExtractedBook, words: str) -> Block:
    """The block that holds `words`."""
    place = book.text.index(words)
    return next(block for block in book.blocks if block.start <= place < block.end)
