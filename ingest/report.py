"""What a rebuild did with each file."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from core.errors import REBUILD, GenerationCorrupt
from vector_db.files import REPORT
from vector_db.manifest import BookRecord, FailureRecord

Status = Literal["indexed", "unchanged", "stale", "failed", "removed", "ignored", "skipped", "new", "changed"]


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file. seconds: parsing. notes: what its reader could not use.

    indexed: read in this rebuild. unchanged: as before. stale: it fails now, its passages from before are
    kept. failed: it gave nothing. removed: its passages are gone. ignored: nothing to read in it. skipped:
    left alone because others were named. new, changed: would be read (of a dry run).
    """

    source: str
    status: Status
    title: str = ""
    pages: int = 0
    characters: int = 0
    headings: int = 0
    chunks: int = 0
    ocr_pages: int = 0
    ocr_engine: str | None = None
    ocr_confidence: float | None = None
    unknown_token_rate: float | None = None
    dense: bool | None = None
    seconds: float = 0.0
    reason: str | None = None
    mend: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """The outcome of one rebuild. generation: what is served now, None if nothing is."""

    kb: str
    generation: str | None
    published: bool
    files: tuple[FileReport, ...]
    chunks: int
    seconds: float
    dry_run: bool = False

    @property
    def failed(self) -> bool:
        """Whether some file could not be read."""
        return any(file.status in {"failed", "stale"} for file in self.files)

    @property
    def exit_code(self) -> int:
        """0 all well, 3 some files failed but the rest is served, 1 nothing is served."""
        if self.dry_run:
            return 0
        if self.generation is None:
            return 1
        return 3 if self.failed else 0

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {**asdict(self), "exit_code": self.exit_code}


def kept_out(report: FileReport) -> FileReport:
    """The line of a file that was taken out by hand."""
    return replace(report, reason="taken out with --remove", mend="`keben rebuild --only` with its name brings it back")


def read_report(generation: Path) -> list[FileReport]:
    """What the rebuild that made the generation in this folder did with each file; raises GenerationCorrupt."""
    try:
        files = json.loads((generation / REPORT).read_text(encoding="utf-8"))
        return [FileReport(**{**file, "notes": tuple(file["notes"])}) for file in files]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise GenerationCorrupt(f"{generation / REPORT} cannot be read: {error}", mend=REBUILD) from error


def book_report(record: BookRecord, status: Status) -> FileReport:
    """The line of an indexed book."""
    return FileReport(
        source=record.source,
        status=status,
        title=record.title,
        pages=record.pages,
        characters=record.characters,
        headings=record.headings,
        chunks=record.chunks,
        ocr_pages=record.ocr_pages,
        ocr_engine=record.ocr_engine,
        ocr_confidence=record.ocr_confidence,
        unknown_token_rate=record.unknown_token_rate,
        dense=record.dense,
        seconds=record.seconds if status == "indexed" else 0.0,
        reason=record.reason,
        mend=record.mend,
        notes=record.notes,
    )


def failure_report(failure: FailureRecord) -> FileReport:
    """The line of a file that gave nothing."""
    return FileReport(
        failure.source, "ignored" if failure.harmless else "failed", reason=failure.reason, mend=failure.mend
    )
