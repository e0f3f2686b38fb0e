"""Whom a rebuild tells how far it is."""

from typing import Protocol

from ingest.report import FileReport


class Progress(Protocol):
    """Told what happens; the command line draws it. Sizes are in bytes."""

    def start(self, files: int, size: int) -> None:
        """`files` files of `size` bytes together will be looked at."""

    def file(self, report: FileReport, size: int) -> None:
        """One file is done."""

    def embedded(self, passages: int, left: int) -> None:
        """`passages` more of the present book were embedded, `left` are still to come."""

    def stage(self, name: str) -> None:
        """A stage without files begins, such as writing the index."""


class Silent:
    """No progress."""

    def start(self, files: int, size: int) -> None:
        """Nothing."""

    def file(self, report: FileReport, size: int) -> None:
        """Nothing."""

    def embedded(self, passages: int, left: int) -> None:
        """Nothing."""

    def stage(self, name: str) -> None:
        """Nothing."""
