"""An exam from the questions to the result."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from core.errors import ConfigError
from core.settings import Settings
from core.types import Passage
from evaluate.exam.asking import check_examples, examples_for
from evaluate.exam.questions import ExamQuestion
from evaluate.exam.results import MEASURES, ExamResult, by_subject, group, row
from evaluate.exam.scorer import Scorer
from evaluate.exam.solvers import Found, Picks, by_chance, by_likelihood, by_support, by_writing
from evaluate.loss import Talk, loss_of
from evaluate.loss_results import LossResult
from evaluate.records import Served, served
from rag.build import build_chat, build_embedder, build_retriever
from rag.llm import InternLM2Chat
from rag.model_writer import Limits
from vector_db.embedder import bundled_embedder
from vector_db.library import open_knowledge_base

Solver = Literal["chance", "retrieval", "model"]
SCORES = ("letter", "text", "written")
Item = TypeVar("Item")


class Track(Protocol):
    """Wraps items to draw progress; gives them back in order."""

    def __call__(self, items: Sequence[Item], /) -> Iterable[Item]: ...


@dataclass(frozen=True, slots=True)
class Sitting:
    """How an exam is sat. kb: the books that may be looked into; None for none.

    scores: of `SCORES`, for a model. shots: worked examples. limit: of questions a subject, for the record.
    """

    solver: Solver
    sets: tuple[str, ...]
    kb: str | None = None
    scores: tuple[str, ...] = ("letter", "written")
    shots: Sequence[ExamQuestion] = ()
    max_new_tokens: int = 256
    limit: int | None = None


def evaluate_exam(
    settings: Settings,
    questions: Sequence[ExamQuestion],
    sitting: Sitting,
    *,
    talks: Sequence[Talk] = (),
    track: Track = iter,
) -> ExamResult:
    """Have the exam sat, by the model that the settings name if by one. talks: whose loss is measured as well.

    The model is loaded twice in turn, not at once: to weigh options, and to write. A model elsewhere only writes.
    Raises ConfigError when nothing can be asked or measured, ModelError and KnowledgeBaseError as these are at fault.
    """
    _check(settings, questions, sitting, talks)
    check_examples(questions, sitting.shots)
    loss: LossResult | None = None
    base: Served | None = None
    model: str | None = None
    if sitting.solver == "chance":
        picks = by_chance(questions)
    elif sitting.solver == "retrieval":
        picks, base = _by_books(settings, questions, sitting, track)
    else:
        found: Found = None
        if sitting.kb is not None:
            found, base = _passages(settings, questions, sitting.kb, track)
        picks, loss, model = _by_model(settings, questions, sitting, found, talks, track)
    return _result(questions, sitting, picks, base, model, loss)


def _result(
    questions: Sequence[ExamQuestion],
    sitting: Sitting,
    picks: Sequence[Picks],
    base: Served | None,
    model: str | None,
    loss: LossResult | None,
) -> ExamResult:
    rows = tuple(row(question, some) for question, some in zip(questions, picks, strict=True) if some)
    if not rows:
        raise ConfigError(
            f"none of the questions has options, which {sitting.solver} needs",
            mend="ask a model to write: --score written",
        )
    overall = group("all", rows)
    return ExamResult(
        solver=sitting.solver,
        model=model,
        served=base,
        sets=sitting.sets,
        few_shot=max((len(examples_for(question, sitting.shots)) for question in questions), default=0),
        limit=sitting.limit,
        measures=tuple(measure for measure in MEASURES if measure in overall.scores),
        overall=overall,
        subjects=by_subject(rows),
        questions=rows,
        loss=loss,
    )


def _check(settings: Settings, questions: Sequence[ExamQuestion], sitting: Sitting, talks: Sequence[Talk]) -> None:
    llm = settings.llm
    if not questions:
        raise ConfigError("there are no questions", mend="name a set that is not empty: --set FILE")
    if sitting.solver == "model" and not (llm.model or llm.urls):
        raise ConfigError("no model is named", mend="--model FOLDER, or KEBEN_LLM__URLS, or --solver chance")
    if sitting.solver == "retrieval" and sitting.kb is None:
        raise ConfigError("no knowledge base is named", mend="--kb NAME")
    local = sitting.solver == "model" and not llm.urls
    if talks and not local:
        raise ConfigError("the loss is measured of a model folder alone", mend="name one: --model FOLDER")
    if sitting.solver == "model" and not local and sitting.scores != ("written",):
        raise ConfigError("a model that is served elsewhere can only write", mend="--score written")


def _by_books(
    settings: Settings, questions: Sequence[ExamQuestion], sitting: Sitting, track: Track
) -> tuple[list[Picks], Served]:
    assert sitting.kb is not None
    base = open_knowledge_base(settings, sitting.kb)
    try:
        retriever = build_retriever(settings, build_embedder(settings, [base]))
        with base.generation() as generation:

            def search(text: str) -> Sequence[Passage]:
                return retriever.search(generation, text, settings.retrieval.top_k)

            picks = by_support(track(questions), search, bundled_embedder().encode)
            return picks, served(base.name, generation.manifest, settings.retrieval)
    finally:
        base.close()


def _passages(
    settings: Settings, questions: Sequence[ExamQuestion], kb: str, track: Track
) -> tuple[dict[str, list[Passage]], Served]:
    """For each question, by its key, what its words and those of its options find."""
    base = open_knowledge_base(settings, kb)
    try:
        retriever = build_retriever(settings, build_embedder(settings, [base]))
        with base.generation() as generation:
            found = {
                question.key: retriever.search(generation, question.asked, settings.retrieval.top_k)
                for question in track(questions)
            }
            return found, served(base.name, generation.manifest, settings.retrieval)
    finally:
        base.close()


def _by_model(
    settings: Settings,
    questions: Sequence[ExamQuestion],
    sitting: Sitting,
    found: Found,
    talks: Sequence[Talk],
    track: Track,
) -> tuple[list[Picks], LossResult | None, str]:
    """Picks, loss, and what the model is called."""
    picks: list[Picks] = [{} for _ in questions]
    loss, name = None, str(settings.llm.model)
    given: dict[str, Any] = {"found": found, "shots": sitting.shots, "track": track}
    weighed = [name for name in sitting.scores if name != "written"]
    if weighed or talks:
        assert settings.llm.model is not None
        with closing(Scorer(settings.llm.model, settings.llm)) as scorer:
            if weighed:
                picks = by_likelihood(questions, scorer, measures=weighed, **given)
            if talks:
                loss = loss_of(scorer, name, talks, track=track)
    if "written" in sitting.scores:
        with closing(build_chat(settings.llm)) as chat:
            if not isinstance(chat, InternLM2Chat):
                name = chat.name_there
            limits = Limits(chat.limit, sitting.max_new_tokens)
            more = by_writing(questions, chat, limits, together=settings.llm.max_running, **given)
        picks = [one | other for one, other in zip(picks, more, strict=True)]
    return picks, loss, name
