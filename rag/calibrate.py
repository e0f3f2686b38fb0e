"""Fits what a knowledge base refuses: the relevance model, its threshold, and a certificate of how well they do.

A logistic regression on the features of `rag.candidates`, drawn towards weights that were fitted on questions of people
(`_PRIOR`), since the questions of `rag.probes` are not what people ask. The threshold is the one of highest F1 on the
questions that were fitted on; the certificate is measured on the others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.settings import Settings
from rag.candidates import FEATURES, CandidateFinder, Features
from rag.probes import Kind, Probe, everyday_questions, make_probes
from rag.relevance import probabilities, rank_scores
from vector_db.embedder import Embedder, bundled_embedder
from vector_db.manifest import Calibration, Certificate, CosineScale, Rate, RelevanceModel
from vector_db.reader import Generation

_EACH = 160  # questions of each kind
_LEAST = 20  # of a kind, below which nothing is fitted
_SAMPLED, _HEADINGS = 2000, 100  # passages, questions
_TOWARDS_PRIOR = 1.0
_RESAMPLES, _LEVEL = 500, 0.95
SELF_MADE = "questions made from its own sentences"
_PRIOR = RelevanceModel(weights=(0.0,) * len(FEATURES), intercept=0.0)
_PRIOR_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was asked: what it was, and the features of its best passage (None: nothing was found)."""

    kind: Kind
    features: Features | None


def calibrate(generation: Generation, embedder: Embedder | None, finder: CandidateFinder) -> Calibration:
    """Calibrate from questions made from the books themselves. embedder: that of the dense leg."""
    scale = cosine_scale(generation, embedder)
    probes = make_probes(generation, bundled_embedder(), _EACH)
    return fit([ask(generation, finder, probe, scale) for probe in probes], scale, SELF_MADE)


def calibrate_folder(folder: Path, embedder: Embedder | None, settings: Settings) -> Calibration:
    """Calibrate the finished generation in `folder`, before anyone is served from it."""
    finder = CandidateFinder(embedder, settings.retrieval.candidates, settings.embedding.max_unknown_rate)
    generation = Generation(folder)
    try:
        return calibrate(generation, embedder, finder)
    finally:
        generation.retire()


def cosine_scale(generation: Generation, embedder: Embedder | None) -> CosineScale | None:
    """What headings have in common with passages at random; None without vectors.

    In a small library a heading stands over many of the passages, so that other questions fill up what is asked.
    """
    if embedder is None or not len(generation.vectors):
        return None
    draw = np.random.default_rng(0)
    rows = draw.permutation(len(generation.ids))[:_HEADINGS]
    chunks = generation.store.get([generation.ids[row] for row in rows])
    asked = [chunk.heading_path[-1] if chunk.heading_path else chunk.text[:40] for chunk in chunks]
    if len(asked) < _HEADINGS:
        asked += [question for questions in everyday_questions().values() for question in questions]
    passages = np.asarray(generation.vectors[np.sort(draw.permutation(len(generation.vectors))[:_SAMPLED])])
    cosines = embedder.encode_queries(asked) @ passages.T
    return CosineScale(mean=float(cosines.mean()), deviation=max(float(cosines.std()), 1e-3))


def ask(generation: Generation, finder: CandidateFinder, probe: Probe, scale: CosineScale | None) -> Asked:
    """The best passage of a question, as the service would find it."""
    found = finder.find(generation, probe.text, scale, without=probe.without)
    if not len(found.rows):
        return Asked(probe.kind, None)
    return Asked(probe.kind, found.features[int(np.argmax(rank_scores(found.features)))])


def fit(asked: Sequence[Asked], scale: CosineScale | None, source: str) -> Calibration:
    """A model fitted on every other question of each kind, and its certificate on the rest.

    Questions for which nothing was found are refused without a model. With too few of a kind, or too few answers found,
    the prior stays, and nothing is certified.
    """
    halves = ([one for kind in _by_kind(asked) for one in kind[part::2]] for part in (0, 1))
    seen, unseen = halves
    found = sum(one.kind == "own" and one.features is not None for one in seen)
    if min(found, sum(one.kind != "own" for one in seen)) < _LEAST:
        return Calibration(cosine=scale, relevance=_PRIOR, threshold=_PRIOR_THRESHOLD, certificate=None)
    model = _fitted(seen)
    own, near, far = (_scores(seen, kind, model) for kind in ("own", "near", "far"))
    threshold = best_threshold(own, np.concatenate((near, far)))
    return Calibration(
        cosine=scale, relevance=model, threshold=threshold, certificate=_certificate(unseen, model, threshold, source)
    )


