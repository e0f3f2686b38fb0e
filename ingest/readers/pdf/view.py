"""A page as people see it: its image, and where on it each character of its text layer stands."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pypdfium2 as pdfium

from ingest.readers.pdf.chars import characters, turned
from ingest.readers.pdf.probe import Probe

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class PageView:
    """image: of the page. text: pdfium's characters, in the order of the file, spaces and ends of lines among them.

    boxes: of the characters on the image, shape (len(text), 4): left, top, right, bottom in pixels, y downwards.
    """

    image: "Image"
    text: str
    boxes: npt.NDArray[np.float64]


def read_view(page: pdfium.PdfPage, text_page: pdfium.PdfTextPage, scale: float) -> PageView:
    """The page at `scale` pixels per point."""
    image: Image = page.render(scale=scale).to_pil()
    text = characters(text_page)
    left, bottom, right, top = page.get_bbox()
    boxes = Probe(text_page).boxes(np.arange(len(text))) if text else np.empty((0, 4))
    points = turned(boxes, (left, bottom, right, top), page.get_rotation())
    wide, high = right - left, top - bottom
    if page.get_rotation() % 180:
        wide, high = high, wide
    # By the image's own size, which is rounded up to whole pixels.
    pixels = np.array([image.width / max(wide, 1e-6), image.height / max(high, 1e-6)] * 2)
    return PageView(image, text, np.nan_to_num(points * pixels))
