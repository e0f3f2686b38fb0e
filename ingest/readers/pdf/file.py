"""Opens a PDF with pypdfium2: its pages, outline, labels and renders. `chars` reads a page's text."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from core.errors import UnreadableBookError
from ingest.readers.pdf.chars import RawPage, read_chars
from ingest.readers.pdf.view import PageView, read_view

if TYPE_CHECKING:
    from PIL.Image import Image

_RENDER_DPI = 200
_RENDER_SIDE = 2400  # pixels; the recogniser scales to 2,000, and larger bitmaps only cost memory
_TAIL = 65_536  # bytes at the end of a file in which a whole PDF has its trailer
_AGAIN = "get the file again: download, copy or export it anew"
_JUNK_TITLE = re.compile(r"^(untitled|无标题|microsoft |slide \d|.*\.(docx?|pptx?|tex|dvi|indd|qxd|wps|pdf)$)", re.I)


@dataclass(frozen=True, slots=True)
class OutlineItem:
    """A bookmark. depth: 1 for the top; page: 0-based, None where it leads nowhere."""

    title: str
    depth: int
    page: int | None


class PdfFile:
    """An open PDF. Raises `UnreadableBookError` at construction for a file that cannot be used."""

    def __init__(self, path: Path, max_pages: int) -> None:
        self._path = path
        self._document = _open(path)
        count = len(self._document)
        if count == 0:
            raise _unreadable(path, "has no pages", "export the book again")
        if count > max_pages:
            mend = "split the file, or raise the page limit"
            raise _unreadable(path, f"has {count} pages, more than the limit of {max_pages}", mend)

    def __len__(self) -> int:
        return len(self._document)

    def close(self) -> None:
        """Release the file."""
        self._document.close()

    def label(self, index: int) -> str | None:
        """The page's label from the file's /PageLabels, None without."""
        return self._document.get_page_label(index).strip() or None

    def title(self) -> str | None:
        """The title in the file's properties, unless a program has put a file name there."""
        title = re.sub(r"\s+", " ", self._document.get_metadata_value("Title")).strip("\0 ")
        return None if len(title) < 2 or _JUNK_TITLE.search(title) else title

    def outline(self) -> list[OutlineItem]:
        """The bookmarks in order, at most 6 deep."""
        items = []
        for mark in self._document.get_toc(max_depth=6):
            dest = mark.get_dest()
            title = re.sub(r"\s+", " ", mark.get_title()).strip("\0 ")
            if title:
                items.append(OutlineItem(title, mark.level + 1, dest.get_index() if dest else None))
        return items

    def read(self, index: int) -> RawPage | None:
        """The text layer of page `index` (0-based); None where the page is damaged."""
        try:
            page = self._document[index]
            text_page = page.get_textpage()
        except pdfium.PdfiumError:
            return None
        read = read_chars(page, text_page)
        text_page.close()
        page.close()
        return read

    def image_share(self, index: int) -> float:
        """How much of the page its images cover, 0 to 1. Outlined text (many paths) counts as 1."""
        page = self._document[index]
        left, bottom, right, top = page.get_bbox()
        covered, paths = 0.0, 0
        for item in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_PATH]):
            if item.type == raw.FPDF_PAGEOBJ_PATH:
                paths += 1
                continue
            x0, y0, x1, y1 = item.get_bounds()
            covered += max(0.0, min(x1, right) - max(x0, left)) * max(0.0, min(y1, top) - max(y0, bottom))
        page.close()
        area = max(1.0, (right - left) * (top - bottom))
        return 1.0 if paths >= 100 else min(1.0, covered / area)

    def scale(self, index: int) -> float:
        """Pixels per point of the page's image: 200 dpi, fewer on large pages."""
        return min(_RENDER_DPI / 72, _RENDER_SIDE / max(1.0, *self.size(index)))

    def render(self, index: int) -> "Image":
        """The page as an image. Raises `UnreadableBookError` where it cannot be drawn."""
        try:
            page = self._document[index]
            image: Image = page.render(scale=self.scale(index)).to_pil()
            page.close()
        except pdfium.PdfiumError as error:
            raise _unreadable(self._path, f"has a page {index + 1} that cannot be drawn", _AGAIN) from error
        return image

    def view(self, index: int, scale: float) -> PageView:
        """The page as people see it, at `scale` pixels per point. Raises `UnreadableBookError` as `render`."""
        try:
            page = self._document[index]
            text_page = page.get_textpage()
            seen = read_view(page, text_page, scale)
            text_page.close()
            page.close()
        except pdfium.PdfiumError as error:
            raise _unreadable(self._path, f"has a page {index + 1} that cannot be drawn", _AGAIN) from error
        return seen

    def size(self, index: int) -> tuple[float, float]:
        """Width and height of the page in points, as it is displayed."""
        width, height = self._document.get_page_size(index)
        return float(width), float(height)


def _unreadable(path: Path, fault: str, mend: str) -> UnreadableBookError:
    return UnreadableBookError(f"{path.name}: the PDF {fault}", mend=mend)


def _open(path: Path) -> pdfium.PdfDocument:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(0, size - _TAIL))
            tail = file.read()
        document = pdfium.PdfDocument(path) if size else None
    except OSError as error:
        mend = "check the path and its rights"
        raise _unreadable(path, f"cannot be opened: {error.strerror}", mend) from error
    except pdfium.PdfiumError as error:
        raise _refused(path, error) from error
    if document is None:
        raise _unreadable(path, "is empty (0 bytes)", _AGAIN)
    # pdfium repairs what it can of a cut file, and would give a part of the book for the whole.
    if b"%%EOF" not in tail and b"startxref" not in tail:
        raise _unreadable(path, "is truncated: its end is missing", _AGAIN)
    return document


def _refused(path: Path, error: pdfium.PdfiumError) -> UnreadableBookError:
    """Why pdfium did not load the file. Its last error can be an older one, so the file must agree."""
    data = path.read_bytes()
    if getattr(error, "err_code", None) == raw.FPDF_ERR_PASSWORD and b"/Encrypt" in data:
        mend = "save a copy without a password (qpdf --decrypt, or print to PDF)"
        return _unreadable(path, "is encrypted and needs a password", mend)
    if b"%%EOF" in data[-_TAIL:] and re.search(rb"/Type\s*/Pages\b[^>]*/Count\s+0\b", data):
        return _unreadable(path, "has no pages", "export the book again")
    return _unreadable(path, f"is corrupt, truncated or not a PDF ({error})", _AGAIN)