def _by_kind(asked: Sequence[Asked]) -> list[list[Asked]]:
    return [[one for one in asked if one.kind == kind] for kind in ("own", "near", "far")]


def _fitted(asked: Sequence[Asked]) -> RelevanceModel:
    """Penalised maximum likelihood by Newton's method; answered and refused questions count the same in all."""
    found = [one for one in asked if one.features is not None]
    features = np.array([one.features for one in found])
    answers = np.array([one.kind == "own" for one in found], dtype=np.float64)
    share = np.where(answers == 1, 0.5 / max(answers.sum(), 1), 0.5 / max((1 - answers).sum(), 1)) * len(found)
    columns = np.column_stack((features, np.ones(len(found))))
    prior = np.array([*_PRIOR.weights, _PRIOR.intercept])
    pull = _TOWARDS_PRIOR * np.maximum(columns.var(axis=0), 1e-6) * np.sqrt(len(found))
    weights = prior.copy()
    for _ in range(30):
        chance = 1 / (1 + np.exp(-columns @ weights))
        slope = columns.T @ (share * (answers - chance)) - pull * (weights - prior)
        curve = (columns * (share * chance * (1 - chance))[:, None]).T @ columns + np.diag(pull)
        step = np.linalg.solve(curve, slope)
        weights = weights + np.clip(step, -5, 5)
        if np.abs(step).max() < 1e-8:
            break
    return RelevanceModel(weights=tuple(map(float, weights[:-1])), intercept=float(weights[-1]))


def _scores(asked: Sequence[Asked], kind: Kind, model: RelevanceModel) -> Features:
    """The relevance of each question's best passage; -1 where nothing was found."""
    return np.array(
        [
            -1.0 if one.features is None else float(probabilities(one.features[None], model)[0])
            for one in asked
            if one.kind == kind
        ]
    )


def f1(own: Features, foreign: Features, threshold: float) -> float:
    """Harmonic mean of precision and recall of what is accepted, 0 to 1."""
    right, wrong = int((own >= threshold).sum()), int((foreign >= threshold).sum())
    return 2 * right / max(right + wrong + len(own), 1)


def best_threshold(own: Features, foreign: Features) -> float:
    """The threshold of highest F1, in the middle between the two scores that it parts."""
    scores = np.unique(np.concatenate((own, foreign)))
    scores = scores[scores >= 0]
    best = max(range(len(scores)), key=lambda at: (f1(own, foreign, float(scores[at])), at))
    return float((scores[best] + (scores[best - 1] if best else 0.0)) / 2)


def _certificate(asked: Sequence[Asked], model: RelevanceModel, threshold: float, source: str) -> Certificate:
    own, near, far = (_scores(asked, kind, model) for kind in ("own", "near", "far"))
    foreign = np.concatenate((near, far))

    def precision(own: Features, foreign: Features) -> float:
        right, wrong = int((own >= threshold).sum()), int((foreign >= threshold).sum())
        return right / max(right + wrong, 1)

    def recall(own: Features, foreign: Features) -> float:
        return float((own >= threshold).mean())

    def score(own: Features, foreign: Features) -> float:
        return f1(own, foreign, threshold)

    return Certificate(
        precision=_rate(precision, own, foreign),
        recall=_rate(recall, own, foreign),
        f1=_rate(score, own, foreign),
        near=_rate(score, own, near) if len(near) else None,
        far=_rate(score, own, far) if len(far) else None,
        accepted=len(own),
        near_refused=len(near),
        far_refused=len(far),
        source=source,
    )


def _rate(measure: Callable[[Features, Features], float], own: Features, foreign: Features) -> Rate:
    """With its percentile bootstrap interval, the questions of both kinds drawn apart."""
    draw = np.random.default_rng(0)
    values = [
        measure(own[draw.integers(0, len(own), len(own))], foreign[draw.integers(0, len(foreign), len(foreign))])
        for _ in range(_RESAMPLES)
    ]
    low, high = np.quantile(values, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Rate(value=round(measure(own, foreign), 4), low=round(float(low), 4), high=round(float(high), 4))
