"""Reads PDFs: the text layer where there is one, character recognition where there is not.

file, chars      pypdfium2: outline, labels, renders; characters → runs of text
rules, grids, cells  ruling lines → grids of tables → the cell of each run
ligatures            characters without a meaning that can be told by their place
recognised           recognised lines → runs, with the size of their type
quality              which text layers are none, so that the page is recognised
furniture            running heads and page numbers out, printed numbers kept as labels
ruled                runs in grids, or between level rules → one run for each table
layout, columns  runs → rows, in reading order
headings, subsections  which rows are headings
blocks               rows → paragraphs, lists, code, captions (lines) and tables (tables)
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import UnreadableBookError
from core.types import BlockKind, ExtractedBook, OcrPage
from ingest.readers.context import ReaderContext
from ingest.readers.pdf.blocks import page_blocks, style_of
from ingest.readers.pdf.chars import RawPage
from ingest.readers.pdf.columns import read_page
from ingest.readers.pdf.file import PdfFile
from ingest.readers.pdf.furniture import Sheet, running_titles, strip_furniture, title_key
from ingest.readers.pdf.headings import Entry, PageRows, body_size, heading_levels
from ingest.readers.pdf.layers import read_layers
from ingest.readers.pdf.layout import Row, Run, shown
from ingest.readers.pdf.quality import FEW, garbage, sensible, why_recognise
from ingest.readers.pdf.recognised import runs_of
from ingest.readers.pdf.ruled import NOT_RULED, with_tables
from ingest.readers.text_builder import Piece, TextBuilder


@dataclass(slots=True)
class _Reading:
    """What has been read of the file so far, page by page. damaged, silent: numbers of pages from 1.

    lost: by such a number, how many characters were left out because the file gives them no meaning.
    """

    sheets: list[Sheet] = field(default_factory=list)
    recognised: dict[int, OcrPage] = field(default_factory=dict)
    asides: dict[int, list[str]] = field(default_factory=dict)
    damaged: list[int] = field(default_factory=list)
    silent: list[int] = field(default_factory=list)
    lost: dict[int, int] = field(default_factory=dict)

    def notes(self) -> tuple[str, ...]:
        notes = [f"page {number} is damaged and was left out" for number in self.damaged]
        if self.silent:
            notes.append(f"no text was found on the images of {_pages(self.silent)}")
        if self.lost:
            count, listed = sum(self.lost.values()), _pages(sorted(self.lost))
            notes.append(f"characters left out because the file does not say what they mean: {count}, on {listed}")
        return tuple(notes)


def read_pdf(path: Path, context: ReaderContext) -> ExtractedBook:
    """The text of the PDF at `path`, page by page.

    Raises `UnreadableBookError` for a file that is corrupt, truncated, encrypted, empty, without
    pages or longer than `context.max_pages`, and `ModelError` where a scan needs the OCR engine and it fails.
    """
    document = PdfFile(path, context.max_pages)
    try:
        reading = _read_pages(document, path, context)
        if len(reading.damaged) * 2 > len(document):
            mend = "get the file again: download, copy or export it anew"
            raise UnreadableBookError(f"{path.name}: the PDF is damaged: {reading.notes()[0]}", mend=mend)
        return _build(document, reading)
    finally:
        document.close()


def _read_pages(document: PdfFile, path: Path, context: ReaderContext) -> _Reading:
    reading, ocr = _Reading(), context.ocr
    layers: dict[int, RawPage] = {}
    for index, page in enumerate(read_layers(document, path, context.workers)):
        if page is None:
            reading.damaged.append(index + 1)
        else:
            layers[index] = page
    wanted = [index for index, page in layers.items() if reason(document, index, page)]
    # Pages are drawn as the recogniser gets to them: pdfium works in one thread, and images are large.
    found = dict(zip(wanted, ocr.read_all(document.render(index) for index in wanted), strict=True))
    for index, page in layers.items():
        runs, by_image = page.runs, False
        if index in found:
            runs = runs_of(found[index].lines, document.scale(index))
            by_image = _is_better(runs, page)
            if by_image:
                reading.recognised[index] = OcrPage(index + 1, ocr.engine, found[index].confidence, found[index].image)
            elif not page.runs:
                reading.silent.append(index + 1)
        if not by_image:
            runs = page.runs
            if page.lost:
                reading.lost[index + 1] = page.lost
            if page.asides:
                reading.asides[index] = page.asides
        reading.sheets.append(Sheet(index, page.height, runs, by_image, NOT_RULED if by_image else page.ruling))
    return reading


def reason(document: PdfFile, index: int, page: RawPage) -> str:
    """Why the page is to be recognised from its image, "" if its text layer will do."""
    fault = garbage(page.runs, page.unmapped)
    image = document.image_share(index) if page.pictures or page.visible < FEW else 0.0
    return why_recognise(page.runs, page.height, page.hidden, fault, image)


def _is_better(found: list[Run], page: RawPage) -> bool:
    """Whether what was recognised says more than the text layer."""
    said = sum(shown(run.text) for run in found)
    if garbage(page.runs, page.unmapped) or page.visible < FEW:
        return said > 0 and said >= sensible(page.runs, page.unmapped)
    # A picture behind real text: only where the image says much more.
    return said > 2 * page.visible


def _pages(numbers: Sequence[int]) -> str:
    """ "page 3", "pages 3, 5-9"."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    listed = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)
    return f"page {listed}" if len(numbers) == 1 else f"pages {listed}"


