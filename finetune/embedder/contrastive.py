"""Contrastive training of static embeddings: of each pair, either side must find the other among those of its batch.

Henderson et al., "Efficient Natural Language Response Suggestion for Smart Reply", 2017 (in-batch negatives).
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy, embedding_bag, normalize

from core.errors import ConfigError
from finetune.embedder.pairs import Pair
from finetune.embedder.progress import Progress, silent
from vector_db.embedder import Vectors

_LONGEST = 400  # tokens read of a text


@dataclass(frozen=True, slots=True)
class Training:
    """batch: pairs. rate: highest step of Adam, after `warm_up` steps; it falls to 2 % in a line. scale: of cosines."""

    steps: int = 1000
    batch: int = 768
    rate: float = 3e-3
    warm_up: int = 30
    scale: float = 20.0


class TokenTable:
    """The tokens of many texts, each text cut into tokens once."""

    def __init__(self, tokenizer: str, texts: Sequence[str], progress: Progress = silent) -> None:
        """tokenizer: tokenizer.json."""
        from tokenizers import Tokenizer

        cutter, self._ids = Tokenizer.from_str(tokenizer), dict[str, NDArray[np.int32]]()
        slab = 2048
        for start in range(0, len(texts), slab):
            progress("cut texts", start, len(texts))
            some = texts[start : start + slab]
            for text, one in zip(some, cutter.encode_batch_fast(some, add_special_tokens=False), strict=True):
                self._ids[text] = np.array(one.ids[:_LONGEST] or [0], dtype=np.int32)
        progress("cut texts", len(texts), len(texts))

    def bags(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Tokens of `texts` end to end, and where each text begins."""
        ids = [self._ids[text] for text in texts]
        starts = np.cumsum([0, *(len(one) for one in ids[:-1])])
        return torch.from_numpy(np.concatenate(ids).astype(np.int64)), torch.from_numpy(starts)


def train(
    first: Vectors,
    tokenizer: str,
    pairs: Mapping[str, Sequence[Pair]],
    mixture: Mapping[str, float],
    settings: Training,
    seed: int,
    progress: Progress = silent,
) -> Vectors:
    """The vectors of all tokens after training, shape as `first`.

    Each batch is of one kind of pair, drawn by `mixture`. The same arguments and number of threads give the same bytes.
    Raises ConfigError when no kind has two pairs.
    """
    kinds = [kind for kind in mixture if len(pairs.get(kind, ())) > 1]
    if not kinds:
        raise ConfigError("there are no pairs to train on", mend="name a folder with more texts")
    texts = list(dict.fromkeys(text for kind in kinds for pair in pairs[kind] for text in pair))
    table, draw = TokenTable(tokenizer, texts, progress), random.Random(seed)
    weights = torch.nn.Parameter(torch.from_numpy(first.copy()))
    optimizer = torch.optim.Adam([weights], lr=settings.rate)
    for step in range(settings.steps):
        progress("train", step, settings.steps)
        chosen = pairs[draw.choices(kinds, [mixture[kind] for kind in kinds])[0]]
        batch = _distinct(draw.sample(chosen, min(settings.batch, max(len(chosen) // 2, 2))))
        left, right = ([pair[side] for pair in batch] for side in (0, 1))
        loss = contrastive_loss(_embed(weights, table, left), _embed(weights, table, right), settings.scale)
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, settings)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    progress("train", settings.steps, settings.steps)
    return weights.detach().numpy()


def contrastive_loss(left: Tensor, right: Tensor, scale: float) -> Tensor:
    """Mean cross-entropy of finding right[i] by left[i] and the other way round. Unit vectors, shape (pairs, any)."""
    scores = left @ right.T * scale
    own = torch.arange(len(left))
    return (cross_entropy(scores, own) + cross_entropy(scores.T, own)) / 2


def rate_at(step: int, settings: Training) -> float:
    """The learning rate of a step, from 0."""
    return settings.rate * min(1.0, (step + 1) / settings.warm_up) * max(0.02, 1 - step / settings.steps)


def _distinct(batch: Sequence[Pair]) -> list[Pair]:
    """The pairs of which no side has occurred: an equal text would count as its own counterexample."""
    by_right: dict[str, str] = {}
    for left, right in batch:
        by_right.setdefault(right, left)
    by_left: dict[str, str] = {}
    for right, left in by_right.items():
        by_left.setdefault(left, right)
    return list(by_left.items())


def _embed(weights: Tensor, table: TokenTable, texts: Sequence[str]) -> Tensor:
    ids, starts = table.bags(texts)
    return normalize(embedding_bag(ids, weights, starts, mode="mean"), dim=1)
