"""Reads tokenizer.model, the binary model of SentencePiece, without that library.

Source: sentencepiece_model.proto of SentencePiece, whose fields are named where they are read, and the wire format
of Protocol Buffers (https://protobuf.dev/programming-guides/encoding).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from core.errors import ModelError
from rag.engine.model_files import FETCH, check_fetched

_BPE = 2
_Message = dict[int, int | bytes]  # values by field number


class Kind(IntEnum):
    """SentencePiece.Type."""

    NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)


@dataclass(frozen=True, slots=True)
class Piece:
    """One entry of the vocabulary; its id is its place."""

    text: str
    score: float
    kind: int


@dataclass(frozen=True, slots=True)
class SentencePieces:
    """A vocabulary; with `dummy_prefix` a space is put before every text."""

    pieces: tuple[Piece, ...]
    dummy_prefix: bool


def read_sentencepiece(path: Path) -> SentencePieces:
    """Parse a tokenizer.model; raises ModelError if it is missing, damaged or of another kind than InternLM2's."""
    check_fetched(path)
    try:
        pieces, trainer, normalizer = _parse(path.read_bytes())
        unfit = {
            "its model_type is not BPE": trainer.get(3, 1) != _BPE,
            "it has no byte_fallback": not trainer.get(35, 0),
            "it has a precompiled_charsmap": bool(normalizer.get(2)),
            "it has remove_extra_whitespaces": bool(normalizer.get(4, 1)),
            "it has no escape_whitespaces": not normalizer.get(5, 1),
            "it has no pieces": not pieces,
        }
    except (OSError, ValueError, IndexError, KeyError, struct.error) as error:
        reason = f"it is damaged or no SentencePiece model ({error})"
        raise ModelError(f"{path} cannot be read: {reason}", mend=FETCH) from error
    faults = [fault for fault, found in unfit.items() if found]
    if faults:
        raise ModelError(f"{path} is not InternLM2's tokenizer: {', '.join(faults)}", mend="convert an InternLM2 model")
    return SentencePieces(tuple(pieces), dummy_prefix=bool(normalizer.get(3, 1)))


def _parse(data: bytes) -> tuple[list[Piece], _Message, _Message]:
    """Vocabulary, trainer_spec and normalizer_spec of a ModelProto."""
    pieces: list[Piece] = []
    specs: dict[int, _Message] = {2: {}, 3: {}}
    for field, value in _fields(data):
        if field == 1:  # pieces
            piece = dict(_fields(_bytes(value)))  # 1 piece, 2 score, 3 type
            (score,) = struct.unpack("<f", _bytes(piece.get(2, bytes(4))))
            pieces.append(Piece(_bytes(piece[1]).decode(), score, int(piece.get(3, Kind.NORMAL))))
        elif field in specs:  # trainer_spec, normalizer_spec
            specs[field] = dict(_fields(_bytes(value)))
    return pieces, specs[2], specs[3]


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where text is expected")
    return value


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and values of a protocol buffer message: int for a varint, bytes for all else."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        wire = key & 7
        if wire == 0:
            number, at = _varint(data, at)
            yield key >> 3, number
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire in {1, 5}:
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire} at byte {at}")
        if at + size > len(data):
            raise ValueError(f"it ends within a field at byte {at}")
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise ValueError(f"a number without an end at byte {at}")
