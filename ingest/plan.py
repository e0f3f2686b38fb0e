"""What a rebuild would do, without doing it: nothing is parsed, embedded or written."""

import time

from core.settings import Settings
from ingest.catalog import CATALOG, SourceFile, find_course
from ingest.outcome import Reuse
from ingest.previous import Previous, previous_generations
from ingest.rebuild import find_selected, fingerprint, source_folder, with_absent
from ingest.report import FileReport, RebuildReport, Status, book_report
from ingest.request import Request
from vector_db.files import sha256
from vector_db.layout import KnowledgeBaseFolder


def plan(settings: Settings, kb: str, request: Request) -> RebuildReport:
    """The files that `rebuild` with the same request would index, keep, leave out or take out.

    Raises what `rebuild` would raise before it begins.
    """
    started = time.monotonic()
    target = KnowledgeBaseFolder(settings.data_dir, kb)
    previous = next(iter(previous_generations(target)))
    folder = source_folder(settings, kb, request.source, previous)
    selection, unread = find_selected(folder, previous, request)
    reuse = Reuse(settings, previous, fingerprint(settings))
    files = [_planned(file, previous, None if request.force else reuse) for file in selection.files]
    files += [book_report(book, "skipped") for book in previous.books() if book.source in selection.left]
    files = with_absent(files, previous, selection, unread)
    if previous.manifest and find_course(folder) != previous.manifest.course:
        files.append(FileReport(CATALOG, "changed", reason="it says other things of the course"))
    return RebuildReport(
        kb=kb,
        generation=target.current_id(),
        published=False,
        files=tuple(sorted(files, key=lambda file: file.source)),
        chunks=sum(file.chunks for file in files if file.status in {"unchanged", "stale", "skipped"}),
        seconds=round(time.monotonic() - started, 2),
        dry_run=True,
    )


def _planned(file: SourceFile, previous: Previous, reuse: Reuse | None) -> FileReport:
    try:
        digest = sha256(file.path)
    except OSError as error:
        return FileReport(file.source, "failed", reason=error.strerror, mend="check who may read the file")
    known = reuse.find(file, digest) if reuse else None
    if known:
        return known.report
    status: Status = "changed" if previous.book(file.book_id) else "new"
    return FileReport(file.source, status, title=file.entry.title or file.path.stem)
