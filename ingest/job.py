"""The files of one rebuild: parsed in parallel, embedded while the next are parsed, reused where unchanged."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from core.errors import UnreadableBookError
from core.settings import Settings
from core.text import plain
from core.types import BlockKind, Chunk, ExtractedBook, Page
from ingest import split
from ingest.catalog import SourceFile
from ingest.previous import Previous
from ingest.progress import Progress
from ingest.report import FileReport, Status, book_report, failure_report
from ingest.sandbox import parse_in_sandbox
from vector_db.embedder import SentenceEmbedder, model_folder
from vector_db.manifest import BookRecord, EmbeddingRecord, FailureRecord
from vector_db.token_counter import TokenCounter
from vector_db.writer import BookContent, heading_of, sha256


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A file's content, or why there is none."""

    file: SourceFile
    digest: str
    seconds: float
    book: ExtractedBook | None = None
    error: UnreadableBookError | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file: passages, or a failure, and the line of the report."""

    content: BookContent | None
    failure: FailureRecord | None
    report: FileReport


class Job:
    """One rebuild: parses in parallel, embeds while the next files are parsed."""

    def __init__(
        self, settings: Settings, previous: Previous, fingerprint: str, force: bool, progress: Progress
    ) -> None:
        self.settings = settings
        self.previous = previous
        self.fingerprint = fingerprint
        self.force = force
        self.progress = progress
        self._embedder: SentenceEmbedder | None = None
        self._counter: TokenCounter | None = None

    @property
    def counter(self) -> TokenCounter:
        """Loaded when the first book is cut."""
        if self._counter is None:
            self._counter = TokenCounter(model_folder(self.settings.embedding))
        return self._counter

    @property
    def embedder(self) -> SentenceEmbedder:
        """Loaded when the first book needs it: a rebuild without changes loads no model."""
        if self._embedder is None:
            self._embedder = SentenceEmbedder(self.settings.embedding)
        return self._embedder

    def embedding_record(self) -> EmbeddingRecord:
        """The model of this generation; all books reused means that it is the previous one's."""
        manifest = self.previous.manifest
        if self._embedder is None and manifest is not None and manifest.fingerprint == self.fingerprint:
            return manifest.embedding
        embedder = self.embedder
        return EmbeddingRecord(model=embedder.name, revision=embedder.revision, dimension=embedder.dimension)

    def run(self, files: list[SourceFile]) -> list[Outcome]:
        """One outcome a file, in the order of `files`."""
        self.progress.start(len(files))
        outcomes: list[Outcome] = []
        with ThreadPoolExecutor(self.settings.ingest.workers) as pool:
            for step in list(self._steps(files, pool)):
                outcomes.append(step())
                self.progress.file(outcomes[-1].report)
        return outcomes

    def _steps(self, files: list[SourceFile], pool: ThreadPoolExecutor) -> Iterator[Callable[[], Outcome]]:
        for file in files:
            try:
                digest = sha256(file.path)
            except OSError as error:
                unread = UnreadableBookError(f"{file.source}: {error.strerror}", mend="check who may read the file")
                yield partial(self._outcome, _Parsed(file, "", 0.0, error=unread))
                continue
            known = None if self.force else self._reuse(file, digest)
            yield partial(self._done, known or pool.submit(self._parse, file, digest))

    def _done(self, found: Outcome | Future[_Parsed]) -> Outcome:
        return found if isinstance(found, Outcome) else self._outcome(found.result())

    def _parse(self, file: SourceFile, digest: str) -> _Parsed:
        started = time.monotonic()
        try:
            book = parse_in_sandbox(file.path, self.settings.ingest)
        except UnreadableBookError as error:
            return _Parsed(file, digest, time.monotonic() - started, error=error)
        return _Parsed(file, digest, time.monotonic() - started, book=book)

    def _reuse(self, file: SourceFile, digest: str) -> Outcome | None:
        """What the previous generation knows of an unchanged file."""
        if self.previous.fingerprint != self.fingerprint:
            return None
        failure = self.previous.failure(file.source)
        if failure and failure.sha256 == self._attempt(digest):
            return Outcome(None, failure, failure_report(failure))
        record = self.previous.book(file.book_id)
        if record is None or (file.entry.title and file.entry.title != record.title):
            return None
        stale = record.status == "stale"
        if (record.failed_sha256 != self._attempt(digest)) if stale else (record.sha256 != digest):
            return None
        content = self.previous.content(record, file.entry)
        status: Status = "stale" if stale else "unchanged"
        return Outcome(content, None, book_report(content.record, status))

    def _readable(self, text: str) -> bool:
        return self.embedder.unknown_rate(text) <= self.settings.embedding.max_unknown_rate

    def _attempt(self, digest: str) -> str:
        """A failure is remembered until the file changes, or a limit that its mend may say to raise."""
        limits = self.settings.ingest.model_dump_json(exclude={"workers"})
        return hashlib.sha256(f"{digest} {limits}".encode()).hexdigest()

    def _outcome(self, parsed: _Parsed) -> Outcome:
        if parsed.book is None:
            error = parsed.error or UnreadableBookError(f"{parsed.file.source} gave nothing")
            return self._failed(parsed, error)
        reads = self.counter.reads if self._readable(parsed.book.text) else None
        chunks = split.split_book(parsed.book, parsed.file.book_id, self.settings.chunk, self.counter, reads)
        if not chunks and any(block.kind is BlockKind.contents for block in parsed.book.blocks):
            failure = FailureRecord(
                source=parsed.file.source,
                sha256=self._attempt(parsed.digest),
                reason="only a table of contents",
                mend="",
                harmless=True,
            )
            return Outcome(None, failure, failure_report(failure))
        if not chunks:
            return self._failed(parsed, UnreadableBookError(
                f"{parsed.file.path.name} has headings but no text", mend="check that the file is whole"
            ))  # fmt: skip
        content = self._content(parsed, parsed.book, chunks)
        return Outcome(content, None, book_report(content.record, "indexed"))

    def _failed(self, parsed: _Parsed, error: UnreadableBookError) -> Outcome:
        """A book that was readable before keeps its passages, marked stale."""
        record = self.previous.book(parsed.file.book_id)
        if record is None:
            failure = FailureRecord(
                source=parsed.file.source,
                sha256=self._attempt(parsed.digest),
                reason=error.message,
                mend=error.mend,
            )
            return Outcome(None, failure, failure_report(failure))
        kept = self.previous.content(record, parsed.file.entry)
        vectors = kept.vectors
        marks: dict[str, object] = {"status": "stale", "reason": error.message, "mend": error.mend}
        marks["failed_sha256"] = self._attempt(parsed.digest)
        if self.previous.fingerprint != self.fingerprint:
            unknown, vectors = self._vectors("".join(text for _, text in kept.pages), record.title, kept.chunks)
            marks |= {"unknown_token_rate": unknown, "dense": vectors is not None}
        stale = kept.record.model_copy(update=marks)
        return Outcome(BookContent(stale, kept.chunks, kept.pages, vectors), None, book_report(stale, "stale"))

    def _vectors(self, text: str, title: str, chunks: Sequence[Chunk]) -> tuple[float, NDArray[np.float32] | None]:
        """The unknown-token rate of `text`, and the chunks' vectors if the embedder can read it."""
        unknown = self.embedder.unknown_rate(text)
        readable = unknown <= self.settings.embedding.max_unknown_rate
        return round(unknown, 4), self.embedder.encode(_embedded_texts(title, chunks)) if readable else None

    def _content(self, parsed: _Parsed, extracted: ExtractedBook, chunks: list[Chunk]) -> BookContent:
        book = parsed.file.book(extracted)
        unknown, vectors = self._vectors(extracted.text, book.title, chunks)
        confidences = [page.confidence for page in extracted.ocr]
        record = BookRecord(
            id=book.id,
            source=book.source,
            title=book.title,
            subject=book.subject,
            language=book.language,
            edition=book.edition,
            sha256=parsed.digest,
            pages=len(extracted.pages),
            characters=len(extracted.text),
            chunks=len(chunks),
            unknown_token_rate=unknown,
            dense=vectors is not None,
            ocr_pages=len(extracted.ocr),
            ocr_confidence=round(sum(confidences) / len(confidences), 3) if confidences else None,
            seconds=round(parsed.seconds, 2),
        )
        return BookContent(record, chunks, _page_texts(extracted), vectors)


def _embedded_texts(title: str, chunks: Sequence[Chunk]) -> list[str]:
    return [f"{heading_of(title, chunk.heading_path)}\n{plain(chunk.reading)}" for chunk in chunks]


def _page_texts(book: ExtractedBook) -> list[tuple[Page, str]]:
    return [(page, book.text[page.start : page.end]) for page in book.pages]
