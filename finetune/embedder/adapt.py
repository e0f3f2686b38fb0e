"""Adapts an embedder to the books of a knowledge base, and measures whether that helped."""

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.settings import Settings
from finetune.embedder.adapted_card import AdaptFacts, adapted_card
from finetune.embedder.books import Books, Example, make_examples, read_books
from finetune.embedder.card import CARD
from finetune.embedder.negatives import hard_negatives
from finetune.embedder.progress import Progress, silent
from finetune.embedder.proof import Bootstrap, Score, Verdict, compare_ranks, ranks, verdict
from finetune.embedder.trial import is_served, with_model, write_trial
from finetune.embedder.tuning import Triple, open_trainable, train
from finetune.folder import new_folder
from vector_db.embedder import model_folder, open_embedder
from vector_db.layout import KnowledgeBaseFolder

_MOST_MEASURED = 2000  # pairs
# Measures the whole retriever on a query set: of the settings before and after, and a knowledge base of both.
Measure = Callable[[Settings, Settings, str], list[Score]]


@dataclass(frozen=True, slots=True)
class Plan:
    """base: name or folder of the model to adapt. questions: (question, passage), besides the books' own pairs.

    epochs: times that each pair is seen, None: what suits the model. steps: of training, instead of epochs. command:
    for the card.
    """

    base: str
    command: str
    questions: Sequence[tuple[str, str]] = ()
    epochs: int | None = None
    steps: int | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class AdaptReport:
    """What was made and measured. trained, held_out: pairs by kind."""

    folder: str
    base: str
    kb: str
    steps: int
    trained: dict[str, int]
    held_out: dict[str, int]
    scores: tuple[Score, ...]
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def adapt(
    settings: Settings,
    kb: str,
    target: Path,
    plan: Plan,
    *,
    bootstrap: Bootstrap,
    measure: Measure | None = None,
    progress: Progress = silent,
) -> AdaptReport:
    """Train `plan.base` on the books of `kb` and write it to the new folder `target`, whatever the verdict.

    bootstrap: the mean of paired differences with its interval. measure: of the retriever with a query set. Raises
    ConfigError for unusable options or too few books, ModelError, KnowledgeBaseError.
    """
    before = with_model(settings, plan.base)
    room = 2 * sum(path.stat().st_size for path in model_folder(before.embedding).rglob("*") if path.is_file())
    with new_folder(target, room=room) as folder:
        books = read_books(settings.data_dir, kb)
        examples = make_examples(books, plan.questions, plan.seed)
        negatives = hard_negatives(books, examples.train, plan.seed, progress)
        triples = [Triple(example, text) for example, text in zip(examples.train, negatives, strict=True)]
        trainable = open_trainable(before.embedding)
        training = trainable.plan(len(triples), plan.epochs, plan.steps)
        train(trainable, triples, training, plan.seed, progress)
        trainable.save(folder)
        now = with_model(settings, str(folder))
        scores = _held_out_scores(before, now, books, examples.held_out, bootstrap, progress)
        if measure is not None:
            scores += _retriever_scores(before, now, kb, books, measure, progress)
        report = AdaptReport(
            folder=str(target),
            base=plan.base,
            kb=kb,
            steps=training.steps,
            trained=_kinds(examples.train),
            held_out=_kinds(examples.held_out),
            scores=tuple(scores),
            verdict=verdict(scores),
        )
        (folder / CARD).write_text(adapted_card(_facts(report, plan)), encoding="utf-8")
    return report


def _held_out_scores(
    before: Settings,
    now: Settings,
    books: Books,
    examples: Sequence[Example],
    bootstrap: Bootstrap,
    progress: Progress,
) -> list[Score]:
    """Of the dense leg alone. Of many pairs every n-th is measured."""
    some = examples[:: -(-len(examples) // _MOST_MEASURED)]
    found: list[list[int]] = []
    for number, settings in enumerate((before, now)):
        progress("measure on held-out sections", number, 2)
        found.append(ranks(open_embedder(settings.embedding), books, some))
    progress("measure on held-out sections", 2, 2)
    return compare_ranks(some, found[0], found[1], bootstrap)


def _retriever_scores(
    before: Settings, now: Settings, kb: str, books: Books, measure: Measure, progress: Progress
) -> list[Score]:
    """Of keyword and dense leg together, in knowledge bases that are made for it and thrown away."""
    labelled = KnowledgeBaseFolder(before.data_dir, kb).folder
    with tempfile.TemporaryDirectory(prefix="keben-trial-") as scratch:
        sides: list[Settings] = []
        for number, (name, settings) in enumerate((("before", before), ("now", now))):
            progress("index the books for a trial", number, 2)
            if not is_served(books, open_embedder(settings.embedding)):
                settings = with_model(settings, settings.embedding.model, Path(scratch) / name)
                write_trial(settings, kb, books, labelled)
            sides.append(settings)
        progress("index the books for a trial", 2, 2)
        return measure(sides[0], sides[1], kb)


def _kinds(examples: Sequence[Example]) -> dict[str, int]:
    return dict(sorted(Counter(example.kind for example in examples).items()))


def _facts(report: AdaptReport, plan: Plan) -> AdaptFacts:
    return AdaptFacts(
        command=plan.command,
        base=report.base,
        kb=report.kb,
        seed=plan.seed,
        steps=report.steps,
        trained=report.trained,
        held_out=report.held_out,
        scores=report.scores,
        verdict=report.verdict,
    )
