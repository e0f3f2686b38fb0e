"""The attention of a step on a processor: each request at its own keys, where they lie.

The cache's memory is laid out anew, layer by layer, so that the keys of a request are mostly one piece and need not be
copied. Two parts of one softmax are put together by the logarithms of their sums, as in Flash-Decoding (Dao et al.,
2023).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers.generation.continuous_batching.cache import PagedAttentionCache

# As scaled_dot_product_attention, which does not give the logarithms of the sums.
_LONG = 128  # keys from which on a stretch is looked at where it lies; shorter ones are copied together
_FLASH: Any = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu


@dataclass(frozen=True, slots=True)
class _Chunk:
    """New tokens of a prompt. rows: theirs in the packed sequence. runs, rest: where the keys before them lie."""

    rows: slice
    runs: list[slice]
    rest: Tensor | None


@dataclass(slots=True)
class _Step:
    """What all layers of a step have in common.

    write: where the new keys go, (tokens,). chunks: prompts. rows: tokens whose request goes on by that one alone, and
    runs: the long stretches of keys of each, such as a beginning that it shares and what follows. with_rest: places in
    `rows` of those that have other keys too, which lie at rest, (requests, keys), as far as mask is 0, (requests, 1, 1,
    keys).
    """

    write: Tensor
    chunks: list[_Chunk]
    rows: list[int]
    runs: list[list[slice]]
    with_rest: list[int]
    rest: Tensor
    mask: Tensor


class CpuAttention:
    """The attention on a processor."""

    def __init__(self, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._step: _Step | None = None

    def __call__(
        self,
        module: torch.nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        scaling: float | None = None,
        cache: PagedAttentionCache | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, None]:
        """query: (1, heads, tokens, size); key, value: (1, kv_heads, tokens, size).

        The result: (1, tokens, heads, size), and no weights.
        """
        assert cache is not None
        layer: Any = module.layer_idx
        allocator: Any = cache.layer_to_allocator[layer]
        place = allocator.layer_indices.index(layer)
        if place == 0 or self._step is None:
            self._step = _plan(allocator, kwargs, self._dtype)
        step = self._step
        keys, values = _storage(allocator, place)
        keys.index_copy_(1, step.write, key[0])
        values.index_copy_(1, step.write, value[0])
        out = torch.empty(query.shape[2], query.shape[1], query.shape[3], dtype=query.dtype)
        if step.rows:
            out[step.rows] = _go_on(step, query[0, :, step.rows].transpose(0, 1), keys, values, scaling)
        for chunk in step.chunks:
            asked, new_keys, new_values = (each[0, :, chunk.rows] for each in (query, key, value))
            out[chunk.rows] = _take_in(chunk, asked, new_keys, new_values, keys, values, scaling).transpose(0, 1)
        return out.unsqueeze(0), None


def _plan(allocator: Any, kwargs: dict[str, Any], dtype: torch.dtype) -> _Step:
    page, stride = allocator.tokens_per_page, allocator.block_physical_stride
    blocks: int = allocator.cache_tensor.shape[0] * 2 // stride

    def places(index: Any) -> Any:
        # Blocks are given out from the last to the first: turned round, those of a request follow one another.
        return (blocks - 1 - index // stride) * page + index % stride

    read = places(kwargs["read_index"][allocator.index])
    ends_q = kwargs["cu_seq_lens_q"].tolist()
    ends_k = kwargs["cu_seq_lens_k"][allocator.layer_type].tolist()
    chunks: list[_Chunk] = []
    rows: list[int] = []
    runs: list[list[slice]] = []
    rests: dict[int, Tensor] = {}
    for (start, end), (first, last) in zip(pairwise(ends_q), pairwise(ends_k), strict=True):
        goes_on = end - start == 1 and last - first > 1
        past = read[first : last if goes_on else last - (end - start)]
        found, rest = _split(past, page)
        if goes_on:
            if rest is not None:
                rests[len(rows)] = rest
            rows.append(start)
            runs.append(found)
        elif end > start:
            chunks.append(_Chunk(slice(start, end), found, rest))
    index = pad_sequence(list(rests.values()), batch_first=True) if rests else read[:0]
    lengths = torch.tensor([len(rest) for rest in rests.values()])
    mask = torch.zeros(index.shape, dtype=dtype)
    if rests:
        mask.masked_fill_(torch.arange(index.shape[1]) >= lengths.unsqueeze(1), -torch.inf)
    write = places(kwargs["write_index"][allocator.index])
    return _Step(write, chunks, rows, runs, list(rests), index, mask[:, None, None] if rests else mask)


def _split(places: Tensor, page: int) -> tuple[list[slice], Tensor | None]:
    """The stretches of `places`, (keys,), that lie in one piece, the longest and other long ones; and the rest."""
    if not places.numel():
        return [], None
    starts = places[::page].tolist()
    cuts = [number for number in range(1, len(starts)) if starts[number] != starts[number - 1] + page]
    pieces = [(first * page, min(last * page, places.numel())) for first, last in pairwise([0, *cuts, len(starts)])]
    pieces.sort(key=lambda piece: piece[0] - piece[1])
    long = [piece for number, piece in enumerate(pieces) if number == 0 or piece[1] - piece[0] >= _LONG]
    rest = [places[left:right] for left, right in pieces[len(long) :]]
    runs = [slice(starts[left // page], starts[left // page] + right - left) for left, right in long]
    return runs, torch.cat(rest) if rest else None


def _storage(allocator: Any, place: int) -> tuple[Tensor, Tensor]:
    """Keys and values of a layer, (kv_heads, places, size) each: the cache's memory, layer by layer, head by head.

    A processor reads ahead what lies in one piece: those of all heads side by side took a fifth longer to read.
    """
    tensor = allocator.cache_tensor
    layers = len(allocator.layer_indices)
    rows = tensor.shape[0] * 2 // (2 * layers)
    heads, size = tensor.shape[2:]
    keys, values = tensor.view(2 * layers, heads, rows, size)[2 * place : 2 * place + 2]
    return keys, values


def _go_on(step: _Step, query: Tensor, keys: Tensor, values: Tensor, scaling: float | None) -> Tensor:
    """One token of each request, (requests, heads, size) like the result; keys, values: (kv_heads, places, size)."""
    requests, heads, size = query.shape
    # Heads that share keys are further queries at the same keys.
    grouped = query.reshape(requests, keys.shape[0], -1, size)
    parts: list[tuple[Tensor, Tensor]] = []
    for level in range(max(map(len, step.runs))):
        there = [(row, runs[level]) for row, runs in enumerate(step.runs) if len(runs) > level]
        found = [_part(grouped[row : row + 1], keys[:, run], values[:, run], scaling) for row, run in there]
        outs, sums = (torch.cat(some) for some in zip(*found, strict=True))
        parts.append(_spread([row for row, _ in there], outs, sums, requests))
    if step.with_rest:
        gathered = (each[:, step.rest].transpose(0, 1) for each in (keys, values))
        rest = _FLASH(grouped[step.with_rest], *gathered, 0.0, False, attn_mask=step.mask, scale=scaling)
        parts.append(_spread(step.with_rest, rest[0], rest[1], requests))
    return (parts[0][0] if len(parts) == 1 else _merged(parts)).reshape(requests, heads, size)


def _spread(having: list[int], outs: Tensor, sums: Tensor, requests: int) -> tuple[Tensor, Tensor]:
    """A part that some requests have, for all of them: it counts nothing for the others."""
    if len(having) == requests:
        return outs, sums
    all_outs = outs.new_zeros(requests, *outs.shape[1:])
    all_sums = sums.new_full((requests, *sums.shape[1:]), -torch.inf)
    all_outs[having], all_sums[having] = outs, sums
    return all_outs, all_sums


def _take_in(
    chunk: _Chunk, query: Tensor, key: Tensor, value: Tensor, keys: Tensor, values: Tensor, scaling: float | None
) -> Tensor:
    """query, result: (heads, tokens, size); key, value: new, (kv_heads, tokens, size); keys, values: cached."""
    heads, tokens, size = query.shape
    grouped = query.reshape(1, key.shape[0], -1, size)
    parts: list[tuple[Tensor, Tensor]] = []
    for where in (*chunk.runs, *(() if chunk.rest is None else (chunk.rest,))):
        out, sums = _part(grouped, keys[:, where], values[:, where], scaling)
        parts.append((out.reshape(1, heads, tokens, size), sums.reshape(1, heads, tokens)))
    group = heads // key.shape[0]
    own = (each.repeat_interleave(group, 0).unsqueeze(0) for each in (key, value))
    parts.append(_FLASH(query.unsqueeze(0), *own, 0.0, True, scale=scaling))
    return (parts[0][0] if len(parts) == 1 else _merged(parts))[0]


def _part(query: Tensor, keys: Tensor, values: Tensor, scaling: float | None) -> tuple[Tensor, Tensor]:
    """query: (1, kv_heads, rows, size); keys, values: (kv_heads, n, size). Result, and logarithms of the sums."""
    out, sums = _FLASH(query, keys.unsqueeze(0), values.unsqueeze(0), 0.0, False, scale=scaling)
    return out, sums


def _merged(parts: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """One softmax out of several. parts: results (…, size), and logarithms of their sums (…)."""
    shares = torch.stack([sums for _, sums in parts]).softmax(0).unsqueeze(-1)
    outs = torch.stack([out for out, _ in parts])
    return (shares * outs).sum(0).to(outs.dtype)
