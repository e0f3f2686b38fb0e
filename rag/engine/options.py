"""How one answer is written: the options of a call, checked, with the settings behind them."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.errors import ConfigError
from core.settings import LlmSettings

# What is drawn is drawn from at most so many of the likeliest tokens.
CANDIDATES = 1000
_BOUNDS: Mapping[str, tuple[type[int] | type[float], float, float]] = {
    "max_new_tokens": (int, 1, 8192),
    "temperature": (float, 0, 2),
    "top_p": (float, 0.001, 1),
    "top_k": (int, 1, CANDIDATES),
    "repetition_penalty": (float, 0.01, 5),
    "seed": (int, 0, 2**31 - 1),
}


@dataclass(frozen=True, slots=True)
class Options:
    """temperature 0 takes the likeliest token. stop: strings that end the answer and are left out.

    sampling: temperature, top_p, top_k, repetition_penalty, seed, as far as they matter.
    """

    max_new_tokens: int
    sampling: Mapping[str, float | int]
    stop: Sequence[str] = ()
    client: str = ""

    def at_most(self, tokens: int) -> "Options":
        """With an answer of so many tokens at most."""
        return replace(self, max_new_tokens=min(self.max_new_tokens, tokens))


def options_of(settings: LlmSettings, given: Mapping[str, Any], stop: Sequence[str] | None) -> Options:
    """Raises ConfigError naming an option that does not exist or is out of bounds."""
    given = {name: value for name, value in given.items() if value is not None}
    client = str(given.pop("client", ""))
    values = {name: _checked(name, value) for name, value in given.items()}
    temperature = values.get("temperature", settings.temperature)
    sampling: dict[str, float | int] = {}
    if temperature > 0:
        sampling = {
            "temperature": float(temperature),
            "top_p": float(values.get("top_p", settings.top_p)),
            "top_k": int(values.get("top_k", CANDIDATES)),
            "seed": int(values.get("seed", secrets.randbits(31))),
        }
    if "repetition_penalty" in values:
        sampling["repetition_penalty"] = float(values["repetition_penalty"])
    return Options(int(values.get("max_new_tokens", settings.max_new_tokens)), sampling, tuple(stop or ()), client)


def _checked(name: str, value: Any) -> float | int:
    if name not in _BOUNDS:
        raise ConfigError(
            f"the model has no option {name!r}", mend=f"the options are {', '.join(_BOUNDS)}, stop and client"
        )
    kind, least, most = _BOUNDS[name]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not least <= value <= most or kind(value) != value:
        raise ConfigError(f"{name} = {value!r} is not usable", mend=f"give a number from {least} to {most}")
    return kind(value)
