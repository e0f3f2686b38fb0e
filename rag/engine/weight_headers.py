"""What the headers of .safetensors files say: name, number format and shape of each weight, without the weights.

A file is eight bytes with the length of the header, the header as JSON, then the weights one after another.
Source: https://huggingface.co/docs/safetensors (Format). Pickled weights (.bin, .pt) are never opened: they could run
code.
"""

import json
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import ModelError
from rag.engine.model_files import FETCH, check_fetched, read_json

INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"
ADAPTER = "adapter_config.json"
# Bytes of a number, by its name in a header.
SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
SIZES |= {"F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "U32": 4, "U64": 8}
_LENGTH = struct.Struct("<Q")
_LONGEST = 100_000_000  # as the safetensors library has it


@dataclass(frozen=True, slots=True)
class Weight:
    """One entry of a header."""

    dtype: str  # as in the header: BF16
    shape: tuple[int, ...]
    file: str

    @property
    def count(self) -> int:
        """Numbers in it."""
        return math.prod(self.shape)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.count * SIZES.get(self.dtype, 1)


def read_weights(folder: Path) -> dict[str, Weight]:
    """Every weight of the model in `folder`, by name.

    Raises ModelError naming the file that is missing, cut short or of another kind.
    """
    if not (folder / INDEX).is_file():
        if not (folder / SINGLE).is_file():
            raise _no_weights(folder)
        return dict(_read_header(folder / SINGLE))
    places = read_json(folder / INDEX).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise ModelError(f"{folder / INDEX} has no weight_map", mend=FETCH)
    weights: dict[str, Weight] = {}
    for name in sorted({str(name) for name in places.values()}):
        if Path(name).name != name:
            raise ModelError(f"{folder / INDEX} names {name!r}, which is not a file beside it", mend=FETCH)
        if not (folder / name).is_file():
            raise ModelError(f"{folder / name} is missing, {INDEX} names it", mend=FETCH)
        found = dict(_read_header(folder / name))
        lost = next((weight for weight, file in places.items() if file == name and weight not in found), None)
        if lost is not None:
            raise ModelError(f"{folder / name} has no weight {lost}, {INDEX} says it has", mend=FETCH)
        weights |= found
    return weights


def _no_weights(folder: Path) -> ModelError:
    if any(folder.glob("model-*-of-*.safetensors")):
        return ModelError(f"{folder / INDEX} is missing: it says which file has which weight", mend=FETCH)
    pickled = sorted(path.name for ending in ("bin", "pt", "pth", "ckpt") for path in folder.glob(f"*.{ending}"))
    if pickled:
        return ModelError(
            f"{folder} has its weights only in {pickled[0]}, which could run code; it has no .safetensors weights",
            mend="save the model with safe serialization: model.save_pretrained(folder, safe_serialization=True)",
        )
    return ModelError(f"{folder} has no .safetensors weights: neither {SINGLE} nor {INDEX}", mend=FETCH)


def _read_header(path: Path) -> Iterator[tuple[str, Weight]]:
    check_fetched(path)
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            start = file.read(_LENGTH.size)
            length = _LENGTH.unpack(start)[0] if len(start) == _LENGTH.size else -1
            if not 0 < length <= _LONGEST:
                raise _strange(path, "it does not begin with the length of a header")
            if length > size - _LENGTH.size:
                raise _short(path, size, _LENGTH.size + length)
            header = json.loads(file.read(length))
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error}", mend="look at the disk and the file's owner") from error
    except (ValueError, RecursionError) as error:
        raise _strange(path, "its header is no JSON") from error
    if not isinstance(header, dict):
        raise _strange(path, "its header is no JSON object")
    header.pop("__metadata__", None)
    end = 0
    for name, entry in header.items():
        weight, last = _entry(path, name, entry)
        end = max(end, last)
        yield name, weight
    if _LENGTH.size + length + end > size:
        raise _short(path, size, _LENGTH.size + length + end)


def _entry(path: Path, name: str, entry: Any) -> tuple[Weight, int]:
    try:
        weight = Weight(str(entry["dtype"]), tuple(int(number) for number in entry["shape"]), path.name)
        first, last = (int(place) for place in entry["data_offsets"])
    except (KeyError, TypeError, ValueError) as error:
        raise _strange(path, f"its header says {entry!r} of {name}") from error
    if first < 0 or last < first or (weight.dtype in SIZES and last - first != weight.size):
        raise _strange(path, f"{name} of shape {weight.shape} in {weight.dtype} has {last - first} bytes")
    return weight, last


def _strange(path: Path, reason: str) -> ModelError:
    return ModelError(f"{path} is not a whole safetensors file: {reason}", mend=FETCH)


def _short(path: Path, size: int, expected: int) -> ModelError:
    return ModelError(f"{path} is cut short: it has {size:,} bytes, its header speaks of {expected:,}", mend=FETCH)
