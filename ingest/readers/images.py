"""Images as scanned pages: files of images, and documents whose pages are images.

Pages are put into a PDF, whose reader knows headings, tables and furniture of a recognised page.
"""

import io
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from core.errors import UnreadableBookError
from core.types import ExtractedBook, OcrPage
from ingest.readers.context import ReaderContext, check_page
from ingest.readers.text_builder import Piece

MAX_PIXELS = 80_000_000  # an A3 page at 600 dpi has 70 million
_DPI = 200  # at which the PDF reader draws a page: its pixels are those of the image
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", "PPM")
# A document with fewer letters than this, or so few for each of its page images, is a scan.
_HARDLY_TEXT, _LETTERS_PER_PAGE = 120, 30
_SMALLEST, PAGE_SIDE = 40, 800  # pixels: below, an ornament; from here on, perhaps a page
_FAULTS = (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError)


def read_image(path: Path, context: ReaderContext) -> ExtractedBook:
    """Read an image file, each frame of it a page.

    Raises UnreadableBookError when it is damaged, or has too many pixels or frames.
    """
    with _opened_file(path) as (file, count):
        if count > context.max_pages:
            raise UnreadableBookError(
                f"{path.name} has {count} pages, more than the limit of {context.max_pages}",
                mend="split the file, or raise KEBEN_INGEST__MAX_PAGES",
            )
        return _read_pages(_frames(file, range(count), path.name), path.name, context)


def page_as_pdf(path: Path, number: int, target: Path) -> None:
    """Write page `number` (from 1) of an image file as a PDF that has the very image that was recognised.

    Raises PageMissing, and UnreadableBookError as `read_image`.
    """
    with _opened_file(path) as (file, count):
        check_page(path, number, count)
        _write_pages(_frames(file, [number - 1], path.name), target)


@contextmanager
def _opened_file(path: Path) -> Iterator[tuple[Image.Image, int]]:
    """The image file and the number of its pages; what goes wrong while it is open is told of the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(path, formats=_FORMATS) as file:
                yield file, getattr(file, "n_frames", 1) if file.format == "TIFF" else 1
        except Image.DecompressionBombError as error:
            raise _too_large(path.name, str(error)) from error
        except _FAULTS as error:
            raise UnreadableBookError(
                f"{path.name} is not a readable image: {error}", mend="it may be cut short or damaged: scan it again"
            ) from error


def image_size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels by the head of an image; (0, 0) where it is none that can be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(data), formats=_FORMATS) as file:
                return file.size
        except (*_FAULTS, Image.DecompressionBombError):
            return 0, 0


def _opened(data: bytes) -> Image.Image:
    """An image of a document, upright; a blank one where it is damaged or far too large."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            return _upright(Image.open(io.BytesIO(data), formats=_FORMATS), "image")
        except (*_FAULTS, Image.DecompressionBombError, UnreadableBookError):
            return Image.new("L", (_SMALLEST, _SMALLEST), 255)


def is_scan(letters: int, sizes: Sequence[tuple[int, int]]) -> bool:
    """Whether a document of so many letters has its text in its images; `sizes` in pixels."""
    if not any(min(size) >= _SMALLEST for size in sizes):
        return False
    pages = sum(max(size) >= PAGE_SIDE for size in sizes)
    return letters < max(_HARDLY_TEXT, _LETTERS_PER_PAGE * pages)


def recognise(
    images: Iterable[bytes], name: str, context: ReaderContext
) -> tuple[list[list[Piece]], tuple[OcrPage, ...]]:
    """What stands on each of `images` of the file called `name`, and how sure that is."""
    book = _read_pages(map(_opened, images), name, context)
    pieces: list[list[Piece]] = [[] for _ in book.pages]
    for block in book.blocks:
        number = book.page_at(block.start).number or 1
        pieces[number - 1].append(Piece(block.kind, book.text[block.start : block.end], block.level, block.continues))
    return pieces, book.ocr


def _read_pages(images: Iterable[Image.Image], name: str, context: ReaderContext) -> ExtractedBook:
    from ingest.readers.pdf import read_pdf  # here, for few documents need it

    with tempfile.TemporaryDirectory(prefix="keben-pages-") as folder:
        path = Path(folder, name)
        _write_pages(images, path)
        return read_pdf(path, context)


def _write_pages(images: Iterable[Image.Image], target: Path) -> None:
    for number, image in enumerate(images):
        image.save(target, "PDF", append=number > 0, resolution=float(_DPI), quality=95)


def _frames(file: Image.Image, numbers: Sequence[int], name: str) -> Iterator[Image.Image]:
    several = getattr(file, "n_frames", 1) > 1 and file.format == "TIFF"
    for number in numbers:
        if several:
            file.seek(number)
        yield _upright(file, f"{name}, page {number + 1}" if several else name)


def _upright(file: Image.Image, name: str) -> Image.Image:
    """The frame as grey or RGB on white, turned as its EXIF data say."""
    width, height = file.size
    if width * height > MAX_PIXELS:
        raise _too_large(name, f"{width} × {height} pixels")
    turned = ImageOps.exif_transpose(file) or file
    if turned.mode in {"1", "L"} and "transparency" not in turned.info:
        return turned.convert("L")
    layered = turned.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")


def _too_large(name: str, size: str) -> UnreadableBookError:
    return UnreadableBookError(
        f"{name} is too large an image ({size}; {MAX_PIXELS // 10**6} million pixels are allowed)",
        mend="scale it down: 300 dots per inch are enough to read a page",
    )