def _build(document: PdfFile, reading: _Reading) -> ExtractedBook:
    body = body_size([run for sheet in reading.sheets for run in sheet.runs])
    kept, printed = strip_furniture(reading.sheets, body)
    pages = [
        PageRows(sheet.index, read_page(with_tables(runs, sheet.ruling)), sheet.index in reading.recognised)
        for sheet, runs in zip(reading.sheets, kept, strict=True)
    ]
    marks = [mark for mark in document.outline() if mark.page is not None]
    outline = [Entry(mark.title, mark.depth, mark.page or 0) for mark in marks]
    levels = heading_levels(pages, outline)
    titles = {title_key(entry.title) for entry in outline}
    titles |= {title_key(pages[place].rows[row].text) for place, row in levels}
    style = style_of([page.rows for page in pages])
    by_place = defaultdict[int, dict[int, int]](dict)
    for (place, row), level in levels.items():
        by_place[place][row] = level
    builder, before = TextBuilder(), None
    for place, (page, sheet) in enumerate(zip(pages, reading.sheets, strict=True)):
        own = by_place[place]
        gone = running_titles(page.rows, sheet.height, titles - {""}) - own.keys()
        order = [row for row in range(len(page.rows)) if row not in gone]
        own = {new: own[old] for new, old in enumerate(order) if old in own}
        kept_rows = [page.rows[row] for row in order]
        pieces, before = page_blocks(kept_rows, own, style, before, noisy=page.ocr)
        builder.start_page(page.index + 1, document.label(page.index) or printed.get(page.index))
        pieces, before = _with_asides(pieces, before, reading.asides.get(page.index, []))
        for piece in pieces:
            builder.add(piece.kind, piece.text, level=piece.level, continues=piece.continues)
    recognised = tuple(reading.recognised[index] for index in sorted(reading.recognised))
    return builder.build(title=document.title(), ocr=recognised, notes=reading.notes())


def _with_asides(pieces: list[Piece], last: Row | None, asides: list[str]) -> tuple[list[Piece], Row | None]:
    """Adds sideways text (stamps, labels of axes) where it does not part a paragraph that runs on."""
    extra = [Piece(BlockKind.paragraph, text) for text in asides]
    if extra and pieces and pieces[0].continues:
        return pieces + extra, None
    return extra + pieces, last
