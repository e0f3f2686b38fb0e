"""How the next token is chosen, for each answer of a batch by its own options.

transformers' continuous batching draws for all requests or for none, from one random stream. Here each row has its
own temperature, top_k, top_p, penalty and seed, and the noise is a function of seed, position and token: an answer
is the same whichever others are written beside it. Drawing by the largest of logits plus Gumbel noise: Gumbel 1954;
Maddison et al., "A* Sampling", 2014. The hash is the finalizer of splitmix64 (Steele et al., 2014).
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from transformers.generation.continuous_batching.cb_logits_processors import (
    ContinuousBatchingLogitsProcessor,
    ContinuousBatchingLogitsProcessorList,
)
from transformers.generation.continuous_batching.requests import FutureRequestState
from transformers.generation.logits_process import LogitsProcessorList

from rag.engine.options import CANDIDATES

_DEFAULTS: Mapping[str, float | int] = {
    "temperature": 0.0,
    "top_p": 1.0,
    "top_k": CANDIDATES,
    "seed": 0,
    "position": 0,
    "repetition_penalty": 1.0,
}


def processors() -> ContinuousBatchingLogitsProcessorList:
    """The chain for a manager that takes the token of the highest score, as with `do_sample=False`."""
    rows = [_Row(name, default) for name, default in _DEFAULTS.items()]
    chooser = Chooser({row.name: row for row in rows})
    chain = ContinuousBatchingLogitsProcessorList(LogitsProcessorList([*rows, chooser]))
    chain.tensors_required = len(rows)  # it counts only those that it has converted itself
    return chain


class _Row(ContinuousBatchingLogitsProcessor):
    """Carries one option of each request to the chooser; the scores pass through."""

    ignored_kwargs = ()

    def __init__(self, name: str, default: float | int) -> None:
        self.name, self.default = name, default
        self.supported_kwargs = {} if name == "position" else {name: type(default)}
        self.states: list[FutureRequestState] = []
        self.values: list[float | int] = []
        self._dtype = torch.float32 if isinstance(default, float) else torch.int32
        self._row = torch.empty(0)

    def fill_defaults(self, int32_tensor: Tensor) -> None:
        """Every place of the row, shape (tokens,), as if nothing was asked for."""
        filled = torch.full_like(int32_tensor, self.default, dtype=self._dtype)
        int32_tensor.copy_(filled.view(torch.int32))

    def prepare_tensor_args(self, requests_with_new_token: list[FutureRequestState]) -> Tensor:
        """The option of each request, shape (requests,), its bits in int32."""
        self.states = requests_with_new_token
        self.values = [self._value(request) for request in requests_with_new_token]
        return torch.tensor(self.values, dtype=self._dtype).view(torch.int32)

    def __call__(self, scores: Tensor, tensor_arg: Tensor) -> Tensor:
        self._row = tensor_arg[: scores.size(0)].view(self._dtype)
        return scores

    def column(self) -> Tensor:
        """The option of each row of the scores, shape (rows, 1)."""
        return self._row.unsqueeze(1)

    def _value(self, request: FutureRequestState) -> float | int:
        if self.name == "position":
            return len(request.state.initial_tokens) + request.state.generated_len()
        value: float | int = request.state.logit_processor_kwargs.get(self.name, self.default)
        return value


class Chooser:
    """Raises the score of the chosen token of each row to infinity."""

    supports_continuous_batching = True

    def __init__(self, rows: Mapping[str, _Row]) -> None:
        self._rows = rows

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """scores: (rows, vocabulary), float32. Rows that ask for nothing keep theirs: the likeliest token wins."""
        for row, penalty in enumerate(self._rows["repetition_penalty"].values):
            if penalty != 1.0:
                state = self._rows["repetition_penalty"].states[row].state
                _penalise(scores[row], [*state.initial_tokens, *state.generated_tokens], penalty)
        drawn = [row for row, temperature in enumerate(self._rows["temperature"].values) if temperature > 0]
        if not drawn:
            return scores
        chosen = draw(scores[drawn], *(self._rows[name].column()[drawn] for name in _DRAWING))
        scores[drawn] = scores[drawn].scatter(1, chosen, torch.inf)
        return scores


_DRAWING = ("temperature", "top_k", "top_p", "seed", "position")


def draw(scores: Tensor, temperature: Tensor, top_k: Tensor, top_p: Tensor, seed: Tensor, position: Tensor) -> Tensor:
    """One token of each row. scores: (rows, vocabulary); the others and the result: (rows, 1)."""
    best, tokens = scores.topk(min(CANDIDATES, scores.size(1)), dim=1)
    best = best / temperature
    ranks = torch.arange(best.size(1), device=best.device)
    best = best.masked_fill(ranks >= top_k, -torch.inf)
    likely = best.softmax(1)
    # A token is kept while those before it have not reached top_p: the first always is.
    best = best.masked_fill(likely.cumsum(1) - likely >= top_p, -torch.inf)
    return tokens.gather(1, (best + gumbel_noise(seed, position, tokens)).argmax(1, keepdim=True))


def gumbel_noise(seed: Tensor, position: Tensor, tokens: Tensor) -> Tensor:
    """Standard Gumbel noise of the shape of `tokens`, (rows, n); seed and position: (rows, 1), integers."""
    mixed = (
        tokens.long() * -7046029254386353131 + position.long() * 2862933555777941757 + seed.long() * 3202034522624059733
    )
    mixed = (mixed ^ _shifted(mixed, 30)) * -4658895280553007687
    mixed = (mixed ^ _shifted(mixed, 27)) * -7723592293110705685
    mixed = mixed ^ _shifted(mixed, 31)
    uniform = (_shifted(mixed, 11).double() + 0.5) / 2**53
    return -torch.log(-torch.log(uniform)).float()


def _shifted(values: Tensor, bits: int) -> Tensor:
    """Shifted to the right without its sign: int64 is all that torch computes in everywhere."""
    return (values >> bits) & ((1 << (64 - bits)) - 1)


def _penalise(scores: Tensor, tokens: list[int], penalty: float) -> None:
    """As in CTRL (Keskar et al., 2019) and transformers: what stood before is less likely. scores: (vocabulary,)."""
    seen = torch.tensor(sorted(set(tokens)), device=scores.device)
    held = scores[seen]
    scores[seen] = torch.where(held > 0, held / penalty, held * penalty)
