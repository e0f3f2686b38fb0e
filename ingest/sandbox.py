"""Runs the parser of one file in a process of its own, under limits, and brings the book back."""

import tempfile
from pathlib import Path

from core.errors import UnreadableBookError
from core.settings import IngestSettings
from core.types import ExtractedBook
from ingest.child import Limits, run_limited
from ingest.worker import book_from_json

_FEWEST, _FEWEST_ON_PAGE = 8, 5  # letters and digits of a book, and of its pages on average


def parse_in_sandbox(
    path: Path, settings: IngestSettings, ocr_cache: Path | None = None, scratch: Path | None = None
) -> ExtractedBook:
    """Parse `path`; raises UnreadableBookError, also when the parser hangs, dies or finds no text.

    ocr_cache: folder in which each recognised page is kept as soon as it is read, as `<OcrPage.image>.json`.
    scratch: folder for the parser's own files, by default the system's. Raises StorageError when it is full.
    """
    with tempfile.TemporaryDirectory(prefix="keben-", dir=scratch) as folder:
        limits = Limits(
            settings.memory_mb,
            settings.cpu_seconds,
            settings.wall_seconds,
            too_slow="leave the file out, or raise KEBEN_INGEST__WALL_SECONDS",
        )
        options = {**settings.model_dump(), "ocr_cache": str(ocr_cache.resolve()) if ocr_cache else None}
        result = run_limited("ingest.worker", path, Path(folder), limits, options)
    if "error" in result:
        raise UnreadableBookError(result["error"], mend=result["mend"])
    book = book_from_json(result["book"])
    _check_text(path, book)
    return book


def _check_text(path: Path, book: ExtractedBook) -> None:
    """A book without text, or with hardly any, is a failure and no empty success."""
    found = sum(character.isalnum() for character in book.text)
    pages = sum(page.number is not None for page in book.pages)
    if found == 0:
        what = "holds no text that could be read"
    elif found < _FEWEST:
        what = f"holds only {found} letters and digits that could be read, fewer than {_FEWEST}"
    elif found < _FEWEST_ON_PAGE * pages:
        what = f"holds only {found} letters and digits on {pages} pages, fewer than {_FEWEST_ON_PAGE} a page"
    else:
        return
    raise UnreadableBookError(
        f"{path.name} {what}", mend="if it is a scan, check that its pages are legible and upright; else leave it out"
    )
