"""Whom a rebuild tells how far it is."""

from typing import Protocol

from ingest.report import FileReport


class Progress(Protocol):
    """Told what happens; the command line draws it."""

    def start(self, files: int) -> None:
        """`files` files will be looked at."""

    def file(self, report: FileReport) -> None:
        """One file is done."""

    def stage(self, name: str) -> None:
        """A stage without files begins, such as writing the index."""


class Silent:
    """No progress."""

    def start(self, files: int) -> None:
        """Nothing."""

    def file(self, report: FileReport) -> None:
        """Nothing."""

    def stage(self, name: str) -> None:
        """Nothing."""
