"""Measures of a ranking. Pure functions on the ranks at which the gold was found.

A query has one or more gold items. `ranks` holds for each the rank, counted from 1, of the first passage that is
relevant to it, or None when none was. An item counts once: a second passage of the same answer adds nothing.
"""

import math
from collections.abc import Sequence

_CUTOFFS = (1, 5, 10)
_LAST = 10

Ranks = Sequence[int | None]


def recall(ranks: Ranks, k: int) -> float:
    """Share of the gold items found in the first `k` passages, 0 to 1. `ranks` must not be empty."""
    return sum(rank is not None and rank <= k for rank in ranks) / len(ranks)


def reciprocal_rank(ranks: Ranks, k: int) -> float:
    """1 / rank of the first relevant passage, 0 when it is not among the first `k`.

    Voorhees, "The TREC-8 Question Answering Track Report", 1999; its mean over queries is MRR@k.
    """
    first = first_rank(ranks)
    return 1 / first if first is not None and first <= k else 0.0


def ndcg(ranks: Ranks, k: int) -> float:
    """Normalised discounted cumulative gain of the first `k` passages, 0 to 1. `ranks` must not be empty.

    Binary gain, discount 1 / log2(1 + rank); the ideal ranking has the gold items at ranks 1, 2, ... One passage may
    hold several items and is credited with all, so the quotient is capped at 1.
    Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20(4), 2002.
    """
    gained = sum(1 / math.log2(1 + rank) for rank in ranks if rank is not None and rank <= k)
    ideal = sum(1 / math.log2(1 + rank) for rank in range(1, min(len(ranks), k) + 1))
    return min(1.0, gained / ideal)


def first_rank(ranks: Ranks) -> int | None:
    """Rank of the first passage that is relevant to any item."""
    return min((rank for rank in ranks if rank is not None), default=None)


def measure_names(top_k: int) -> tuple[str, ...]:
    """Names of what is measured when `top_k` passages are looked at: nothing beyond them is claimed."""
    last = min(top_k, _LAST)
    cutoffs = sorted({k for k in _CUTOFFS if k <= top_k} | {top_k})
    return (*(f"recall@{k}" for k in cutoffs), f"mrr@{last}", f"ndcg@{last}")


def measured(ranks: Ranks, top_k: int) -> dict[str, float]:
    """Every measure of `measure_names` for one query."""
    functions = {"recall": recall, "mrr": reciprocal_rank, "ndcg": ndcg}
    values: dict[str, float] = {}
    for name in measure_names(top_k):
        kind, _, k = name.partition("@")
        values[name] = functions[kind](ranks, int(k))
    return values
