"""Brings a knowledge base up to date with its folder of textbooks."""

import hashlib
import json
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from core.errors import ConfigError, GenerationCorrupt, NothingIndexed, VerificationFailed
from core.settings import Settings
from core.types import Course
from ingest import readers, split
from ingest.catalog import book_id, find_books, find_course
from ingest.job import Job
from ingest.outcome import Outcome, kept
from ingest.previous import Previous, previous_generations
from ingest.progress import Progress, Silent
from ingest.report import FileReport, RebuildReport, book_report, kept_out
from ingest.request import Request
from ingest.selection import Selection, select
from ingest.staging import staging
from vector_db import layout, tokenizer
from vector_db.embedder import model_revision
from vector_db.layout import KnowledgeBaseFolder
from vector_db.manifest import SCHEMA, Calibration, FailureRecord, read_manifest
from vector_db.writer import Calibrate, GenerationHeader, write_generation


def rebuild(
    settings: Settings, kb: str, request: Request | None = None, progress: Progress | None = None
) -> RebuildReport:
    """Index the textbooks of a folder and serve them as `kb`.

    Unchanged files are neither parsed nor embedded again. A file that fails leaves the others alone, and
    keeps the passages it had. What a rebuild that was cut off had done is taken up. Raises KebenError when
    nothing could be done; what was served before is served still.
    """
    started = time.monotonic()
    target = KnowledgeBaseFolder(settings.data_dir, kb)
    with target.building():
        for previous in previous_generations(target):
            try:
                # What would be copied from a damaged generation comes from the one before it.
                previous.check()
                return _Rebuild(settings, target, previous, request or Request(), progress or Silent()).run(started)
            except VerificationFailed:
                raise
            except GenerationCorrupt:
                if previous.manifest is None:
                    raise
    raise AssertionError("the last of the previous generations is none at all")


def fingerprint(settings: Settings) -> str:
    """Changes whenever the chunks or vectors of an unchanged file would change."""
    parts = (
        SCHEMA, readers.VERSION, split.VERSION, tokenizer.VERSION, settings.chunk.model_dump_json(),
        settings.embedding.model, model_revision(settings.embedding), settings.embedding.max_unknown_rate,
    )  # fmt: skip
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def source_folder(settings: Settings, kb: str, source: Path | None, previous: Previous) -> Path:
    """The folder named now, by option or setting, or else the one of the last rebuild, or the default one."""
    if source is not None:
        return source
    found = layout.source_folder(settings, kb, previous.manifest)
    if found is None:
        raise ConfigError(f"the knowledge base '{kb}' is new: its folder is not known", mend="name it with --source")
    return found


def find_selected(folder: Path, previous: Previous, request: Request) -> tuple[Selection, dict[str, str]]:
    """The files to look at, and why others are not; raises NothingIndexed when there are none."""
    files, unread = find_books(folder)
    if not files:
        raise NothingIndexed(
            f"no textbooks in {folder}", mend=f"put files there: {', '.join(sorted(readers.SUFFIXES))}"
        )
    selection = select(files, previous, request.only, request.remove)
    if not selection.files and not selection.left:
        raise NothingIndexed(
            "no book would be left in the knowledge base", mend="to delete all of it, delete its folder"
        )
    return selection, unread


def with_absent(
    files: Sequence[FileReport], previous: Previous, selection: Selection, unread: Mapping[str, str]
) -> list[FileReport]:
    """`files`, then the lines of what is not in the knowledge base: books that are gone, files that are no books."""
    present = {file.source for file in files}
    gone = [book_report(book, "removed") for book in previous.books() if book.source not in present]
    reports = [*files, *(replace(report, reason=unread.get(report.source)) for report in gone)]
    present |= {report.source for report in gone}
    reports += [FileReport(name, "ignored", reason=why) for name, why in unread.items() if name not in present]
    reports += [FileReport(name, "removed") for name in sorted(selection.removed - present)]
    return [kept_out(report) if report.source in selection.removed else report for report in reports]


