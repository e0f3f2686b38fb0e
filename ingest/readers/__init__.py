"""One reader per format: a file in, an `ExtractedBook` out."""

from pathlib import Path

from core.errors import UnreadableBookError
from core.types import ExtractedBook
from ingest.readers.context import Reader, ReaderContext

PANDOC = frozenset({".docx", ".epub", ".odt", ".ipynb", ".tex", ".rst", ".html", ".htm", ".xhtml"})
IMAGES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"})
TABLES = frozenset({".xlsx", ".csv", ".tsv"})
LEGACY = frozenset({".doc", ".ppt", ".xls"})
SUFFIXES = PANDOC | IMAGES | TABLES | LEGACY | {".pdf", ".pptx", ".md", ".markdown", ".txt"}

# Raised whenever what a reader gives back changes, so that unchanged files are read again.
VERSION = 5


def read_book(path: Path, context: ReaderContext) -> ExtractedBook:
    """Read `path` by its suffix; raises UnreadableBookError naming the file, the fault and the mend."""
    return _reader(path)(path, context)


def _reader(path: Path) -> Reader:
    # Readers are imported when needed: a Markdown file must not pay for onnxruntime.
    match path.suffix.lower():
        case ".pdf":
            from ingest.readers.pdf import read_pdf

            return read_pdf
        case ".pptx":
            from ingest.readers.slides import read_slides

            return read_slides
        case ".md" | ".markdown":
            from ingest.readers.markdown import read_markdown

            return read_markdown
        case ".txt":
            from ingest.readers.text import read_text

            return read_text
        case ".xlsx":
            from ingest.readers.workbook import read_workbook

            return read_workbook
        case ".csv" | ".tsv":
            from ingest.readers.delimited import read_delimited

            return read_delimited
        case suffix if suffix in IMAGES:
            from ingest.readers.images import read_image

            return read_image
        case suffix if suffix in LEGACY:
            from ingest.readers.legacy import read_legacy

            return read_legacy
        case suffix if suffix in PANDOC:
            from ingest.readers.pandoc import read_pandoc

            return read_pandoc
    raise UnreadableBookError(
        f"{path.name}: no reader for '{path.suffix}'", mend=f"convert it to one of {', '.join(sorted(SUFFIXES))}"
    )
