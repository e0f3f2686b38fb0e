"""One reader per format: a file in, an `ExtractedBook` out."""

from collections.abc import Callable
from pathlib import Path

from core.errors import UnreadableBookError
from core.types import ExtractedBook

PANDOC = frozenset({".docx", ".epub", ".odt", ".ipynb", ".tex", ".rst", ".html", ".htm", ".xhtml"})
SUFFIXES = PANDOC | {".pdf", ".pptx", ".md", ".markdown", ".txt"}

# Raised whenever what a reader gives back changes, so that unchanged files are read again.
VERSION = 1


def read_book(path: Path, allow_cpu: Callable[[float], None], max_pages: int) -> ExtractedBook:
    """Read `path` by its suffix. `allow_cpu(seconds)` asks for more processor time (OCR).

    Raises UnreadableBookError naming the file, the fault and the mend.
    """
    # Readers are imported when needed: a Markdown file must not pay for onnxruntime.
    match path.suffix.lower():
        case ".pdf":
            from ingest.readers.pdf import read_pdf

            return read_pdf(path, allow_cpu, max_pages)
        case ".pptx":
            from ingest.readers.slides import read_slides

            return read_slides(path)
        case ".md" | ".markdown":
            from ingest.readers.markdown import read_markdown

            return read_markdown(path)
        case ".txt":
            from ingest.readers.text import read_text

            return read_text(path)
        case suffix if suffix in PANDOC:
            from ingest.readers.pandoc import read_pandoc

            return read_pandoc(path)
    raise UnreadableBookError(
        f"{path.name}: no reader for '{path.suffix}'", mend=f"convert it to one of {', '.join(sorted(SUFFIXES))}"
    )