class _Rebuild:
    """One rebuild on the ground of one previous generation."""

    def __init__(
        self, settings: Settings, target: KnowledgeBaseFolder, previous: Previous, request: Request, progress: Progress
    ) -> None:
        self._settings = settings
        self._target = target
        self._previous = previous
        self._request = request
        self._progress = progress
        self._fingerprint = fingerprint(settings)
        self._recognised = target.recognised

    def run(self, started: float) -> RebuildReport:
        folder = source_folder(self._settings, self._target.kb, self._request.source, self._previous)
        selection, unread = find_selected(folder, self._previous, self._request)
        course = find_course(folder)
        if selection.left and self._previous.fingerprint not in {None, self._fingerprint}:
            raise ConfigError(
                "--only cannot be used after the settings of chunks or of the embedder have changed",
                mend="run `keben rebuild` without it",
            )
        with staging(self._target.folder, forced=self._request.force) as unfinished:
            force = self._request.force
            job = Job(
                self._settings,
                self._previous,
                unfinished,
                self._recognised,
                self._target.scratch,
                self._fingerprint,
                self._progress,
                force=force,
            )
            outcomes = [*job.run(selection.files), *self._left(selection)]
            outcomes.sort(key=lambda outcome: outcome.report.source)
            reports = with_absent([outcome.report for outcome in outcomes], self._previous, selection, unread)
            contents = [outcome.content for outcome in outcomes if outcome.content]
            published = bool(contents) and (force or self._differs(outcomes, selection, unread, course))
            if published:
                self._progress.stage("write the index")
                header = GenerationHeader(
                    source_dir=str(folder.resolve()),
                    embedding=job.vectors.record(),
                    fingerprint=self._fingerprint,
                    failures=_failures(outcomes),
                    unread=tuple(unread),
                    removed=tuple(sorted(selection.removed)),
                    report=json.dumps([asdict(report) for report in reports], ensure_ascii=False, indent=1),
                    course=course,
                )
                write_generation(self._target, header, contents, self._previous.folder, self._calibrator(job))
            unfinished.discard()
            self._forget(outcomes)
        return RebuildReport(
            kb=self._target.kb,
            generation=self._target.current_id() if contents else None,
            published=published,
            files=tuple(reports),
            chunks=sum(content.record.chunks for content in contents),
            seconds=round(time.monotonic() - started, 2),
        )

    def _calibrator(self, job: Job) -> Calibrate:
        """Measures refusals with the retriever that will serve; imported here, since most rebuilds change nothing."""

        def calibrate(folder: Path) -> Calibration:
            from rag.calibrate import calibrator

            self._progress.stage("measure refusals")
            embedder = job.vectors.embedder if read_manifest(folder).vectors else None
            return calibrator(self._target.folder, embedder, self._settings)(folder)

        return calibrate

    def _forget(self, outcomes: Sequence[Outcome]) -> None:
        """Delete what was recognised in books that are gone; a file that failed may go on from there."""
        known = {book_id(outcome.report.source) for outcome in outcomes}
        for folder in self._recognised.glob("*/"):
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)

    def _left(self, selection: Selection) -> list[Outcome]:
        """Files that nobody asked to look at, as they are: books, and what failed before."""
        books = [kept(book, "skipped") for book in self._previous.books() if book.source in selection.left]
        failures = [failure for failure in self._previous.failures() if failure.source in selection.left]
        return books + [
            Outcome(None, failure, FileReport(failure.source, "skipped", reason=failure.reason, mend=failure.mend))
            for failure in failures
        ]

    def _differs(
        self, outcomes: Sequence[Outcome], selection: Selection, unread: Iterable[str], course: Course
    ) -> bool:
        """Whether anything is other than what is served."""
        manifest = self._previous.manifest
        if manifest is None or manifest.id != self._target.current_id():
            return True
        then = (manifest.books, manifest.failures, manifest.unread, manifest.removed, manifest.course)
        books = tuple(outcome.content.record for outcome in outcomes if outcome.content)
        return then != (books, _failures(outcomes), tuple(unread), tuple(sorted(selection.removed)), course)


def _failures(outcomes: Sequence[Outcome]) -> tuple[FailureRecord, ...]:
    return tuple(outcome.failure for outcome in outcomes if outcome.failure)
