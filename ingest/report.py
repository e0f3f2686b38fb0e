"""What a rebuild did with each file."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from vector_db.manifest import BookRecord, FailureRecord

Status = Literal["indexed", "unchanged", "stale", "failed", "removed", "ignored"]


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file. `stale`: it fails now, its passages from before are kept. seconds: parsing."""

    source: str
    status: Status
    title: str = ""
    pages: int = 0
    characters: int = 0
    chunks: int = 0
    ocr_pages: int = 0
    unknown_token_rate: float | None = None
    dense: bool | None = None
    seconds: float = 0.0
    reason: str | None = None
    mend: str | None = None


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """The outcome of one rebuild. generation: what is served now, None if nothing is."""

    kb: str
    generation: str | None
    published: bool
    files: tuple[FileReport, ...]
    chunks: int
    seconds: float

    @property
    def failed(self) -> bool:
        """Whether some file could not be read."""
        return any(file.status in {"failed", "stale"} for file in self.files)

    @property
    def exit_code(self) -> int:
        """0 all well, 3 some files failed but the rest is served, 1 nothing is served."""
        if self.generation is None:
            return 1
        return 3 if self.failed else 0

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {**asdict(self), "exit_code": self.exit_code}


def book_report(record: BookRecord, status: Status) -> FileReport:
    """The line of an indexed book."""
    return FileReport(
        source=record.source,
        status=status,
        title=record.title,
        pages=record.pages,
        characters=record.characters,
        chunks=record.chunks,
        ocr_pages=record.ocr_pages,
        unknown_token_rate=record.unknown_token_rate,
        dense=record.dense,
        seconds=record.seconds if status == "indexed" else 0.0,
        reason=record.reason,
        mend=record.mend,
    )


def failure_report(failure: FailureRecord) -> FileReport:
    """The line of a file that gave nothing."""
    return FileReport(
        failure.source, "ignored" if failure.harmless else "failed", reason=failure.reason, mend=failure.mend
    )
