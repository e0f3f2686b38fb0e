"""A page of a book as an image, with a quote marked on it."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from core.errors import BookChanged, PageMissing, UnreadableBookError
from core.settings import Settings
from ingest.child import Limits, run_limited
from ingest.quotes import Quote
from ingest.readers import IMAGES
from vector_db.files import sha256
from vector_db.layout import KnowledgeBaseFolder
from vector_db.manifest import BookRecord, Manifest

_CPU_SECONDS, _WALL_SECONDS = 20, 30  # an ordinary page takes one
_LONGEST_QUOTE = 10_000  # characters; it goes over the command line, and no page has as many
_PAGED = IMAGES | {".pdf"}


@dataclass(frozen=True, slots=True)
class PageImage:
    """png: the file. highlighted: whether the quote was found on the page. width, height: in pixels."""

    png: bytes
    highlighted: bool
    width: int
    height: int


def page_image(
    settings: Settings, manifest: Manifest, book: BookRecord, page: int, quote: Quote | None = None
) -> PageImage:
    """Page `page` (from 1) of `book` of the generation that `manifest` describes, `quote` marked where it stands.

    The file is drawn by a process of its own, which takes about a second of a core and some hundred MiB; whoever
    calls bounds how many there are at a time.

    Raises PageMissing for a format without pages and a page that is not there, BookChanged when the file is gone
    or not the one that was indexed, UnreadableBookError when it cannot be drawn.
    """
    path = Path(manifest.source_dir) / book.source
    if path.suffix.lower() not in _PAGED:
        raise PageMissing(
            f"{book.source} has no pages to show: only PDFs and images have", mend="read the quote in the text instead"
        )
    _check_unchanged(path, book)
    quote = quote or Quote("")
    options = {
        "page": page,
        "quote": quote.text[:_LONGEST_QUOTE],
        "nth": quote.nth,
        "max_pages": settings.ingest.max_pages,
        "ocr_engine": book.ocr_engine,
        "ocr_languages": settings.ingest.ocr_languages,
        "ocr_cache": _recognised(settings, manifest, book),
    }
    limits = Limits(settings.ingest.memory_mb, _CPU_SECONDS, _WALL_SECONDS, too_slow="open the file itself")
    with tempfile.TemporaryDirectory(prefix="keben-") as folder:
        result = run_limited("ingest.page_worker", path, Path(folder), limits, options)
        if "error" in result:
            kind = PageMissing if result.get("code") == PageMissing.code else UnreadableBookError
            raise kind(result["error"], mend=result["mend"])
        png = Path(folder, "answer.png").read_bytes()
    return PageImage(png, result["highlighted"], result["width"], result["height"])


def _recognised(settings: Settings, manifest: Manifest, book: BookRecord) -> str | None:
    """The folder of the book's recognised page images; None where none was recognised."""
    if not book.ocr_pages:
        return None
    return str((KnowledgeBaseFolder(settings.data_dir, manifest.kb).recognised / book.id).resolve())


def _check_unchanged(path: Path, book: BookRecord) -> None:
    """Places of quotes are those of the file as it was read."""
    try:
        same, fault = sha256(path) == book.sha256, "has changed since it was indexed"
    except OSError as error:
        same, fault = False, f"cannot be read: {error.strerror}"
    if not same:
        raise BookChanged(f"{book.source} {fault}", mend="run `keben rebuild`, or put the file back")
