"""What each system thinks of a question: one score, higher for questions that it would answer."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ranking.passages import Indexed, asked, embedded, keben_passages
from ranking.systems import bm25, dense
from ranking.words import jieba_words

from core.errors import ConfigError
from evaluate.intervals import Array
from rag.answer import Answerer
from rag.build import build_answerer
from vector_db.embedder import open_embedder
from vector_db.reader import LiveKnowledgeBase

OURS = "Keben"
# Below every threshold: without a passage there is no answer.
_NOTHING = -1.0


@dataclass(frozen=True, slots=True)
class Foreign:
    """A question that the book does not answer. kind: near or far from its subject."""

    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores by system, shape (questions,), and the threshold that Keben serves with."""

    scores: dict[str, Array]
    threshold: float


def foreign_questions(path: Path, language: str) -> list[Foreign]:
    """Those of one language, in order; raises ConfigError."""
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
        found = [Foreign(row["question"], row["kind"]) for row in rows if row["lang"] == language]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error!r}", mend='a question a line: {"question": …, "lang": …, "kind": …}'
        ) from error
    if not found:
        raise ConfigError(f"{path} has no questions in {language}", mend="leave the language out with --languages")
    return found


def scored(indexed: Indexed, questions: Sequence[str]) -> Scored:
    """The scores of every system for every question."""
    embedder = open_embedder(indexed.settings.embedding)
    with indexed.opened() as base, base.generation() as generation:
        answerer = build_answerer(indexed.settings, embedder)
        ours = [relevance(answerer, base, question) for question in questions]
        threshold = answerer.threshold(generation)
    passages = keben_passages(indexed)
    cosines = dense(embedded(passages, embedder), asked(questions, embedder))
    scores = {
        "BM25 score": np.array([float(values.max()) for values in bm25(passages, jieba_words, questions)]),
        "cosine": np.array([float(values.max()) for values in cosines]),
        OURS: np.array(ours),
    }
    return Scored(scores, threshold)


def relevance(answerer: Answerer, base: LiveKnowledgeBase, question: str) -> float:
    """Of the best passage: what the service holds against its threshold."""
    return max((passage.relevance for passage in answerer.search(base, question)), default=_NOTHING)
