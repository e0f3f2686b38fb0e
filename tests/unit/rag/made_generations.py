"""Generations of passages that a test writes one by one, with vectors of the bundled embedder."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from core.text import language_of
from core.types import BlockKind, Chunk, Page, Span
from ingest.vectors import embedded_texts
from vector_db.embedder import bundled_embedder
from vector_db.layout import KnowledgeBaseFolder
from vector_db.manifest import BookRecord, Calibration, CosineScale, EmbeddingRecord, RelevanceModel
from vector_db.writer import BookContent, GenerationHeader, write_generation

SCALE = CosineScale(mean=0.02, deviation=0.1)
CALIBRATION = Calibration(
    cosine=SCALE,
    relevance=RelevanceModel(
        weights=(1.4, 0.1, 1.2, 1.1, 1.2, 1.0, 0.8, 0.2, 0.0),
        intercept=-3.5,
        foreign_weights=(0.0, 0.1, 2.5, 1.8, 2.5, 0.0, 0.0, 0.5, 0.0),
        foreign_intercept=-4.0,
    ),
    threshold=0.5,
    certificate=None,
)
# The headings over a passage, and its text.
Section = tuple[tuple[str, ...], str]


def published(
    folder: Path, books: Mapping[str, Sequence[Section]], calibration: Calibration, unread: Collection[str] = ()
) -> Path:
    """Write and publish a generation; its folder. unread: ids of books without vectors."""
    embedder = bundled_embedder()
    target = KnowledgeBaseFolder(folder, "default")
    record = EmbeddingRecord(model=embedder.name, revision=embedder.revision, dimension=embedder.dimension)
    header = GenerationHeader(source_dir="/books", embedding=record, fingerprint="test")
    contents = [book_of(name, sections, read=name not in unread) for name, sections in books.items()]
    with target.building():
        write_generation(target, header, contents, calibrate=lambda _: calibration)
    return target.current()


def book_of(name: str, sections: Sequence[Section], *, read: bool) -> BookContent:
    """A book of one page with a passage for each section; its id is its title and its subject."""
    chunks: list[Chunk] = []
    start = 0
    for number, (path, text) in enumerate(sections):
        span = Span(BlockKind.paragraph, 0, len(text), None, None)
        chunks.append(
            Chunk(f"{name}-{number}", name, number, 0, path, None, None, start, start + len(text), text, (span,))
        )
        start += len(text) + 1
    whole = "\n".join(text for _, text in sections)
    record = BookRecord(
        id=name,
        source=f"{name}.md",
        title=name,
        subject=name,
        language=language_of(whole),
        edition="",
        sha256="0",
        pages=0,
        characters=len(whole),
        chunks=len(chunks),
        unknown_token_rate=0 if read else 1,
        dense=read,
    )
    vectors = bundled_embedder().encode(embedded_texts(name, chunks)) if read else None
    return BookContent(record, chunks, [(Page(None, None, 0, len(whole)), whole)], vectors)
