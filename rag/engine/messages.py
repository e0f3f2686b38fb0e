"""What the serving process and the process of the model say to each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.settings import LlmSettings


@dataclass(frozen=True, slots=True)
class Load:
    """To the model's process, first of all."""

    folder: Path
    settings: LlmSettings


@dataclass(frozen=True, slots=True)
class Ready:
    """The model can write. limit: longest prompt and answer together, in tokens."""

    limit: int
    device: str
    dtype: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The model cannot be loaded, or the process cannot go on; it ends after saying so."""

    message: str
    mend: str


@dataclass(frozen=True, slots=True)
class Add:
    """A prompt to go on from. options: as in `Sampling`."""

    id: str
    prompt: list[int]
    max_new_tokens: int
    options: Mapping[str, float | int]


@dataclass(frozen=True, slots=True)
class Cancel:
    """Nobody waits for this answer any more."""

    id: str


@dataclass(frozen=True, slots=True)
class Written:
    """New tokens of one answer. error: why there will be no more, if the model failed at it."""

    id: str
    tokens: list[int]
    finished: bool
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Beat:
    """Sign of life. step: forward passes so far. requests: answers that hold cache. free: share of it, 0 to 1."""

    step: int
    requests: int
    free: float
