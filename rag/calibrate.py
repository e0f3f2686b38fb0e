"""Measures what a knowledge base refuses: the relevance model, its threshold, and a certificate of how well they do.

The relevance of a passage is a logistic regression on the features of `rag.candidates`. Its weights were fitted on
questions of people (`_PRIOR`: CMRC 2018, DRCD and headings of textbooks; for passages in the other language, sentences
of translated textbooks; none of these did the embedder learn from). On one half of its questions each knowledge base
fits slope and intercept of its own (Platt, "Probabilistic outputs for support vector machines", 1999) and the threshold
of highest F1; where these are questions that nobody asked, it goes a third of the way from the prior's. The certificate
is measured on the other half.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.settings import Settings
from rag.candidates import CandidateFinder, Features
from rag.labelled import kept_labelled
from rag.probes import Kind, Probe, everyday_questions, make_probes
from rag.relevance import logits, probabilities, rank_scores
from vector_db.embedder import Embedder, bundled_embedder
from vector_db.manifest import Calibration, Certificate, CosineScale, CurvePoint, Rate, RelevanceModel
from vector_db.reader import Generation
from vector_db.writer import Calibrate

_EACH = 100  # questions of each kind
LEAST = 20  # of a kind in each half, below which nothing is fitted
_SAMPLED, _HEADINGS = 2000, 100  # passages, questions
_RESAMPLES, _LEVEL = 500, 0.95
_CURVE_STEPS = 40
SELF_MADE, LABELLED = "questions made from its own sentences", "labelled questions"
# keywords, evidence, anywhere, stretch_20, stretch_40, exact, section, cosine, foreign
_PRIOR = RelevanceModel(
    weights=(1.901, 1.025, 1.677, 0.403, 0.0, 3.258, 0.363, 0.228, 0.0),
    intercept=-6.418,
    foreign_weights=(0.0, 0.206, 4.875, 3.704, 5.238, 0.0, 0.0, 1.087, 0.0),
    foreign_intercept=-8.155,
)
# On questions of people F1 is flat from 0.15 to 0.3.
_PRIOR_THRESHOLD = 0.18
_OF_ITS_OWN = 1 / 3  # how far the threshold goes towards the one of questions that nobody asked
_TOWARDS_PRIOR = 0.05


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was asked: what it was, and the features of its best passage (None: nothing was found).

    weight: as in `Probe`.
    """

    kind: Kind
    features: Features | None
    weight: float = 1.0


def calibrator(kb: Path, embedder: Embedder | None, settings: Settings) -> Calibrate:
    """Measures a finished generation before anyone is served from it.

    kb: folder of the knowledge base, which may hold labelled questions. embedder: of the dense leg.
    """
    finder = CandidateFinder(embedder, settings.retrieval.candidates, settings.embedding.max_unknown_rate)

    def of_folder(folder: Path) -> Calibration:
        generation = Generation(folder)
        try:
            return calibrate(generation, embedder, finder, [question.probe() for question in kept_labelled(kb)])
        finally:
            generation.retire()

    return of_folder


def calibrate(
    generation: Generation, embedder: Embedder | None, finder: CandidateFinder, labelled: Sequence[Probe] = ()
) -> Calibration:
    """Calibrate with labelled questions, or else with some that are made from the books themselves."""
    scale = cosine_scale(generation, embedder)
    probes = labelled or make_probes(generation, bundled_embedder(), _EACH)
    asked = [ask(generation, finder, probe, scale) for probe in probes]
    return fit(asked, scale, LABELLED if labelled else SELF_MADE)


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
        return Asked(probe.kind, None, probe.weight)
    best = int(np.argmax(rank_scores(found.features)))
    return Asked(probe.kind, found.features[best], probe.weight)


def fit(asked: Sequence[Asked], scale: CosineScale | None, source: str) -> Calibration:
    """A model fitted on every other question of each kind, and its certificate on the rest.

    With too few questions of a kind, or too few answers found, the prior stays, and nothing is certified.
    """
    seen, unseen = ([one for kind in _by_kind(asked) for one in kind[part::2]] for part in (0, 1))
    found = (sum(one.kind == "own" and one.features is not None for one in half) for half in (seen, unseen))
    if min(*found, sum(one.kind != "own" for one in unseen)) < LEAST:
        return Calibration(cosine=scale, relevance=_PRIOR, threshold=_PRIOR_THRESHOLD, certificate=None)
    line = _fitted(seen)
    model = _scaled(line)
    threshold = 1 / (1 + math.exp(-(line[0] * _parting(seen, _OF_ITS_OWN if source == SELF_MADE else 1.0) + line[1])))
    certificate = _certificate(unseen, model, threshold, source)
    return Calibration(cosine=scale, relevance=model, threshold=threshold, certificate=certificate)


def _parting(asked: Sequence[Asked], share: float) -> float:
    """The prior's logit above which questions are answered. share: of the questions asked in it, 0 to 1."""
    own, foreign = ([one for one in asked if (one.kind == "own") == kind] for kind in (True, False))
    weights = np.array([one.weight for one in foreign])
    found = _logit(best_threshold(_scores(own, _PRIOR), _scores(foreign, _PRIOR), weights * len(own) / weights.sum()))
    return share * found + (1 - share) * _logit(_PRIOR_THRESHOLD)


