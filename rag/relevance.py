"""From what speaks for a passage to its rank, and to the probability that it answers the question. Pure functions."""

import numpy as np
from numpy.typing import NDArray

from rag.candidates import FEATURES, Features
from vector_db.manifest import RelevanceModel

# Weights of the rank, in the order of FEATURES; docs/retrieval.md tells what else was tried.
RANK = {"keywords": 0.8, "anywhere": 0.5, "stretch_20": 0.5, "stretch_40": 0.5, "section": 0.2, "cosine": 0.045}
_RANK_WEIGHTS = np.array([RANK.get(name, 0.0) for name in FEATURES])
Values = NDArray[np.float64]


def rank_scores(features: Features) -> Values:
    """What passages are ordered by: comparable within one question, shape (n,)."""
    return np.asarray(features @ _RANK_WEIGHTS)


def probabilities(features: Features, model: RelevanceModel) -> Values:
    """How likely each passage answers the question, 0 to 1, shape (n,)."""
    return np.asarray(1 / (1 + np.exp(-logits(features, model))))


def logits(features: Features, model: RelevanceModel) -> Values:
    """The logarithm of the odds that each passage answers the question, shape (n,)."""
    same = features @ np.array(model.weights) + model.intercept
    foreign = features @ np.array(model.foreign_weights) + model.foreign_intercept
    return np.asarray(np.where(features[:, FEATURES.index("foreign")] > 0, foreign, same))
