"""The tables. Pure functions on values, one a query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluate.intervals import Interval, intervals
from ranking.sets import is_crossing

OURS, KEYWORDS = "Keben", "BM25 jieba"
MEASURES = {"mrr@10": "MRR@10", "recall@1": "R@1", "recall@5": "R@5", "ndcg@10": "nDCG@10"}

# By name of the measure, a value for each query; by system.
Values = dict[str, list[float]]
Scores = dict[str, Values]
Results = Mapping[str, Scores]


@dataclass(frozen=True, slots=True)
class Against:
    """Ours beside another system. points: the difference times 100, with its 95 % interval."""

    ours: float
    other: float
    points: Interval

    @property
    def ratio(self) -> float:
        """Ours to the other."""
        return self.ours / self.other if self.other else float("inf")

    @property
    def cells(self) -> list[str]:
        """Ratio, points and interval as they are printed."""
        low, high = self.points.low, self.points.high
        return [f"{self.ratio:.2f}", f"{self.points.mean:+.1f}", f"{low:+.1f} … {high:+.1f}"]


def tables(results: Results) -> str:
    """All sets of one language, and those across languages if there are any."""
    plain = {name: scores for name, scores in results.items() if not is_crossing(name)}
    crossing = {name: scores for name, scores in results.items() if is_crossing(name)}
    parts = [table(plain)] if plain else []
    if crossing:
        parts += ["Across languages:", table(crossing), f"R@5 across languages against {KEYWORDS}:", beside(crossing)]
    return "\n\n".join(parts)


def table(results: Results) -> str:
    """A row for each set and measure, the mean over sets last; the best of the others is marked."""
    systems = list(next(iter(results.values())))
    head = ["set (queries)", "measure", *systems, f"{OURS} / best other", "points", "95 % interval"]
    rows = [row for name, scores in results.items() for row in _rows(label(name, scores), [scores], systems)]
    if len(results) > 1:
        rows += _rows("mean of sets", list(results.values()), systems)
    return markdown(head, rows)


def beside(results: Results) -> str:
    """R@5 of ours and of keywords alone, a row for each set."""
    rows: list[list[str]] = []
    for name, scores in results.items():
        against = compared([scores], KEYWORDS, "recall@5")
        rows.append([label(name, scores), f"{against.other:.3f}", f"{against.ours:.3f}", *against.cells])
    return markdown(["set (queries)", KEYWORDS, OURS, "ratio", "points", "95 % interval"], rows)


def _rows(name: str, sets: Sequence[Scores], systems: Sequence[str]) -> list[list[str]]:
    rows: list[list[str]] = []
    for measure, shown in MEASURES.items():
        means = {system: mean([mean(scores[system][measure]) for scores in sets]) for system in systems}
        best = max((system for system in systems if system != OURS), key=means.__getitem__)
        cells = [f"{value:.3f}" + (" ←" if system == best else "") for system, value in means.items()]
        rows.append([name, shown, *cells, *compared(sets, best, measure).cells])
    return rows


def compared(sets: Sequence[Scores], other: str, measure: str) -> Against:
    """Ours against `other`: means over the sets, each set counting the same."""
    ours, theirs = (mean([mean(scores[system][measure]) for scores in sets]) for system in (OURS, other))
    pairs = [zip(scores[OURS][measure], scores[other][measure], strict=True) for scores in sets]
    return Against(ours, theirs, stratified([[100 * (now - then) for now, then in those] for those in pairs]))


def stratified(groups: Sequence[Sequence[float]]) -> Interval:
    """The mean of the groups' means, with its 95 % percentile bootstrap interval; drawn within each group."""
    samples = [np.asarray(group, dtype=np.float64) for group in groups]
    return intervals(lambda strata: {"mean": float(np.mean([some.mean() for some in strata]))}, samples)["mean"]


def label(name: str, scores: Scores) -> str:
    """A set with the number of its queries."""
    return f"{name} ({len(next(iter(scores[OURS].values())))})"


def mean(values: Sequence[float]) -> float:
    """Of at least one value."""
    return sum(values) / len(values)


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    return "\n".join([f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)])