def _logit(probability: float) -> float:
    bounded = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(bounded / (1 - bounded))


def _by_kind(asked: Sequence[Asked]) -> list[list[Asked]]:
    return [[one for one in asked if one.kind == kind] for kind in ("own", "near", "far")]


def _fitted(asked: Sequence[Asked]) -> tuple[float, float]:
    """Slope and intercept of the prior's logits, by Newton's method; pulled towards 1 and 0.

    Questions to answer and to refuse count the same in all.
    """
    found = [one for one in asked if one.features is not None]
    answers = np.array([one.kind == "own" for one in found], dtype=np.float64)
    share = np.array([one.weight for one in found])
    for value in (0, 1):
        share[answers == value] *= 0.5 / max(share[answers == value].sum(), 1e-9)
    columns = np.column_stack((logits(np.array([one.features for one in found]), _PRIOR), np.ones(len(found))))
    pull = np.diag([_TOWARDS_PRIOR, _TOWARDS_PRIOR / 10])
    start = np.array([1.0, 0.0])
    line = start.copy()
    for _ in range(30):
        chance = 1 / (1 + np.exp(-columns @ line))
        slope = columns.T @ (share * (answers - chance)) - pull @ (line - start)
        curve = (columns * (share * chance * (1 - chance))[:, None]).T @ columns + pull
        step = np.clip(np.linalg.solve(curve, slope), -1, 1)
        line = line + step
        if np.abs(step).max() < 1e-8:
            break
    return max(float(line[0]), 0.1), float(line[1])


def _scaled(line: tuple[float, float]) -> RelevanceModel:
    slope, intercept = line
    return RelevanceModel(
        weights=tuple(slope * weight for weight in _PRIOR.weights),
        intercept=slope * _PRIOR.intercept + intercept,
        foreign_weights=tuple(slope * weight for weight in _PRIOR.foreign_weights),
        foreign_intercept=slope * _PRIOR.foreign_intercept + intercept,
    )


def _scores(asked: Sequence[Asked], model: RelevanceModel) -> Features:
    """The relevance of each question's best passage; -1 where nothing was found."""
    found = (probabilities(one.features[None], model)[0] if one.features is not None else -1.0 for one in asked)
    return np.array([float(score) for score in found])


def f1(own: Features, foreign: Features, threshold: float, weights: Features | None = None) -> float:
    """Harmonic mean of precision and recall of what is accepted, 0 to 1. weights: of the foreign questions."""
    right, accepted = float((own >= threshold).sum()), foreign >= threshold
    wrong = float(accepted.sum() if weights is None else weights[accepted].sum())
    return 2 * right / max(right + wrong + len(own), 1)


def best_threshold(own: Features, foreign: Features, weights: Features | None = None) -> float:
    """The threshold of highest F1, in the middle between the two scores that it parts."""
    scores = np.unique(np.concatenate((own, foreign)))
    scores = scores[scores >= 0]
    best = max(range(len(scores)), key=lambda at: (f1(own, foreign, float(scores[at]), weights), at))
    return float((scores[best] + (scores[best - 1] if best else 0.0)) / 2)


def _certificate(asked: Sequence[Asked], model: RelevanceModel, threshold: float, source: str) -> Certificate:
    own, near, far = (_scores(kind, model) for kind in _by_kind(asked))
    foreign = np.concatenate((near, far))
    return Certificate(
        precision=_rate(_precision, own, foreign, threshold),
        recall=_rate(_recall, own, foreign, threshold),
        f1=_rate(f1, own, foreign, threshold),
        near=_rate(f1, own, near, threshold) if len(near) else None,
        far=_rate(f1, own, far, threshold) if len(far) else None,
        accepted=len(own),
        near_refused=len(near),
        far_refused=len(far),
        source=source,
        curve=_curve(own, foreign, threshold),
    )


def _precision(own: Features, foreign: Features, threshold: float) -> float:
    right, wrong = int((own >= threshold).sum()), int((foreign >= threshold).sum())
    return right / max(right + wrong, 1)


def _recall(own: Features, _foreign: Features, threshold: float) -> float:
    return float((own >= threshold).mean())


def _curve(own: Features, foreign: Features, threshold: float) -> tuple[CurvePoint, ...]:
    return tuple(
        CurvePoint(
            threshold=round(at, 3),
            precision=round(_precision(own, foreign, at), 3),
            recall=round(_recall(own, foreign, at), 3),
            f1=round(f1(own, foreign, at), 3),
        )
        for at in sorted({threshold, *(step / _CURVE_STEPS for step in range(_CURVE_STEPS + 1))})
    )


def _rate(
    measure: Callable[[Features, Features, float], float], own: Features, foreign: Features, threshold: float
) -> Rate:
    """With its percentile bootstrap interval, the questions of both kinds drawn apart."""
    draw = np.random.default_rng(0)
    values = [
        measure(
            own[draw.integers(0, len(own), len(own))], foreign[draw.integers(0, len(foreign), len(foreign))], threshold
        )
        for _ in range(_RESAMPLES)
    ]
    low, high = np.quantile(values, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Rate(value=round(measure(own, foreign, threshold), 4), low=round(float(low), 4), high=round(float(high), 4))
