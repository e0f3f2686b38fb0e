"""Brings a knowledge base up to date with its folder of textbooks."""

import hashlib
import time
from pathlib import Path

from core.errors import ConfigError, NothingIndexed
from core.settings import Settings
from ingest import readers, split
from ingest.catalog import find_books
from ingest.job import Job, Outcome
from ingest.previous import Previous
from ingest.progress import Progress, Silent
from ingest.report import FileReport, RebuildReport, book_report
from vector_db import tokenizer
from vector_db.embedder import model_revision
from vector_db.layout import KnowledgeBaseFolder
from vector_db.manifest import SCHEMA
from vector_db.writer import GenerationHeader, write_generation


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
        job = Job(settings, previous, fingerprint(settings), force, progress or Silent())
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
    job: Job, target: KnowledgeBaseFolder, folder: Path, outcomes: list[Outcome], unread: list[str], started: float
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
