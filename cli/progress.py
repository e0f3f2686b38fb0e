"""Progress of a rebuild: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from types import TracebackType
from typing import NoReturn, Self

from tqdm import tqdm

from ingest.report import FileReport

_EVERY = 5.0  # seconds between two lines about the passages of one book


class TerminalProgress:
    """Draws on stderr, so that stdout stays for the report; `quiet` draws nothing.

    The bar counts bytes, because books differ in size: so its time left means something.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: tqdm[NoReturn] | None = None
        self._files = self._done = self._pages = 0
        self._passages, self._seconds, self._since, self._told = 0, 0.0, 0.0, 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()

    def start(self, files: int, size: int) -> None:
        """`files` files of `size` bytes will be looked at."""
        self._files = files
        if not self._quiet and sys.stderr.isatty():
            self._bar = tqdm(total=size, unit="B", unit_scale=True, dynamic_ncols=True, desc="reading")

    def file(self, report: FileReport, size: int) -> None:
        """One file is done."""
        self._done += 1
        self._pages += report.pages
        if self._bar is not None:
            self._bar.update(size)
            self._show(report.source[-30:])
        elif not self._quiet:
            counts = f"{report.pages} pages, {report.chunks} passages"
            self._say(f"{report.status}: {report.source} ({counts}; file {self._done} of {self._files})")

    def embedded(self, passages: int, left: int) -> None:
        """`passages` more were embedded, `left` of this book are to come; 0 before the first."""
        now = time.monotonic()
        if passages:
            self._seconds += now - self._since
            self._passages += passages
        self._since = now
        if self._bar is not None:
            self._show(f"{left} passages to embed")
        elif not self._quiet and left and self._passages and now - self._told > _EVERY:
            self._told = now
            self._say(f"embedded {self._passages} passages{self._rate(left)}")

    def stage(self, name: str) -> None:
        """A stage without files begins."""
        if self._bar is not None:
            self._bar.set_description(name)
        elif not self._quiet:
            self._say(f"{name} …")

    def _show(self, what: str) -> None:
        if self._bar is not None:
            counts = f"{self._done}/{self._files} files, {self._pages} pages"
            self._bar.set_postfix_str(f"{counts}{self._rate(0)}, {what}")

    def _rate(self, left: int) -> str:
        speed = self._passages / max(self._seconds, 1e-3)
        if not self._passages:
            return ""
        rest = f", {left} to go, about {left / speed:.0f} s" if left else ""
        return f", {speed:.0f} passages/s{rest}"

    def _say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)
