"""What every reader is given besides the file."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from core.errors import PageMissing
from core.types import ExtractedBook
from ingest.readers.ocr import Ocr


@dataclass(frozen=True, slots=True)
class ReaderContext:
    """Limits and helpers of one reading.

    max_pages: most pages of one file. allow_cpu(seconds): asks for more processor time. ocr: reads images of
    pages, and asks for the time itself; its engine is loaded at the first use. workers: pages read at a time.
    """

    max_pages: int
    allow_cpu: Callable[[float], None] = lambda seconds: None
    ocr: Ocr = field(default_factory=Ocr)
    workers: int = 1


class Reader(Protocol):
    """A reader of one format. Raises UnreadableBookError naming the file, the fault and the mend."""

    def __call__(self, path: Path, context: ReaderContext) -> ExtractedBook:
        """The whole text of `path`."""


def check_page(path: Path, number: int, count: int) -> None:
    """Raise PageMissing unless the file has a page `number`, from 1."""
    if not 1 <= number <= count:
        pages = f"pages 1 to {count}" if count > 1 else "one page, 1"
        raise PageMissing(f"{path.name} has no page {number}: it has {pages}", mend="name one of its pages")
