"""Brings a knowledge base up to date with its folder of textbooks."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError, NothingIndexed, UnreadableBookError
from core.settings import Settings
from core.text import plain
from core.types import BlockKind, Chunk, ExtractedBook, Page
from ingest import readers, split
from ingest.catalog import SourceFile, find_books
from ingest.previous import Previous
from ingest.report import FileReport, RebuildReport, Status, book_report, failure_report
from ingest.sandbox import parse_in_sandbox
from vector_db import tokenizer
from vector_db.embedder import SentenceEmbedder, model_revision
from vector_db.layout import KnowledgeBaseFolder
from vector_db.manifest import SCHEMA, BookRecord, EmbeddingRecord, FailureRecord
from vector_db.writer import BookContent, GenerationHeader, heading_of, sha256, write_generation


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


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A file's content, or why there is none."""

    file: SourceFile
    digest: str
    seconds: float
    book: ExtractedBook | None = None
    error: UnreadableBookError | None = None


@dataclass(frozen=True, slots=True)
class _Outcome:
    content: BookContent | None
    failure: FailureRecord | None
    report: FileReport


def rebuild(
    settings: Settings,
    kb: str,
    source: Path | None = None,
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> RebuildReport:
    """Index the textbooks below `source` and serve them as `kb`.

    Unchanged files are neither parsed nor embedded again unless `force`. A file that fails leaves the
    others alone, and keeps the passages it had. Raises KebenError when nothing could be done; what
    was served before is served still.
    """
    started = time.monotonic()
    target = KnowledgeBaseFolder(settings.data_dir, kb)
    with target.building():
        previous = Previous.load(target, tolerant=force)
        folder = _source_folder(settings, kb, source, previous)
        files, unread = find_books(folder)
        if not files:
            raise NothingIndexed(
                f"no textbooks in {folder}", mend=f"put files there: {', '.join(sorted(readers.SUFFIXES))}"
            )
        job = _Job(settings, previous, fingerprint(settings), force, progress or Silent())
        return _finish(job, target, folder, job.run(files), unread, started)


def fingerprint(settings: Settings) -> str:
    """Changes whenever the chunks or vectors of an unchanged file would change."""
    parts = (
        SCHEMA, readers.VERSION, split.VERSION, tokenizer.VERSION, settings.chunk.model_dump_json(),
        settings.embedding.model, model_revision(settings.embedding), settings.embedding.max_unknown_rate,
    )  # fmt: skip
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _source_folder(settings: Settings, kb: str, source: Path | None, previous: Previous) -> Path:
    """The folder named now, by option or setting, or else the one of the last rebuild, or the default one."""
    if source is not None:
        return source
    if kb == settings.kb and ("source_dir" in settings.model_fields_set or previous.manifest is None):
        return settings.source_dir
    if previous.manifest is None:
        raise ConfigError(f"the knowledge base '{kb}' is new: its folder is not known", mend="name it with --source")
    return Path(previous.manifest.source_dir)


def _finish(
    job: "_Job", target: KnowledgeBaseFolder, folder: Path, outcomes: list[_Outcome], unread: list[str], started: float
) -> RebuildReport:
    reports = [outcome.report for outcome in outcomes]
    reports += [FileReport(name, "ignored", reason="no reader for this kind of file") for name in unread]
    present = {outcome.report.source for outcome in outcomes}
    reports += [book_report(old, "removed") for old in job.previous.books() if old.source not in present]
    contents = [outcome.content for outcome in outcomes if outcome.content]
    changed = job.force or job.previous.differs(
        [content.record for content in contents], [outcome.failure for outcome in outcomes if outcome.failure], unread
    )
    published = bool(contents) and changed
    if published:
        job.progress.stage("write the index")
        header = GenerationHeader(
            source_dir=str(folder.resolve()),
            embedding=job.embedding_record(),
            fingerprint=job.fingerprint,
            failures=tuple(outcome.failure for outcome in outcomes if outcome.failure),
            unread=tuple(unread),
        )
        write_generation(target, header, contents)
    return RebuildReport(
        kb=target.kb,
        generation=target.current_id() if contents else None,
        published=published,
        files=tuple(reports),
        chunks=sum(len(content.chunks) for content in contents),
        seconds=round(time.monotonic() - started, 2),
    )


class _Job:
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

    def run(self, files: list[SourceFile]) -> list[_Outcome]:
        """One outcome a file, in the order of `files`."""
        self.progress.start(len(files))
        outcomes: list[_Outcome] = []
        with ThreadPoolExecutor(self.settings.ingest.workers) as pool:
            for step in list(self._steps(files, pool)):
                outcomes.append(step())
                self.progress.file(outcomes[-1].report)
        return outcomes

    def _steps(self, files: list[SourceFile], pool: ThreadPoolExecutor) -> Iterator[Callable[[], _Outcome]]:
        for file in files:
            try:
                digest = sha256(file.path)
            except OSError as error:
                unread = UnreadableBookError(f"{file.source}: {error.strerror}", mend="check who may read the file")
                yield partial(self._outcome, _Parsed(file, "", 0.0, error=unread))
                continue
            known = None if self.force else self._reuse(file, digest)
            yield partial(self._done, known or pool.submit(self._parse, file, digest))

    def _done(self, found: "_Outcome | Future[_Parsed]") -> _Outcome:
        return found if isinstance(found, _Outcome) else self._outcome(found.result())

    def _parse(self, file: SourceFile, digest: str) -> _Parsed:
        started = time.monotonic()
        try:
            book = parse_in_sandbox(file.path, self.settings.ingest)
        except UnreadableBookError as error:
            return _Parsed(file, digest, time.monotonic() - started, error=error)
        return _Parsed(file, digest, time.monotonic() - started, book=book)

    def _reuse(self, file: SourceFile, digest: str) -> _Outcome | None:
        """What the previous generation knows of an unchanged file."""
        if self.previous.fingerprint != self.fingerprint:
            return None
        failure = self.previous.failure(file.source)
        if failure and failure.sha256 == self._attempt(digest):
            return _Outcome(None, failure, failure_report(failure))
        record = self.previous.book(file.book_id)
        if record is None or (file.entry.title and file.entry.title != record.title):
            return None
        stale = record.status == "stale"
        if (record.failed_sha256 != self._attempt(digest)) if stale else (record.sha256 != digest):
            return None
        content = self.previous.content(record, file.entry)
        status: Status = "stale" if stale else "unchanged"
        return _Outcome(content, None, book_report(content.record, status))

    def _attempt(self, digest: str) -> str:
        """A failure is remembered until the file changes, or a limit that its mend may say to raise."""
        limits = self.settings.ingest.model_dump_json(exclude={"workers"})
        return hashlib.sha256(f"{digest} {limits}".encode()).hexdigest()

    def _outcome(self, parsed: _Parsed) -> _Outcome:
        if parsed.book is None:
            error = parsed.error or UnreadableBookError(f"{parsed.file.source} gave nothing")
            return self._failed(parsed, error)
        chunks = split.split_book(parsed.book, parsed.file.book_id, self.settings.chunk)
        if not chunks and any(block.kind is BlockKind.contents for block in parsed.book.blocks):
            failure = FailureRecord(
                source=parsed.file.source,
                sha256=self._attempt(parsed.digest),
                reason="only a table of contents",
                mend="",
                harmless=True,
            )
            return _Outcome(None, failure, failure_report(failure))
        if not chunks:
            return self._failed(parsed, UnreadableBookError(
                f"{parsed.file.path.name} has headings but no text", mend="check that the file is whole"
            ))  # fmt: skip
        content = self._content(parsed, parsed.book, chunks)
        return _Outcome(content, None, book_report(content.record, "indexed"))

    def _failed(self, parsed: _Parsed, error: UnreadableBookError) -> _Outcome:
        """A book that was readable before keeps its passages, marked stale."""
        record = self.previous.book(parsed.file.book_id)
        if record is None:
            failure = FailureRecord(
                source=parsed.file.source,
                sha256=self._attempt(parsed.digest),
                reason=error.message,
                mend=error.mend,
            )
            return _Outcome(None, failure, failure_report(failure))
        kept = self.previous.content(record, parsed.file.entry)
        vectors = kept.vectors
        marks: dict[str, object] = {"status": "stale", "reason": error.message, "mend": error.mend}
        marks["failed_sha256"] = self._attempt(parsed.digest)
        if self.previous.fingerprint != self.fingerprint:
            unknown, vectors = self._vectors("".join(text for _, text in kept.pages), record.title, kept.chunks)
            marks |= {"unknown_token_rate": unknown, "dense": vectors is not None}
        stale = kept.record.model_copy(update=marks)
        return _Outcome(BookContent(stale, kept.chunks, kept.pages, vectors), None, book_report(stale, "stale"))

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
    return [f"{heading_of(title, chunk.heading_path)}\n{plain(chunk.text)}" for chunk in chunks]


def _page_texts(book: ExtractedBook) -> list[tuple[Page, str]]:
    return [(page, book.text[page.start : page.end]) for page in book.pages]
