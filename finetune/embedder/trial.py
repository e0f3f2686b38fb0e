"""A knowledge base for a trial: the chunks that are served, with the vectors of another embedder."""

from pathlib import Path

from core.settings import Settings
from finetune.embedder.books import Books
from ingest.vectors import embedded_texts
from rag.calibrate import calibrator
from vector_db.embedder import Embedder, open_embedder
from vector_db.layout import KnowledgeBaseFolder
from vector_db.manifest import EmbeddingRecord, read_manifest
from vector_db.writer import BookContent, GenerationHeader, write_generation


def with_model(settings: Settings, model: str, data_dir: Path | None = None) -> Settings:
    """The settings with another embedder, and another folder for the knowledge bases."""
    embedding = settings.embedding.model_copy(update={"model": model})
    return settings.model_copy(update={"embedding": embedding, "data_dir": data_dir or settings.data_dir})


def is_served(books: Books, embedder: Embedder) -> bool:
    """Whether the vectors of the served generation are those of `embedder`."""
    record = read_manifest(books.folder).embedding
    return (record.model, record.revision) == (embedder.name, embedder.revision)


def write_trial(settings: Settings, kb: str, books: Books, labelled: Path) -> None:
    """Publish the books as `kb` in the data folder of `settings`, embedded by the model that these name.

    labelled: folder of the knowledge base, which may hold labelled questions. Raises KebenError.
    """
    embedder, base = open_embedder(settings.embedding), read_manifest(books.folder)
    limit = settings.embedding.max_unknown_rate
    header = GenerationHeader(
        source_dir=base.source_dir,
        embedding=EmbeddingRecord(model=embedder.name, revision=embedder.revision, dimension=embedder.dimension),
        fingerprint=base.fingerprint,
    )
    contents = [_embedded(content, embedder, limit) for content in books.contents]
    target = KnowledgeBaseFolder(settings.data_dir, kb)
    with target.building():
        write_generation(target, header, contents, calibrate=calibrator(labelled, embedder, settings))


def _embedded(content: BookContent, embedder: Embedder, limit: float) -> BookContent:
    unknown = embedder.unknown_rate("".join(text for _, text in content.pages))
    dense = unknown <= limit
    record = content.record.model_copy(update={"unknown_token_rate": round(unknown, 4), "dense": dense})
    vectors = embedder.encode(embedded_texts(record.title, content.chunks)) if dense else None
    return BookContent(record, content.chunks, content.pages, vectors)
