"""PPTX: one page a slide; titles, text, tables, charts, diagrams, formulas and speaker notes."""

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pptx import Presentation
from pptx.exc import PackageNotFoundError

from core.errors import UnreadableBookError
from core.types import BlockKind, ExtractedBook
from ingest.readers.context import ReaderContext
from ingest.readers.formulas import latex_of, outermost
from ingest.readers.images import image_size, is_scan, recognise
from ingest.readers.ooxml import XmlError, unwrap_alternatives
from ingest.readers.slide_order import Box, in_reading_order
from ingest.readers.slide_parts import chart_pieces, diagram_text, is_diagram, table_text
from ingest.readers.slide_text import TEX, frame_pieces, line_of
from ingest.readers.text_builder import Piece, TextBuilder, letters

_FEW = 10  # letters; a slide with fewer says nothing but by its pictures
_PICTURE_SHARE = 0.3  # of the slide, from which a picture may be all of it
# What python-pptx raises, by what part of the file is damaged.
_FAULTS = (
    PackageNotFoundError, XmlError, zipfile.BadZipFile, zlib.error,
    KeyError, ValueError, OSError, AttributeError, NotImplementedError,
)  # fmt: skip


@dataclass(slots=True)
class _Slide:
    """What is seen on one slide, and the notes below it. pictures: the file, its pixels, its share of the slide."""

    pieces: list[Piece] = field(default_factory=list)
    pictures: list[tuple[bytes, tuple[int, int], float]] = field(default_factory=list)
    notes: str = ""

    def letters(self) -> int:
        return sum(letters(piece.text) for piece in self.pieces)


def read_slides(path: Path, context: ReaderContext) -> ExtractedBook:
    """Read a PPTX file; raises UnreadableBookError when it is not one.

    Slides that hold hardly more than pictures are read by character recognition.
    """
    try:
        show = Presentation(str(path))
        slides = _read_all(show, path.name)
    except _FAULTS as error:
        raise UnreadableBookError(
            f"{path.name} is not a readable pptx file: {error}",
            mend="open it in the program that made it and save it again",
        ) from error
    if len(slides) > context.max_pages:
        raise UnreadableBookError(
            f"{path.name} has {len(slides)} slides, more than the limit of {context.max_pages}",
            mend="split the file, or raise KEBEN_INGEST__MAX_PAGES",
        )
    return _build(slides, path.name, context)


def _build(slides: dict[int, _Slide], name: str, context: ReaderContext) -> ExtractedBook:
    scanned = _scanned(slides)
    images = [(number, image) for number in scanned for image, _, _ in slides[number].pictures]
    pages, ocr = recognise([image for _, image in images], name, context) if images else ([], ())
    builder = TextBuilder()
    for number, slide in slides.items():
        builder.start_page(number, str(number))
        builder.add_all(slide.pieces)
        for (where, _), pieces in zip(images, pages, strict=True):
            builder.add_all(pieces if where == number else ())
        builder.add(BlockKind.paragraph, slide.notes)
    numbered = tuple(type(page)(images[page.number - 1][0], page.engine, page.confidence) for page in ocr)
    return builder.build(ocr=numbered)


def _scanned(slides: dict[int, _Slide]) -> list[int]:
    """The slides to read from their pictures: all of a deck that has hardly any text, else those without any."""
    sizes = [size for slide in slides.values() for _, size, _ in slide.pictures]
    if is_scan(sum(slide.letters() for slide in slides.values()), sizes):
        return [number for number, slide in slides.items() if slide.pictures]
    return [
        number
        for number, slide in slides.items()
        if slide.letters() < _FEW and sum(share for _, _, share in slide.pictures) >= _PICTURE_SHARE
    ]


def _read_all(show: Any, name: str) -> dict[int, _Slide]:
    # Nobody sees a hidden slide, so what it says might be meant for a language model alone.
    seen = {number: slide for number, slide in enumerate(show.slides, 1) if slide._element.get("show") != "0"}
    for slide in seen.values():
        unwrap_alternatives(slide._element)
    formulas = [formula for slide in seen.values() for formula in outermost(slide._element)]
    for formula, tex in zip(formulas, latex_of(formulas, name), strict=True):
        formula.set(TEX, tex)
    area = Box(0, 0, int(show.slide_width or 0), int(show.slide_height or 0))
    return {number: _read(slide, area) for number, slide in seen.items()}


def _read(slide: Any, area: Box) -> _Slide:
    read = _Slide()
    title = slide.shapes.title
    if title is not None and (words := line_of(title.text_frame)):
        read.pieces.append(Piece(BlockKind.heading, words, 1))
    others = [shape for shape in slide.shapes if title is None or shape.shape_id != title.shape_id]
    _add_shapes(read, others, area, area)
    if slide.has_notes_slide and (frame := slide.notes_slide.notes_text_frame):
        read.notes = frame.text
    return read


def _add_shapes(read: _Slide, shapes: Sequence[Any], within: Box, area: Box) -> None:
    """Add what `shapes` say. within: what is visible of their plane; area: the slide."""
    placed = [(_box(shape), shape) for shape in shapes if not _is_hidden(shape)]
    visible = [(box, shape) for box, shape in placed if box.touches(within)]
    for shape in in_reading_order(visible, within):
        if hasattr(shape, "shapes"):
            inner = [_box(each) for each in shape.shapes]
            _add_shapes(read, list(shape.shapes), Box.around(inner), area)
        else:
            _add_shape(read, shape, area)


def _add_shape(read: _Slide, shape: Any, area: Box) -> None:
    if shape.has_text_frame:
        read.pieces += frame_pieces(shape.text_frame)
    elif shape.has_table:
        read.pieces.append(Piece(BlockKind.table, table_text(shape.table)))
    elif shape.has_chart:
        read.pieces += chart_pieces(shape.chart)
    elif is_diagram(shape):
        read.pieces.append(Piece(BlockKind.list, diagram_text(shape)))
    elif hasattr(type(shape), "image"):  # asked of the shape itself, a linked picture raises
        _add_picture(read, shape, area)


def _add_picture(read: _Slide, shape: Any, area: Box) -> None:
    try:
        data = shape.image.blob
    except (KeyError, ValueError):  # linked, not embedded
        return
    if min(size := image_size(data)) > 0:
        read.pictures.append((data, size, _box(shape).size / max(area.size, 1)))


def _is_hidden(shape: Any) -> bool:
    marks = shape._element.xpath("./*/p:cNvPr[@hidden]")
    return bool(marks) and marks[0].get("hidden") in {"1", "true"}


def _box(shape: Any) -> Box:
    left, top = int(shape.left or 0), int(shape.top or 0)
    return Box(left, top, left + int(shape.width or 0), top + int(shape.height or 0))
