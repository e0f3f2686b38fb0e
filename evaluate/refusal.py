"""Measures which questions a published knowledge base would answer, by the retriever and the threshold that it serves.

Only the threshold is measured: an answer that is refused because its writer finds no sentence is not counted.
"""

from collections.abc import Callable, Iterable, Sequence

from core.settings import Settings
from core.types import Passage
from evaluate.questions import Labelled
from evaluate.records import served
from evaluate.refusal_results import RefusalResult, ScoredQuestion, best_in_sample, refusal_group, splits, threshold_of
from rag.answer import Answerer
from rag.build import build_answerer, build_embedder
from vector_db.library import open_knowledge_base
from vector_db.reader import LiveKnowledgeBase

# Wraps the questions to draw progress; gives them back in order.
Track = Callable[[Sequence[Labelled]], Iterable[Labelled]]


def evaluate_refusal(
    settings: Settings, kb: str, questions: Sequence[Labelled], *, accept_set: str, reject_set: str, track: Track = iter
) -> RefusalResult:
    """Search for every question in the knowledge base `kb` and look which reach the threshold.

    questions: at least one of each class. accept_set, reject_set: what their files are called in the result. Raises
    KnowledgeBaseError when `kb` cannot be served.
    """
    base = open_knowledge_base(settings, kb)
    try:
        answerer = build_answerer(settings, build_embedder(settings, [base]))
        scored = tuple(_score(answerer, base, question) for question in track(questions))
        with base.generation() as generation:
            threshold, manifest = answerer.threshold(generation), generation.manifest
    finally:
        base.close()
    return RefusalResult(
        served=served(base.name, manifest, settings.retrieval),
        accept_set=accept_set,
        reject_set=reject_set,
        threshold=threshold_of(scored, threshold),
        best_in_sample=best_in_sample(scored),
        groups=tuple(refusal_group(split, threshold) for split in splits(scored)),
        questions=scored,
    )


def _score(answerer: Answerer, base: LiveKnowledgeBase, question: Labelled) -> ScoredQuestion:
    passages = answerer.search(base, question.text)
    best = max(passages, key=lambda passage: passage.relevance, default=None)
    return ScoredQuestion(
        id=question.id,
        key=question.key,
        question=question.text,
        language=question.language,
        kind=question.kind,
        score=best.relevance if best else 0.0,
        passage=_place(best) if best else "",
    )


def _place(passage: Passage) -> str:
    return " > ".join((passage.book.title, *passage.chunk.heading_path))
