"""The child process that parses one file: `python -m ingest.worker FILE OUT OPTIONS`.

It lowers its own limits before it touches the file, so that a hostile or broken file can only
harm this process. The result, a book or an error, is written to OUT as JSON.
"""

import dataclasses
import gc
import json
import os
import resource
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

from core.errors import KebenError, UnreadableBookError
from core.types import Block, BlockKind, ExtractedBook, OcrPage, Page
from ingest.check import check_file
from ingest.readers import read_book
from ingest.readers.context import ReaderContext
from ingest.readers.ocr import Ocr

_PR_SET_PDEATHSIG = 1
_MAX_OUTPUT = 2**30
_FIRST_PAGE_MB, _PAGE_MB = 2048, 600  # address space for reading one page image, and for each more at a time


def _die_with_parent() -> None:
    """A rebuild that is killed leaves no parser running. Linux alone can do this; elsewhere the limits end it."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _lower_limits(memory_mb: int, cpu_seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb * 2**20, memory_mb * 2**20))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MAX_OUTPUT, _MAX_OUTPUT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def progress_file(out: Path) -> Path:
    """Touched whenever the worker is granted more time; its wall clock begins anew then."""
    return out.with_suffix(".progress")


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
    os.environ["OMP_NUM_THREADS"] = os.environ["OMP_THREAD_LIMIT"] = "1"
    _lower_limits(bounds["memory_mb"], bounds["cpu_seconds"])
    file = Path(path)
    result: dict[str, Any]
    try:
        check_file(file, bounds["max_file_mb"])
        result = {"book": dataclasses.asdict(read_book(file, _context(Path(out), bounds)))}
    except KebenError as error:
        result = {"error": error.message, "mend": error.mend}
    except MemoryError:
        result = {
            "error": f"{file.name} needs more than {bounds['memory_mb']} MiB of memory",
            "mend": "split the book, or raise KEBEN_INGEST__MEMORY_MB",
        }
    except RecursionError:
        result = {"error": f"{file.name} is nested too deeply", "mend": "leave the file out"}
    Path(out).write_text(json.dumps(result, ensure_ascii=False), encoding="utf-8", errors="surrogatepass")


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
    _die_with_parent()
    main(*sys.argv[1:4])
