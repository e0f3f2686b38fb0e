"""Weights of AWQ as ordinary ones: what a server with 4-bit kernels computes with, for an engine without them.

The layout is AutoAWQ's `gemm`: eight numbers of 4 bits in an int32, of the outputs 0 2 4 6 1 3 5 7 from the lowest bits
on; a weight is (number - zero) · scale, with a zero and a scale for each group of inputs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from core.errors import ModelError
from finetune.folder import new_folder, write_json
from finetune.layout import SHARD_BYTES
from finetune.merge import copy_beside
from finetune.shards import ShardWriter, find_weights, read_tensors
from rag.engine.model_files import read_json

_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
_PARTS = ("qweight", "qzeros", "scales")


@contextmanager
def dequantized(model: Path, dtype: torch.dtype | None = None) -> Iterator[Path]:
    """A folder, within the block, that Keben's engine loads and that answers as the AWQ model in `model` does.

    dtype: of its weights; None: of the scales. Raises ModelError, ConfigError without room.
    """
    config = read_json(model / "config.json")
    method = config.get("quantization_config", {})
    if (method.get("quant_method"), method.get("bits"), method.get("version")) != ("awq", 4, "gemm"):
        raise ModelError(f"{model} is not of AWQ in 4 bits", mend="name what `keben finetune quantize` wrote")
    weights = find_weights(model)
    with TemporaryDirectory(prefix="keben-") as scratch:
        whole = Path(scratch) / model.resolve().name
        with new_folder(whole, room=4 * weights.size) as folder:
            writer = ShardWriter(folder, SHARD_BYTES)
            for name, tensor in _plain(weights.files, dtype):
                writer.add(name, tensor)
            writer.close()
            copy_beside(model, folder)
            del config["quantization_config"]
            write_json(folder / "config.json", config)
        yield whole


def _plain(files: tuple[Path, ...], dtype: torch.dtype | None) -> Iterator[tuple[str, Tensor]]:
    """Names and weights; the parts of a matrix may stand in different files."""
    waiting: dict[str, dict[str, Tensor]] = {}
    for path in files:
        for name, tensor in read_tensors(path):
            layer, _, part = name.rpartition(".")
            if part not in _PARTS:
                yield name, tensor if dtype is None else tensor.to(dtype)
                continue
            parts = waiting.setdefault(layer, {})
            parts[part] = tensor
            if len(parts) == len(_PARTS):
                yield f"{layer}.weight", matrix(**waiting.pop(layer), dtype=dtype)
    if waiting:
        raise ModelError(f"the weights of {next(iter(waiting))} are not whole", mend="quantize the model again")


def matrix(qweight: Tensor, qzeros: Tensor, scales: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """The matrix, outputs × inputs. qweight: inputs × outputs / 8; qzeros: groups × outputs / 8; scales likewise."""
    numbers, zeros = _unpacked(qweight), _unpacked(qzeros)
    group = numbers.shape[0] // zeros.shape[0]
    spread = [part.float().repeat_interleave(group, dim=0) for part in (zeros, scales)]
    return ((numbers - spread[0]) * spread[1]).t().contiguous().to(dtype or scales.dtype)


def _unpacked(packed: Tensor) -> Tensor:
    """Rows × outputs / 8 of int32 to rows × outputs of numbers from 0 to 15."""
    apart = torch.stack([packed >> (4 * place) & 15 for place in range(8)], dim=-1)
    back = sorted(range(8), key=_ORDER.__getitem__)
    return apart[..., back].flatten(1).float()
