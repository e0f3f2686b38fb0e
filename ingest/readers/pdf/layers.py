"""The text layers of a document's pages; of a long one, read by several processes, since pdfium has one thread."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_all_start_methods, get_context
from pathlib import Path

from core.errors import UnreadableBookError
from ingest.readers.pdf.chars import RawPage
from ingest.readers.pdf.file import PdfFile

_LONG = 64  # pages; below, a second process costs more than it saves
_AT_A_TIME = 16
_opened: list[PdfFile] = []  # of a process that reads pages for another one


def read_layers(document: PdfFile, path: Path, workers: int) -> Iterator[RawPage | None]:
    """The text layer of each page of `document`, which was opened from `path`; None for a damaged page.

    workers: most processes. They are forked, so none may be started once a thread runs.
    """
    if len(document) < _LONG or workers < 2 or "fork" not in get_all_start_methods():
        yield from map(document.read, range(len(document)))
        return
    pool = ProcessPoolExecutor(workers, get_context("fork"), _open, (path, len(document)))
    try:
        yield from pool.map(_read, range(len(document)), chunksize=_AT_A_TIME)
    except BrokenProcessPool as error:
        raise UnreadableBookError(
            f"{path.name}: the PDF has a page that ends the program which reads it",
            mend="print it to a new PDF, or leave it out",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _open(path: Path, pages: int) -> None:
    _opened[:] = [PdfFile(path, pages)]


def _read(index: int) -> RawPage | None:
    return _opened[0].read(index)
