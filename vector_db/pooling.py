"""From the vectors of a text's tokens to the vector of the text, as the model's folder says."""

import json
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from core.errors import ModelError

Pooling = Literal["cls", "mean", "lasttoken"]
_POOLINGS = frozenset(get_args(Pooling))
_READ = {"Transformer", "Pooling", "Normalize"}
# Earlier versions of sentence-transformers wrote one flag for each way.
_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


def read_pooling(folder: Path) -> Pooling:
    """How the model in `folder` pools. Raises ModelError when it has other parts than can be worked out here."""
    try:
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        kinds = {str(module["type"]).rpartition(".")[2]: folder / str(module["path"]) for module in modules}
        other = sorted(set(kinds) - _READ)
        if other:
            raise _unknown(folder, f"a module {other[0]}")
        config = json.loads((kinds["Pooling"] / "config.json").read_text(encoding="utf-8"))
        ways = _ways(config)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"the pooling of the embedder in {folder} cannot be read: {error!r}", mend=_MEND) from error
    if len(ways) != 1 or ways[0] not in _POOLINGS:
        raise _unknown(folder, f"the pooling {', '.join(ways)}")
    if not config.get("include_prompt", True):
        raise _unknown(folder, "a pooling without the instruction")
    way: Pooling = ways[0]
    return way


def pooled(way: Pooling, states: NDArray[np.float32], mask: NDArray[np.int64]) -> NDArray[np.float32]:
    """Unit vectors, shape (n, dimension), of states of shape (n, tokens, dimension) whose padding is 0 in `mask`."""
    if way == "cls":
        vectors = states[:, 0]
    elif way == "lasttoken":
        vectors = states[np.arange(len(states)), mask.sum(axis=1) - 1]
    else:
        weights = mask[:, :, None].astype(np.float32)
        vectors = (states * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-9)
    return unit(vectors)


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """`vectors` at length 1; those of nothing stay 0."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)


_MEND = "check the model folder, or set KEBEN_EMBEDDING__BACKEND to 'torch'"


def _ways(config: dict[str, Any]) -> list[Any]:
    named = config.get("pooling_mode")
    if named is None:
        return [way for flag, way in _FLAGS.items() if config.get(flag)]
    return [named] if isinstance(named, str) else list(named)


def _unknown(folder: Path, what: str) -> ModelError:
    return ModelError(f"the embedder in {folder} has {what}, which only torch works out", mend=_MEND)
