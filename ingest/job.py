"""The files of one rebuild: parsed in parallel, embedded while the next are parsed, reused where unchanged."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from core.errors import UnreadableBookError
from core.settings import Settings
from core.text import language_of
from core.types import BlockKind, Chunk, ExtractedBook, OcrPage, Page
from ingest import readers, split
from ingest.catalog import SourceFile
from ingest.outcome import Outcome, Reuse, failed, kept, naming
from ingest.previous import Previous
from ingest.progress import Progress
from ingest.report import book_report
from ingest.sandbox import parse_in_sandbox
from ingest.staging import Staging
from ingest.vectors import PassageVectors
from vector_db.files import sha256
from vector_db.manifest import BookRecord, FailureRecord
from vector_db.writer import BookContent

_AHEAD = 2  # files parsed beyond those that the workers are at, waiting for the embedder


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A file's content, or why there is none."""

    file: SourceFile
    digest: str
    seconds: float
    result: ExtractedBook | UnreadableBookError


class Job:
    """One rebuild: parses in parallel, embeds while the next files are parsed.

    recognised: where the text of page images is kept, in a folder for each book. scratch: for the parsers.
    """

    def __init__(
        self,
        settings: Settings,
        previous: Previous,
        staging: Staging,
        recognised: Path,
        scratch: Path,
        fingerprint: str,
        progress: Progress,
        *,
        force: bool,
    ) -> None:
        self._settings = settings
        self._previous = previous
        self._staging = staging
        self._recognised = recognised
        self._scratch = scratch
        self._progress = progress
        self._force = force
        self._reuse = Reuse(settings, previous, fingerprint)
        self._unchanged_settings = previous.fingerprint == fingerprint
        # Embedded again from the first to the last passage when forced.
        self.vectors = PassageVectors(settings, Previous() if force else previous, staging, progress)

    def run(self, files: Sequence[SourceFile]) -> Iterator[Outcome]:
        """One outcome a file, in the order of `files`."""
        sizes = [_size(file.path) for file in files]
        self._progress.start(len(files), sum(sizes))
        with ThreadPoolExecutor(self._settings.ingest.workers) as pool:
            for step, size in zip(self._steps(files, pool), sizes, strict=True):
                outcome = step if isinstance(step, Outcome) else self._outcome(step.result())
                self._progress.file(outcome.report, size)
                yield outcome

    def _steps(self, files: Sequence[SourceFile], pool: ThreadPoolExecutor) -> Iterator[Outcome | Future[_Parsed]]:
        """Looks a few files ahead: what waits for the embedder lies in memory."""
        waiting: deque[Outcome | Future[_Parsed]] = deque()
        ahead = self._settings.ingest.workers + _AHEAD
        for file in files:
            waiting.append(self._look(file, pool))
            while sum(isinstance(step, Future) for step in waiting) > ahead or (
                waiting and isinstance(waiting[0], Outcome)
            ):
                yield waiting.popleft()
        yield from waiting

    def _look(self, file: SourceFile, pool: ThreadPoolExecutor) -> Outcome | Future[_Parsed]:
        try:
            digest = sha256(file.path)
        except OSError as error:
            unread = UnreadableBookError(f"{file.source}: {error.strerror}", mend="check who may read the file")
            return self._outcome(_Parsed(file, "", 0.0, unread))
        known = None if self._force else self._reuse.find(file, digest)
        return known or pool.submit(self._parse, file, digest)

    def _parse(self, file: SourceFile, digest: str) -> _Parsed:
        """Also called by several threads at a time."""
        key = f"{self._reuse.attempt(digest)} {readers.VERSION} {file.path.name}"
        result = self._staging.book(key)
        started = time.monotonic()
        if result is None:
            try:
                result = parse_in_sandbox(
                    file.path, self._settings.ingest, self._recognised / file.book_id, self._scratch
                )
            except UnreadableBookError as error:
                result = error
            self._staging.keep_book(key, result)
        return _Parsed(file, digest, time.monotonic() - started, result)

    def _outcome(self, parsed: _Parsed) -> Outcome:
        result, file = parsed.result, parsed.file
        if isinstance(result, UnreadableBookError):
            return self._failed(parsed, result)
        counter = self.vectors.counter
        unknown = counter.unknown_rate(result.text)
        reads = counter.reads if self.vectors.readable(unknown) else None
        chunks = split.split_book(result, file.book_id, self._settings.chunk, counter, reads)
        if not chunks and any(block.kind is BlockKind.contents for block in result.blocks):
            return failed(self._failure(parsed, "only a table of contents", "", harmless=True))
        if not chunks:
            return self._failed(parsed, UnreadableBookError(
                f"{file.path.name} has headings but no text", mend="check that the file is whole"
            ))  # fmt: skip
        content = self._content(parsed, result, chunks, unknown)
        return Outcome(content, None, book_report(content.record, "indexed"))

    def _failure(self, parsed: _Parsed, reason: str, mend: str, *, harmless: bool = False) -> FailureRecord:
        attempt = self._reuse.attempt(parsed.digest)
        return FailureRecord(source=parsed.file.source, sha256=attempt, reason=reason, mend=mend, harmless=harmless)

    def _failed(self, parsed: _Parsed, error: UnreadableBookError) -> Outcome:
        """A book that was readable before keeps its passages, marked stale."""
        record = self._previous.book(parsed.file.book_id)
        if record is None:
            return failed(self._failure(parsed, error.message, error.mend))
        marks: dict[str, object] = {"status": "stale", "reason": error.message, "mend": error.mend}
        marks["failed_sha256"] = self._reuse.attempt(parsed.digest)
        if self._unchanged_settings:
            return kept(record.model_copy(update=marks), "stale")
        before = self._previous.content(record)
        text = "".join(text for _, text in before.pages)
        unknown = self.vectors.counter.unknown_rate(text)
        readable = self.vectors.readable(unknown)
        vectors = self.vectors.of(record.id, record.title, before.chunks) if readable else None
        stale = record.model_copy(update={**marks, "unknown_token_rate": round(unknown, 4), "dense": readable})
        return Outcome(BookContent(stale, before.chunks, before.pages, vectors), None, book_report(stale, "stale"))

    def _content(self, parsed: _Parsed, extracted: ExtractedBook, chunks: list[Chunk], unknown: float) -> BookContent:
        found = language_of(extracted.text)
        book = parsed.file.describe(extracted.title, found)
        vectors = self.vectors.of(book.id, book.title, chunks) if self.vectors.readable(unknown) else None
        record = BookRecord.model_validate(
            {
                **naming(book),
                "found_title": extracted.title,
                "found_language": found,
                "sha256": parsed.digest,
                "pages": sum(page.number is not None for page in extracted.pages),
                "characters": len(extracted.text),
                "headings": sum(block.kind is BlockKind.heading for block in extracted.blocks),
                "chunks": len(chunks),
                "unknown_token_rate": round(unknown, 4),
                "dense": vectors is not None,
                "notes": extracted.notes,
                "seconds": round(parsed.seconds, 2),
                **_recognition(extracted.ocr),
            }
        )
        return BookContent(record, chunks, _page_texts(extracted), vectors)


def _recognition(pages: Sequence[OcrPage]) -> dict[str, object]:
    if not pages:
        return {}
    mean = sum(page.confidence for page in pages) / len(pages)
    return {"ocr_pages": len(pages), "ocr_engine": pages[0].engine, "ocr_confidence": round(mean, 3)}


def _page_texts(book: ExtractedBook) -> list[tuple[Page, str]]:
    return [(page, book.text[page.start : page.end]) for page in book.pages]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
