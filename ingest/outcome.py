"""What becomes of one file in a rebuild, and what the generation before can say of it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.settings import Settings
from core.types import Book, Chunk
from ingest.catalog import SourceFile
from ingest.previous import Previous
from ingest.report import FileReport, Status, book_report, failure_report
from vector_db.manifest import BookRecord, FailureRecord
from vector_db.writer import BookContent, KeptBook


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file: passages, or a failure, and the line of the report."""

    content: BookContent | KeptBook | None
    failure: FailureRecord | None
    report: FileReport


def kept(record: BookRecord, status: Status) -> Outcome:
    """Passages of the generation before."""
    return Outcome(KeptBook(record), None, book_report(record, status))


def failed(failure: FailureRecord) -> Outcome:
    """A file that gives no passages."""
    return Outcome(None, failure, failure_report(failure))


class Reuse:
    """Finds what need not be done again."""

    def __init__(self, settings: Settings, previous: Previous, fingerprint: str) -> None:
        self._limits = settings.ingest.model_dump_json(exclude={"workers", "page_workers"})
        self._previous = previous
        self._same = previous.fingerprint == fingerprint
        self._engine = settings.ingest.ocr_engine

    def attempt(self, digest: str) -> str:
        """A failure is remembered until the file changes, or a limit that its mend may say to raise."""
        return hashlib.sha256(f"{digest} {self._limits}".encode()).hexdigest()

    def find(self, file: SourceFile, digest: str) -> Outcome | None:
        """The outcome of an unchanged file; None for one that must be read."""
        if not self._same:
            return None
        failure = self._previous.failure(file.source)
        if failure and failure.sha256 == self.attempt(digest):
            return failed(failure)
        record = self._previous.book(file.book_id)
        if record is None:
            return self._moved(file, digest)
        described = describe(record, file)
        if not self._fits(record, described):
            return None
        if record.status == "stale":
            return kept(described, "stale") if record.failed_sha256 == self.attempt(digest) else None
        return kept(described, "unchanged") if record.sha256 == digest else None

    def _fits(self, record: BookRecord, described: BookRecord) -> bool:
        """Whether its passages would be the same: the title stands in them, and another engine reads otherwise."""
        return described.title == record.title and (not record.ocr_pages or record.ocr_engine == self._engine)

    def _moved(self, file: SourceFile, digest: str) -> Outcome | None:
        """A file of the same bytes as a known book, under another name: its passages get their own ids."""
        record = self._previous.same_content(digest)
        if record is None or record.status == "stale":
            return None
        described = describe(record, file)
        if not self._fits(record, described):
            return None
        content = self._previous.content(record)
        chunks = _under(content.chunks, record.id, described.id)
        return Outcome(
            BookContent(described, chunks, content.pages, content.vectors), None, book_report(described, "indexed")
        )


def _under(chunks: Sequence[Chunk], old: str, new: str) -> list[Chunk]:
    return [replace(chunk, id=new + chunk.id.removeprefix(old), book_id=new) for chunk in chunks]


def describe(record: BookRecord, file: SourceFile) -> BookRecord:
    """`record` with what the catalogue says of the file now, and the file itself where it says nothing."""
    language = record.found_language or record.language
    return record.model_copy(update=naming(file.describe(record.found_title, language)))


def naming(book: Book) -> dict[str, object]:
    """The fields of a record that name the book."""
    names = ("id", "source", "title", "subject", "language", "edition")
    return {name: getattr(book, name) for name in names}
