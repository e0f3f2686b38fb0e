"""Whether an adapted embedder finds more than its base: ranks on held-out pairs, and a verdict. Pure functions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from finetune.embedder.books import Books, Example
from vector_db.embedder import Embedder, Vectors

Verdict = Literal["helped", "did not help", "worse"]
MRR, RECALL = "mrr@10", "recall@5"
_SLAB = 256


class Interval(Protocol):
    """A mean with the bounds of its 95 % interval."""

    @property
    def mean(self) -> float:
        """The mean."""

    @property
    def low(self) -> float:
        """The lower bound."""

    @property
    def high(self) -> float:
        """The upper bound."""


Bootstrap = Callable[[Sequence[float]], Interval]


@dataclass(frozen=True, slots=True)
class Score:
    """A measure of both models. difference: now minus before, paired; low, high: its 95 % interval.

    of: what was asked. units: how many independent ones.
    """

    of: str
    measure: str
    units: int
    before: float
    now: float
    difference: float
    low: float
    high: float


def ranks(embedder: Embedder, books: Books, examples: Sequence[Example]) -> list[int]:
    """The rank from 1 of the right passage of each example among the chunks of all other sections.

    The right one is the example's passage, or for a heading any chunk under it. A tie counts as lost.
    """
    bodies = embedder.encode(books.bodies)
    section_of = np.array(books.section_of)
    found: list[int] = []
    for start in range(0, len(examples), _SLAB):
        some = examples[start : start + _SLAB]
        queries = embedder.encode_queries([example.query for example in some])
        own = (queries * embedder.encode([example.passage for example in some])).sum(axis=1)
        for example, right, scores in zip(some, own, queries @ bodies.T, strict=True):
            found.append(_rank(example, float(right), scores, section_of))
    return found


def _rank(example: Example, right: float, scores: Vectors, section_of: NDArray[np.intp]) -> int:
    mine = section_of == example.section
    best = max(right, float(scores[mine].max())) if example.kind == "heading" and mine.any() else right
    return 1 + int((scores[~mine] >= best).sum())


def compare_ranks(
    examples: Sequence[Example], before: Sequence[int], now: Sequence[int], bootstrap: Bootstrap
) -> list[Score]:
    """MRR@10 and recall@5 of both models. Pairs of one section are alike, so each section counts once, by its mean."""
    measures: dict[str, Callable[[int], float]] = {
        MRR: lambda rank: 1 / rank if rank <= 10 else 0.0,
        RECALL: lambda rank: float(rank <= 5),
    }
    scores: list[Score] = []
    for name, value in measures.items():
        old, new = (_by_section(examples, [value(rank) for rank in some]) for some in (before, now))
        change = bootstrap([right - left for left, right in zip(old, new, strict=True)])
        before_mean, now_mean = float(np.mean(old)), float(np.mean(new))
        scores.append(
            Score("held-out sections", name, len(old), before_mean, now_mean, change.mean, change.low, change.high)
        )
    return scores


def _by_section(examples: Sequence[Example], values: Sequence[float]) -> list[float]:
    members: dict[object, list[float]] = {}
    for number, (example, value) in enumerate(zip(examples, values, strict=True)):
        # A question whose passage is not in the books stands for itself.
        members.setdefault(example.section if example.section >= 0 else (number,), []).append(value)
    return [float(np.mean(some)) for some in members.values()]


def verdict(scores: Sequence[Score]) -> Verdict:
    """By the MRR that was measured last: the query set's where there is one, else that of the held-out sections.

    A loss that chance does not explain in any MRR makes it worse; a gain that it does not explain is a help.
    """
    decisive = [score for score in scores if score.measure == MRR]
    if any(score.high < 0 for score in decisive):
        return "worse"
    return "helped" if decisive and decisive[-1].low > 0 else "did not help"
