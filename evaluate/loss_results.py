"""What a model's loss on a file was, as it is saved and compared."""

import math

import numpy as np

from evaluate.intervals import intervals
from evaluate.records import Record, Score, score


class LossRow(Record):
    """One conversation. key: of its words. loss: negative log-likelihood of its `tokens`, summed, in nats."""

    key: str
    tokens: int
    loss: float


class LossResult(Record):
    """loss: mean per token, in nats, the interval over conversations. perplexity: its exponential."""

    model: str
    tokens: int
    loss: Score
    perplexity: float
    rows: tuple[LossRow, ...]


def loss_result(model: str, rows: tuple[LossRow, ...]) -> LossResult:
    """The mean over all tokens of `rows`. Raises ConfigError when there are none."""
    values = np.array([(one.loss, one.tokens) for one in rows], dtype=np.float64).reshape(-1, 2)
    mean = intervals(lambda strata: {"loss": strata[0][:, 0].sum() / strata[0][:, 1].sum()}, [values])["loss"]
    return LossResult(
        model=model,
        tokens=sum(one.tokens for one in rows),
        loss=score(mean),
        perplexity=math.exp(min(mean.mean, 700.0)),
        rows=rows,
    )


def loss_difference(before: LossResult, now: LossResult) -> Score | None:
    """The mean loss now minus before over the conversations of both, paired; None where they share none.

    Tokens may differ between models: each loss is divided by its own.
    """
    old = {one.key: one for one in before.rows}
    pairs = [(old[one.key], one) for one in now.rows if one.key in old]
    if not pairs:
        return None
    values = np.array([(a.loss, a.tokens, b.loss, b.tokens) for a, b in pairs], dtype=np.float64)

    def difference(rows: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
        total = rows.sum(axis=0)
        return float(total[2] / total[3] - total[0] / total[1])

    return score(intervals(lambda strata: {"difference": difference(strata[0])}, [values])["difference"])
