"""Weight files: read one at a time, written as safetensors of a bounded size with an index.

Pickled weights (.bin) are read by torch with weights_only, which builds tensors and runs nothing.
"""

import hashlib
import pickle
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from core.errors import ModelError
from finetune.folder import write_json
from rag.engine.model_files import FETCH, check_fetched, read_json

INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"
# What torch.load raises for a file that is cut short, overwritten or full of objects.
_DAMAGED = (
    *(pickle.UnpicklingError, struct.error, RuntimeError, OSError, EOFError),
    *(LookupError, ValueError, TypeError, AttributeError, AssertionError, ArithmeticError),
)
_OLD_INDEX, _OLD_SINGLE = "pytorch_model.bin.index.json", "pytorch_model.bin"


@dataclass(frozen=True, slots=True)
class WeightFiles:
    """Files in the order to be read; `names` of the weights if an index tells them."""

    files: tuple[Path, ...]
    names: frozenset[str] | None

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in self.files)


def find_weights(folder: Path) -> WeightFiles:
    """The weight files of a model, safetensors before .bin. Raises ModelError naming what is missing."""
    for index, single in ((INDEX, SINGLE), (_OLD_INDEX, _OLD_SINGLE)):
        if (folder / index).is_file():
            return _indexed(folder / index)
        if (folder / single).is_file():
            check_fetched(folder / single)
            return WeightFiles((folder / single,), None)
    raise ModelError(f"{folder} has no {SINGLE}, {INDEX}, {_OLD_SINGLE} or {_OLD_INDEX}", mend=FETCH)


def _indexed(index: Path) -> WeightFiles:
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise ModelError(f"{index} has no weight_map", mend=FETCH)
    names = sorted({str(name) for name in places.values()})
    for name in names:
        if Path(name).name != name:
            raise ModelError(f"{index} names {name!r}, which is not a file beside it", mend=FETCH)
        check_fetched(index.with_name(name))
    return WeightFiles(tuple(index.with_name(name) for name in names), frozenset(map(str, places)))


def read_tensors(path: Path) -> Iterator[tuple[str, Tensor]]:
    """Names and weights of one file, in any order. Raises ModelError if it is damaged or holds other things."""
    if path.suffix != ".safetensors":
        yield from _read_pickled(path)
        return
    try:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118
                yield name, file.get_tensor(name)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} cannot be read: {error}", mend=FETCH) from error


def _read_pickled(path: Path) -> Iterator[tuple[str, Tensor]]:
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGED as error:
        reason = "it is damaged, or holds other things than weights"
        raise ModelError(f"{path} cannot be read: {reason} ({type(error).__name__})", mend=FETCH) from error
    if not isinstance(weights, dict) or not all(map(_is_named_weight, weights.items())):
        raise ModelError(f"{path} holds other things than named weights", mend="name the folder of a model")
    while weights:
        yield weights.popitem()


def _is_named_weight(entry: tuple[object, object]) -> bool:
    return isinstance(entry[0], str) and isinstance(entry[1], Tensor)


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes in a safetensors file, from its header."""
    with safe_open(path, framework="pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def read_tensor(path: Path, name: str) -> Tensor:
    """One weight of a safetensors file."""
    with safe_open(path, framework="pt") as file:
        tensor: Tensor = file.get_tensor(name)
        return tensor


def digest(tensor: Tensor) -> str:
    """BLAKE2 of a weight's bytes."""
    return hashlib.blake2b(tensor.contiguous().view(torch.uint8).numpy().data).hexdigest()


class ShardWriter:
    """Gathers weights and writes a file whenever the next one would make it larger than `limit` bytes.

    A single weight larger than that gets a file of its own.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder, self._limit = folder, limit
        self._gathered: dict[str, Tensor] = {}
        self._parts: list[tuple[str, ...]] = []
        self._bytes = self._total = 0

    def add(self, name: str, tensor: Tensor) -> None:
        """`tensor` must not be changed afterwards."""
        if self._gathered and self._bytes + tensor.nbytes > self._limit:
            self._write()
        whole = tensor.is_contiguous() and tensor.untyped_storage().nbytes() == tensor.nbytes
        self._gathered[name] = tensor if whole else tensor.clone(memory_format=torch.contiguous_format)
        self._bytes += tensor.nbytes
        self._total += tensor.nbytes

    def close(self) -> dict[str, str]:
        """Write what is left and, for several files, their index. Returns the file of each weight."""
        if self._gathered:
            self._write()
        count = len(self._parts)
        places: dict[str, str] = {}
        for number, names in enumerate(self._parts, 1):
            final = SINGLE if count == 1 else f"model-{number:05}-of-{count:05}.safetensors"
            self._part(number).rename(self._folder / final)
            places |= dict.fromkeys(names, final)
        if count > 1:
            write_json(
                self._folder / INDEX,
                {"metadata": {"total_size": self._total}, "weight_map": dict(sorted(places.items()))},
            )
        return places

    def _part(self, number: int) -> Path:
        return self._folder / f"part-{number:05}.safetensors"

    def _write(self) -> None:
        self._parts.append(tuple(self._gathered))
        path = self._part(len(self._parts))
        try:
            save_file(self._gathered, path, metadata={"format": "pt"})
        except SafetensorError as error:
            raise ModelError(f"{path} cannot be written: {error}", mend="look at the disk's free space") from error
        self._gathered, self._bytes = {}, 0
