"""Attention for continuous batching that looks at each request's own keys alone.

transformers packs the tokens of all requests of a step into one sequence. Without the flash-attn package its attention
then compares every token with the keys of all requests and masks the others away, after copying them all out of the
cache: with 16 prompts of 1,400 tokens that is slower than one answer after the other.
"""

import inspect
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.generation.continuous_batching.cache import PagedAttentionCache
from transformers.masking_utils import flash_attention_mask

from rag.engine.attention_cpu import CpuAttention

# The manager makes no mask, and tells the lengths of the requests, for an attention whose name holds "flash".
_NAME = "keben_flash"
# torch 2.10 says is_causal; since 2.12 it is a window, and heads may share keys.
_TAKES = inspect.signature(varlen_attn).parameters
_CAUSAL: dict[str, Any] = {"window_size": (-1, 0)} if "window_size" in _TAKES else {"is_causal": True}
_GROUPED: dict[str, Any] = {"enable_gqa": True} if "enable_gqa" in _TAKES else {}


def use_ragged_attention(model: Any) -> bool:
    """Have `model` attend request by request; False where it is left as it is: sliding windows, other devices."""
    kinds = set(getattr(model.config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"} or getattr(model.config, "use_sliding_window", False):
        return False
    if model.device.type == "cuda" and model.dtype in {torch.bfloat16, torch.float16}:
        attend: Any = _attend_on_gpu
    elif model.device.type == "cpu":
        attend = CpuAttention(model.dtype)
    else:
        return False
    disable: Any = torch.compiler.disable
    AttentionInterface.register(_NAME, disable(attend))
    AttentionMaskInterface.register(_NAME, flash_attention_mask)
    model.config._attn_implementation = _NAME
    return True


def _attend_on_gpu(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    cache: PagedAttentionCache | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """As `CpuAttention.__call__`. Without a look at the lengths from here: a captured graph stays right."""
    assert cache is not None
    layer: Any = module.layer_idx
    key, value = cache.update(key_states=key, value_states=value, layer_idx=layer, kwargs=kwargs)
    query, key, value = (each[0].transpose(0, 1) for each in (query, key, value))
    if len(_GROUPED) == 0 and query.shape[1] > key.shape[1]:
        key, value = (each.repeat_interleave(query.shape[1] // key.shape[1], 1) for each in (key, value))
    attend: Any = varlen_attn
    out: Tensor = attend(
        query,
        key,
        value,
        kwargs["cu_seq_lens_q"],
        kwargs["cu_seq_lens_k"],
        kwargs["max_length_q"],
        kwargs["max_length_k"],
        scale=scaling,
        **_CAUSAL,
        **_GROUPED,
    )
    return out.unsqueeze(0), None
