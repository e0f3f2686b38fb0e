"""The child process that parses one file: `python -m ingest.worker FILE OUT LIMITS`.

It lowers its own limits before it touches the file, so that a hostile or broken file can only
harm this process. The result, a book or an error, is written to OUT as JSON.
"""

import dataclasses
import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

from core.errors import KebenError, UnreadableBookError
from core.types import Block, BlockKind, ExtractedBook, OcrPage, Page
from ingest.check import check_file
from ingest.readers import read_book
from ingest.readers.context import ReaderContext

_MAX_OUTPUT = 2**30


def _lower_limits(memory_mb: int, cpu_seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb * 2**20, memory_mb * 2**20))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MAX_OUTPUT, _MAX_OUTPUT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _allow_cpu(seconds: float) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft + int(seconds), hard))


def main(path: str, out: str, limits: str) -> None:
    """Parse `path` under `limits` (JSON: memory_mb, cpu_seconds, max_file_mb, max_pages)."""
    bounds: dict[str, int] = json.loads(limits)
    os.environ["OMP_NUM_THREADS"] = os.environ["OMP_THREAD_LIMIT"] = "1"
    _lower_limits(bounds["memory_mb"], bounds["cpu_seconds"])
    file = Path(path)
    result: dict[str, Any]
    try:
        check_file(file, bounds["max_file_mb"])
        result = {"book": dataclasses.asdict(read_book(file, ReaderContext(bounds["max_pages"], _allow_cpu)))}
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
    main(*sys.argv[1:4])
