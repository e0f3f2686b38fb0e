"""Long PDFs for the benchmarks: the pages of real text PDFs, again and again."""

from pathlib import Path

import pypdfium2

from core.settings import PROJECT

BUNDLED = PROJECT / "knowledge" / "operating-systems.pdf"


def sources(data: Path) -> list[Path]:
    """Text PDFs at hand: an English one of the shared data where it is there, and the bundled Chinese one."""
    english = data / "books" / "en" / "erickson_07-mst.pdf"
    return [path for path in (english, BUNDLED) if path.is_file()]


def long_pdf(target: Path, found: list[Path], pages: int) -> str:
    """Write a PDF of `pages` pages taken from `found` in turn; what it is made of, in words."""
    with pypdfium2.PdfDocument.new() as book:
        books = [pypdfium2.PdfDocument(path) for path in found]
        while len(book) < pages:
            for part in books:
                wanted = min(len(part), pages - len(book))
                if wanted > 0:
                    book.import_pages(part, list(range(wanted)))
        book.save(target)
        for part in books:
            part.close()
    return f"{pages} pages, repeated from {' and '.join(path.name for path in found)}"
