"""The child process that parses one file: `python -m ingest.worker FILE OUT OPTIONS`.

It lowers its own limits before it touches the file, so that a hostile or broken file can only
harm this process. The result, a book or an error, is written to OUT as JSON.
"""

import dataclasses
import gc
import json
import resource
import sys
from functools import partial
from pathlib import Path
from typing import Any

from core.errors import UnreadableBookError
from core.types import Block, BlockKind, ExtractedBook, OcrPage, Page
from ingest.check import check_file
from ingest.child import progress_file
from ingest.limits import answer, die_with_parent, lower_limits
from ingest.readers import read_book
from ingest.readers.context import ReaderContext
from ingest.readers.ocr import Ocr

_FIRST_PAGE_MB, _PAGE_MB = 2048, 600  # address space for reading one page image, and for each more at a time


def _grant(out: Path, seconds: float) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft + int(seconds), hard))
    progress_file(out).touch()


def _context(out: Path, options: dict[str, Any]) -> ReaderContext:
    allow_cpu = partial(_grant, out)
    # On a machine of many cores it is the address space that bounds how many pages are read at a time.
    most = 1 + max(0, options["memory_mb"] - _FIRST_PAGE_MB) // _PAGE_MB
    ocr = Ocr(
        options["ocr_engine"],
        languages=options["ocr_languages"],
        workers=min(options["page_workers"], most),
        cache=Path(options["ocr_cache"]) if options["ocr_cache"] else None,
        allow_cpu=allow_cpu,
    )
    return ReaderContext(options["max_pages"], allow_cpu, ocr, options["page_workers"])


def main(path: str, out: str, options: str) -> None:
    """Parse `path`. options: JSON of the ingest settings, and `ocr_cache`, a folder or null."""
    bounds: dict[str, Any] = json.loads(options)
    gc.set_threshold(50_000, 20, 50)  # a book is many objects that stay, which need not be looked at again and again
    lower_limits(bounds["memory_mb"], bounds["cpu_seconds"])
    file = Path(path)

    def read() -> dict[str, Any]:
        check_file(file, bounds["max_file_mb"])
        return {"book": dataclasses.asdict(read_book(file, _context(Path(out), bounds)))}

    answer(file, Path(out), bounds["memory_mb"], read)


def book_from_json(data: dict[str, Any]) -> ExtractedBook:
    """The inverse of `dataclasses.asdict` for an ExtractedBook."""
    if not isinstance(data.get("text"), str):
        raise UnreadableBookError("the parser gave back no text", mend="report the file")
    return ExtractedBook(
        data["text"],
        tuple(Page(**page) for page in data["pages"]),
        tuple(Block(**{**block, "kind": BlockKind(block["kind"])}) for block in data["blocks"]),
        data["title"],
        tuple(OcrPage(**page) for page in data["ocr"]),
        tuple(data["notes"]),
    )


if __name__ == "__main__":
    die_with_parent(sys.argv[3])
    main(*sys.argv[1:4])
