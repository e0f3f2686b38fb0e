"""Measures refusals anew, of a knowledge base whose books stay as they are."""

from collections.abc import Sequence

from core.errors import ConfigError, KnowledgeBaseMissing
from core.settings import Settings
from ingest.previous import previous_generations
from rag.calibrate import LEAST, calibrator
from rag.labelled import Labelled, keep_labelled, kept_labelled
from vector_db.embedder import open_embedder
from vector_db.files import REPORT
from vector_db.layout import KnowledgeBaseFolder
from vector_db.manifest import Manifest
from vector_db.writer import GenerationHeader, KeptBook, write_generation


def recalibrate(settings: Settings, kb: str, questions: Sequence[Labelled]) -> Manifest:
    """Publish a generation with the same books, whose refusals are measured with `questions`.

    Rebuilds measure with them too. None: with questions made from the books, as before any were given. Raises
    ConfigError for too few questions, KnowledgeBaseMissing when there is nothing to measure.
    """
    answered = sum(question.kind == "own" for question in questions)
    if questions and min(answered, len(questions) - answered) < 2 * LEAST:
        raise ConfigError(
            f"{answered} questions to answer and {len(questions) - answered} to refuse are too few to measure with",
            mend=f"label at least {2 * LEAST} of each, or calibrate without questions",
        )
    target = KnowledgeBaseFolder(settings.data_dir, kb)
    with target.building():
        previous = next(iter(previous_generations(target)))
        manifest, folder = previous.manifest, previous.folder
        if manifest is None or folder is None:
            raise KnowledgeBaseMissing(f"there is no knowledge base '{kb}'", mend=f"run `keben rebuild --kb {kb}`")
        previous.check()
        before = kept_labelled(target.folder)
        keep_labelled(target.folder, questions)
        try:
            header = GenerationHeader(
                source_dir=manifest.source_dir,
                embedding=manifest.embedding,
                fingerprint=manifest.fingerprint,
                failures=manifest.failures,
                unread=manifest.unread,
                removed=manifest.removed,
                report=(folder / REPORT).read_text(encoding="utf-8"),
                course=manifest.course,
            )
            embedder = open_embedder(settings.embedding) if manifest.vectors else None
            books = [KeptBook(record) for record in manifest.books]
            return write_generation(target, header, books, folder, calibrator(target.folder, embedder, settings))
        except BaseException:
            keep_labelled(target.folder, before)
            raise
