"""What a graph is fed with and gives, whatever runs it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FED = frozenset({"input_ids", "attention_mask", "token_type_ids", "position_ids"})
# The names that exporters give to the vectors of tokens; a graph may have other results besides.
TOKEN_VECTORS = ("last_hidden_state", "token_embeddings")
Feeds = Mapping[str, NDArray[np.int64]]


class Graph(Protocol):
    """A graph that is ready to run; safe to share between threads. inputs: the names it must be fed with."""

    inputs: frozenset[str]

    def __call__(self, feeds: Feeds) -> NDArray[np.float32]:
        """Vectors of tokens, shape (texts, tokens, dimension), or of texts, shape (texts, dimension)."""


def padded(ids: Sequence[Sequence[int]]) -> Feeds:
    """What an encoder is fed with, each of shape (texts, tokens of the longest); padding follows the text."""
    lengths = np.asarray([len(one) for one in ids])
    mask = (np.arange(max(1, lengths.max())) < lengths[:, None]).astype(np.int64)
    tokens = np.zeros_like(mask)
    tokens[mask == 1] = np.concatenate([np.asarray(one, dtype=np.int64) for one in ids])
    return {
        "input_ids": tokens,
        "attention_mask": mask,
        "token_type_ids": np.zeros_like(mask),
        "position_ids": np.broadcast_to(np.arange(mask.shape[1]), mask.shape).copy(),
    }
