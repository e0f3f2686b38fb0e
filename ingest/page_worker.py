"""The child process that draws one page: `python -m ingest.page_worker FILE OUT OPTIONS`, the image beside OUT."""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from core.errors import ModelError
from ingest.limits import answer, die_with_parent, lower_limits
from ingest.marks import Found, find, line_boxes
from ingest.quotes import Quote
from ingest.readers import IMAGES
from ingest.readers.context import check_page
from ingest.readers.ocr import Ocr, OcrLine
from ingest.readers.pdf.file import PdfFile

if TYPE_CHECKING:
    from PIL.Image import Image

_WIDE, _HIGH = 1200, 3600  # pixels; the width is readable, the height bounds a page that is all height
_LARGEST = 8.0  # pixels per point; a stamp is not blown up to a poster
_YELLOW = (255, 232, 92)
_ROOM = 0.06  # of a line's height, around its box
_FAST = 3  # of zlib's levels; the default one takes twice as long for a scan, and makes no smaller files
_ENOUGH = 0.5  # share of a quote in the text layer; with less, what was recognised may have more
_Box = tuple[float, float, float, float]


def image_file(out: Path) -> Path:
    """Where the page's image is written, beside the answer."""
    return out.with_suffix(".png")


def draw(path: Path, out: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Write the image of page `options["page"]` and say what is on it. options: as `ingest.page_image` gives them."""
    number: int = options["page"]
    with tempfile.TemporaryDirectory() as folder:
        if path.suffix.lower() in IMAGES:
            from ingest.readers.images import page_as_pdf

            page_as_pdf(path, number, Path(folder, path.name))
            path, number = Path(folder, path.name), 1
        document = PdfFile(path, options["max_pages"])
        try:
            check_page(path, number, len(document))
            image, marked = _drawn(document, number - 1, Quote(options["quote"], options["nth"]), options)
        finally:
            document.close()
    image.save(image_file(out), "PNG", compress_level=_FAST)
    return {"width": image.width, "height": image.height, "highlighted": marked}


def _drawn(document: PdfFile, index: int, quote: Quote, options: dict[str, Any]) -> "tuple[Image, bool]":
    width, height = document.size(index)
    scale = min(_WIDE / max(width, 1.0), _HIGH / max(height, 1.0), _LARGEST)
    view = document.view(index, scale)
    image = view.image.convert("RGB")
    found, boxes = find(quote, view.text), view.boxes
    if found.share < _ENOUGH and quote.text and options["ocr_cache"]:
        text, recognised = _recognised(document, index, image.width, options)
        better = find(quote, text)
        if better.share > found.share:
            found, boxes = better, recognised
    return image, _highlight(image, found, boxes)


def _recognised(
    document: PdfFile, index: int, width: int, options: dict[str, Any]
) -> tuple[str, npt.NDArray[np.float64]]:
    """The characters that were recognised on the page, and their boxes on an image of this width."""
    ocr = Ocr(options["ocr_engine"], languages=options["ocr_languages"], cache=Path(options["ocr_cache"]))
    read = document.render(index)
    try:
        lines = ocr.find(read) or []
    except ModelError:  # without the engine its results cannot be told from those of another one
        lines = []
    boxes = [box for line in lines for box in _spread(line)]
    return "".join(line.text for line in lines), np.array(boxes).reshape(-1, 4) * (width / read.width)


def _spread(line: OcrLine) -> list[_Box]:
    """A box for each character of a recognised line, of which only the box of all is known."""
    widths = [1.0 if ord(char) > 0x2E7F else 0.5 for char in line.text]
    ends = np.cumsum([0.0, *widths]) / max(sum(widths), 1e-6) * (line.x1 - line.x0) + line.x0
    return [(x0, line.y0, x1, line.y1) for x0, x1 in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)]


def _highlight(image: "Image", found: Found, boxes: npt.NDArray[np.float64]) -> bool:
    """Tint the lines of `found` as a text marker does; whether any of them lies on the image."""
    from PIL import Image, ImageChops

    areas = _areas(line_boxes(boxes, found.spans), image.size)
    for area in areas:
        part = image.crop(area)
        image.paste(ImageChops.multiply(part, Image.new("RGB", part.size, _YELLOW)), area)
    return bool(areas)


def _areas(lines: Sequence[_Box], size: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """Whole pixels inside the image, none twice below another: tinted twice, they would be darker."""
    areas: list[tuple[int, int, int, int]] = []
    for x0, y0, x1, y1 in lines:
        room = _ROOM * (y1 - y0)
        left, top = max(0, round(x0 - room)), max(0, round(y0 - room))
        right, bottom = min(size[0], round(x1 + room)), min(size[1], round(y1 + room))
        for area in areas:
            beside = left < area[2] and area[0] < right
            if beside and area[1] <= top < area[3]:
                top = area[3]
        if right > left and bottom > top:
            areas.append((left, top, right, bottom))
    return areas


def main(path: str, out: str, options: str) -> None:
    """Draw a page of `path`. options: JSON."""
    given: dict[str, Any] = json.loads(options)
    lower_limits(given["memory_mb"], given["cpu_seconds"])
    answer(Path(path), Path(out), given["memory_mb"], lambda: draw(Path(path), Path(out), given))


if __name__ == "__main__":
    die_with_parent(sys.argv[3])
    main(*sys.argv[1:4])
