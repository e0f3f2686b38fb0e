"""What a generation says of itself."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import REBUILD, GenerationCorrupt, IndexMismatch
from core.types import Book, Course, Language

SCHEMA = 3
MANIFEST = "manifest.json"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EmbeddingRecord(_Record):
    """The model that made the vectors. revision: fingerprint of its files and of how they were used."""

    model: str
    revision: str
    dimension: int


class BookRecord(_Record):
    """One indexed book. status `stale`: its file fails now, these are the passages from before.

    unknown_token_rate: share of its tokens that the embedder does not know.
    dense: whether the embedder takes part in ranking it. seconds: wall time of parsing.
    found_title, found_language: what the file itself says, where the catalogue says nothing.
    ocr_confidence: mean over the recognised pages, 0 to 1. notes: what the reader could not use.
    sha256: of the file that gave the passages; failed_sha256: as in FailureRecord.
    """

    id: str
    source: str
    title: str
    subject: str
    language: Language
    edition: str
    sha256: str
    pages: int
    characters: int
    chunks: int
    unknown_token_rate: float = Field(ge=0, le=1)
    dense: bool
    found_title: str | None = None
    found_language: Language | None = None
    headings: int = 0
    ocr_pages: int = 0
    ocr_engine: str | None = None
    ocr_confidence: float | None = None
    notes: tuple[str, ...] = ()
    seconds: float = 0
    status: Literal["indexed", "stale"] = "indexed"
    reason: str | None = None
    mend: str | None = None
    failed_sha256: str | None = None

    def book(self) -> Book:
        """The part of the record that answers show."""
        return Book(self.id, self.source, self.title, self.subject, self.language, self.edition)


class FailureRecord(_Record):
    """A file that gave no passages, and why. harmless: there was nothing to read in it.

    sha256: of the file's own sha256 and the limits that it was read under.
    """

    source: str
    sha256: str
    reason: str
    mend: str
    harmless: bool = False


class CosineScale(_Record):
    """The cosines of questions with passages at random: a score of 0 and of 1 in standard deviations above them."""

    mean: float
    deviation: float = Field(gt=0)


class RelevanceModel(_Record):
    """Logistic regression on the features of `rag.candidates`: of passages in the question's language, and others."""

    weights: tuple[float, ...]
    intercept: float
    foreign_weights: tuple[float, ...]
    foreign_intercept: float


class Rate(_Record):
    """A share with its 95 % interval."""

    value: float
    low: float
    high: float


class CurvePoint(_Record):
    """What the rates would be at another threshold."""

    threshold: float
    precision: float
    recall: float
    f1: float


class Certificate(_Record):
    """How well questions were told apart that had no part in the fit.

    near, far: F1 against questions near the subject, and far from it, alone. accepted, near_refused, far_refused: how
    many questions of each kind were asked. source: what they were made from. curve: the same questions at thresholds
    from 0 to 1, the served one among them; empty where the generation is from before it was measured.
    """

    precision: Rate
    recall: Rate
    f1: Rate
    near: Rate | None
    far: Rate | None
    accepted: int
    near_refused: int
    far_refused: int
    source: str
    curve: tuple[CurvePoint, ...] = ()


class Calibration(_Record):
    """What turns features of passages into the probability that one answers, and the least that is answered.

    cosine: None without vectors. certificate: None where too little could be asked; the threshold then is a guess.
    """

    cosine: CosineScale | None
    relevance: RelevanceModel
    threshold: float = Field(ge=0, le=1)
    certificate: Certificate | None


class Manifest(_Record):
    """manifest.json, written last: a folder without it is not a generation.

    fingerprint: settings and versions that the chunks depend on. files: SHA-256 of each file.
    parent: the generation that this one was made from. removed: files that were taken out by hand and stay
    out. indexed: distinct vectors; passages of equal text share one. tombstones: deleted vectors whose places
    the vector index still holds. calibration: of refusals; None only while it is being measured. course: what the
    catalogue says of the books together.
    """

    schema_version: int = SCHEMA
    id: str
    kb: str
    created_at: str
    source_dir: str
    embedding: EmbeddingRecord
    fingerprint: str
    books: tuple[BookRecord, ...]
    failures: tuple[FailureRecord, ...] = ()
    unread: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    parent: str | None = None
    chunks: int
    vectors: int
    indexed: int
    tombstones: int = 0
    calibration: Calibration | None = None
    course: Course = Course()
    files: dict[str, str]

    def require_embedder(self, model: str, revision: str) -> None:
        """Raise IndexMismatch unless the vectors were made by this model; no vectors fit any."""
        if self.vectors and (self.embedding.model, self.embedding.revision) != (model, revision):
            raise IndexMismatch(
                f"the knowledge base '{self.kb}' was built with the embedder '{self.embedding.model}' "
                f"({self.embedding.revision}), the settings name '{model}' ({revision})",
                mend=f"run `keben rebuild --kb {self.kb}`, or set KEBEN_EMBEDDING__MODEL and what belongs to it back",
            )


def read_manifest(folder: Path) -> Manifest:
    """The manifest in `folder`; raises GenerationCorrupt or IndexMismatch."""
    try:
        text = (folder / MANIFEST).read_text(encoding="utf-8")
        manifest = Manifest.model_validate_json(text)
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        raise GenerationCorrupt(f"{folder / MANIFEST} cannot be read: {error}", mend=REBUILD) from error
    if manifest.schema_version != SCHEMA:
        raise IndexMismatch(
            f"{folder} has schema {manifest.schema_version}, this version of Keben reads {SCHEMA}",
            mend=REBUILD,
        )
    return manifest
