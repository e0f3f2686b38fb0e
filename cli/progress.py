"""Progress of a rebuild: a bar on a terminal, plain lines elsewhere."""

import sys
from types import TracebackType
from typing import NoReturn, Self

from tqdm import tqdm

from ingest.report import FileReport


class TerminalProgress:
    """Draws on stderr, so that stdout stays for the report; `quiet` draws nothing."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: tqdm[NoReturn] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()

    def start(self, files: int) -> None:
        """`files` files will be looked at."""
        if not self._quiet and sys.stderr.isatty():
            self._bar = tqdm(total=files, unit="book", dynamic_ncols=True, desc="reading")

    def file(self, report: FileReport) -> None:
        """One file is done."""
        if self._bar is not None:
            self._bar.set_postfix_str(report.source[-30:])
            self._bar.update()
        elif not self._quiet:
            print(f"{report.status}: {report.source} ({report.chunks} passages)", file=sys.stderr, flush=True)

    def stage(self, name: str) -> None:
        """A stage without files begins."""
        if self._bar is not None:
            self._bar.set_description(name)
            self._bar.set_postfix_str("")
        elif not self._quiet:
            print(f"{name} …", file=sys.stderr, flush=True)
