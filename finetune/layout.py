"""From InternLM2's weight layout to Llama's: the same network under other names, which transformers reads by itself.

InternLM2's own model class needs transformers 4 and loads silently wrong under 5; the Llama layout gives the same
logits in both. Two things differ: the names, and that InternLM2 keeps queries, keys and values in one matrix.

Sources: modeling_internlm2.py of internlm2-chat-7b; modeling_llama.py of transformers.
"""

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.errors import ModelError
from core.settings import LlmSettings
from finetune.architecture import OTHER_MODEL, Architecture, llama_config, read_architecture, read_config
from finetune.folder import new_folder, write_json
from finetune.shards import ShardWriter, WeightFiles, digest, find_weights, read_tensor, read_tensors, tensor_shapes
from finetune.tokenizer import convert_tokenizer
from rag.engine.folder import inspect_folder
from rag.engine.model_files import FETCH

Shape = tuple[int, ...]
Progress = Callable[[str, int, int], None]  # file being read, weights done, weights in all
SHARD_BYTES = 2 * 10**9 - 2**20  # a file of 2 GB, less room for its header
_HEAD = "output.weight"
_WHOLE = {
    "model.tok_embeddings.weight": "model.embed_tokens.weight",
    "model.norm.weight": "model.norm.weight",
    _HEAD: "lm_head.weight",
}
_FUSED = "attention.wqkv"
_IN_LAYER = {
    _FUSED: ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "attention.wo": ("self_attn.o_proj",),
    "feed_forward.w1": ("mlp.gate_proj",),
    "feed_forward.w3": ("mlp.up_proj",),
    "feed_forward.w2": ("mlp.down_proj",),
    "attention_norm": ("input_layernorm",),
    "ffn_norm": ("post_attention_layernorm",),
}
_ANGLES = "attention.rotary_emb.inv_freq"  # computed from rope_theta, not trained


@dataclass(frozen=True, slots=True)
class LayoutReport:
    """What a conversion wrote. left_out: weights of the source that the Llama layout has no place for."""

    folder: str
    parameters: int
    tensors: int
    files: tuple[str, ...]
    left_out: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


@dataclass(slots=True)
class Tally:
    """What was seen in the source: the converted weights are held against it."""

    names: set[str] = field(default_factory=set)
    left_out: list[str] = field(default_factory=list)
    parameters: int = 0
    fused: dict[str, str] = field(default_factory=dict)  # digests of sampled wqkv weights and biases
    dtype: str = ""


def convert(
    source: Path, target: Path, *, shard_bytes: int = SHARD_BYTES, progress: Progress | None = None
) -> LayoutReport:
    """Write the model in folder `source` to the new folder `target` in the Llama layout.

    One input file is in memory at a time, and weights for one output file of `shard_bytes`. `target` appears only
    when all is written and proved. Raises ConfigError for unusable folders, ModelError for what is wrong inside.
    """
    config = read_config(source)
    sizes = read_architecture(config, source / "config.json")
    llama = llama_config(config, sizes, source / "config.json")
    weights = find_weights(source)
    if weights.names is not None:
        _check_names(weights.names, sizes, source)
    with new_folder(target, room=weights.size) as folder:
        ends = convert_tokenizer(source, folder, sizes.vocab_size)
        writer = ShardWriter(folder, shard_bytes)
        tally = _convert_weights(weights, sizes, writer, progress)
        _check_names(tally.names, sizes, source)
        places = writer.close()
        prove(folder, places, sizes, tally)
        write_json(folder / "config.json", {"torch_dtype": tally.dtype} | llama)
        tokens = {name: llama[name] for name in ("bos_token_id", "pad_token_id")}
        write_json(folder / "generation_config.json", {**tokens, "eos_token_id": ends})
        _prove_folder(folder)
    files = tuple(sorted(set(places.values())))
    return LayoutReport(str(target), tally.parameters, len(places), files, tuple(tally.left_out))


def split_wqkv(fused: Tensor, heads: int, kv_heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values out of wqkv, a weight of shape (rows, hidden) or a bias of shape (rows,).

    The rows lie in kv_heads groups, each of heads / kv_heads query heads, one key head and one value head.
    Returns (heads · d, …), (kv_heads · d, …), (kv_heads · d, …) with d = rows / (heads + 2 · kv_heads).
    Raises ModelError if the rows cannot be divided so.
    """
    rows, rest = fused.shape[0], fused.shape[1:]
    if heads % kv_heads or rows % (heads + 2 * kv_heads):
        raise ModelError(
            f"wqkv of shape {tuple(fused.shape)} is not divisible into {heads} query and 2 · {kv_heads} "
            "key and value heads",
            mend="compare num_attention_heads and num_key_value_heads in config.json with the weights",
        )
    group = heads // kv_heads
    grouped = fused.reshape(kv_heads, group + 2, -1, *rest)
    parts = grouped[:, :group], grouped[:, group], grouped[:, group + 1]
    queries, keys, values = (part.reshape(-1, *rest).contiguous() for part in parts)
    return queries, keys, values


def join_wqkv(queries: Tensor, keys: Tensor, values: Tensor, heads: int, kv_heads: int) -> Tensor:
    """The inverse of split_wqkv."""
    rest = queries.shape[1:]
    size = queries.shape[0] // heads
    parts = [part.reshape(kv_heads, -1, size, *rest) for part in (queries, keys, values)]
    return torch.cat(parts, dim=1).reshape(-1, *rest)


def source_shapes(sizes: Architecture) -> dict[str, Shape]:
    """Name and shape of every weight of an InternLM2 model."""
    hidden, inner = sizes.hidden_size, sizes.intermediate_size
    fused = (sizes.heads + 2 * sizes.kv_heads) * sizes.head_size
    layer: dict[str, Shape] = {
        f"{_FUSED}.weight": (fused, hidden),
        "attention.wo.weight": (hidden, hidden),
        "feed_forward.w1.weight": (inner, hidden),
        "feed_forward.w3.weight": (inner, hidden),
        "feed_forward.w2.weight": (hidden, inner),
        "attention_norm.weight": (hidden,),
        "ffn_norm.weight": (hidden,),
    }
    if sizes.bias:
        layer |= {f"{_FUSED}.bias": (fused,), "attention.wo.bias": (hidden,)}
    ends = (sizes.vocab_size, hidden)
    shapes: dict[str, Shape] = dict(zip(_WHOLE, (ends, (hidden,), ends), strict=True))
    for number in range(sizes.layers):
        shapes |= {f"model.layers.{number}.{name}": shape for name, shape in layer.items()}
    return shapes


def llama_names(name: str) -> tuple[str, ...]:
    """Names in the Llama layout of a weight in source_shapes: three for wqkv, else one."""
    if name in _WHOLE:
        return (_WHOLE[name],)
    *prefix, rest = name.split(".", 3)
    part, _, kind = rest.rpartition(".")
    return tuple(".".join((*prefix, new, kind)) for new in _IN_LAYER[part])


def llama_shapes(sizes: Architecture) -> dict[str, Shape]:
    """Name and shape of every weight that a conversion writes; a tied output matrix is not among them."""
    rows = (sizes.hidden_size, *[sizes.kv_heads * sizes.head_size] * 2)
    shapes: dict[str, Shape] = {}
    for name, shape in source_shapes(sizes).items():
        names = llama_names(name)
        if len(names) == 1:
            shapes[names[0]] = shape
        else:
            shapes |= {new: (count, *shape[1:]) for new, count in zip(names, rows, strict=True)}
    if sizes.tied:
        del shapes[_WHOLE[_HEAD]]
    return shapes


def prove(folder: Path, places: dict[str, str], sizes: Architecture, tally: Tally) -> None:
    """Read back what was written. Raises ModelError unless every weight is there in its shape, as many parameters
    as in the source, and the sampled wqkv come out of their three parts bit for bit.
    """
    written: dict[str, Shape] = {}
    for file in sorted(set(places.values())):
        written |= tensor_shapes(folder / file)
    faults = sorted(set(written.items()) ^ set(llama_shapes(sizes).items()))
    parameters = sum(torch.Size(shape).numel() for shape in written.values())
    if parameters != tally.parameters:
        faults.append((f"{parameters} parameters for {tally.parameters}", ()))
    for name, expected in {} if faults else tally.fused.items():
        parts = [read_tensor(folder / places[new], new) for new in llama_names(name)]
        queries, keys, values = parts
        if digest(join_wqkv(queries, keys, values, sizes.heads, sizes.kv_heads)) != expected:
            faults.append((name, ()))
    if faults:
        raise ModelError(
            f"the converted weights failed their check and were not published: {faults[0][0]}",
            mend="look at the disk, then run again; if it fails again, report it",
        )


def _prove_folder(folder: Path) -> None:
    """Look the new folder through as the service will. Raises ModelError if it would refuse it."""
    try:
        inspect_folder(folder, LlmSettings())
    except ModelError as error:
        raise ModelError(
            f"the converted model failed its check and was not published: {error.message}", mend=error.mend
        ) from error


def _convert_weights(
    weights: WeightFiles, sizes: Architecture, writer: ShardWriter, progress: Progress | None
) -> Tally:
    shapes, tally = source_shapes(sizes), Tally()
    sampled = {f"model.layers.{number}.{_FUSED}" for number in (0, sizes.layers // 2, sizes.layers - 1)}
    for path in weights.files:
        for name, tensor in read_tensors(path):
            _check_tensor(name, tensor, shapes, tally, path)
            tally.names.add(name)
            if progress:
                progress(path.name, len(tally.names), len(shapes))
            if name not in shapes or (sizes.tied and name == _HEAD):
                tally.left_out.append(name)
                continue
            tally.parameters += tensor.numel()
            tally.dtype = tally.dtype or str(tensor.dtype).removeprefix("torch.")
            if name.rpartition(".")[0] in sampled:
                tally.fused[name] = digest(tensor)
            new = llama_names(name)
            parts = (tensor,) if len(new) == 1 else split_wqkv(tensor, sizes.heads, sizes.kv_heads)
            for new_name, part in zip(new, parts, strict=True):
                writer.add(new_name, part)
    return tally


def _check_tensor(name: str, tensor: Tensor, shapes: dict[str, Shape], tally: Tally, path: Path) -> None:
    if name not in shapes and not name.endswith(_ANGLES):
        raise ModelError(f"{path} has an unexpected weight {name}", mend=OTHER_MODEL)
    if name in tally.names:
        raise ModelError(f"{path} has {name}, which another file had too", mend=FETCH)
    shape = tuple(tensor.shape)
    if name in shapes and shape != shapes[name]:
        raise ModelError(
            f"{path}: {name} has the shape {shape}, config.json asks for {shapes[name]}",
            mend="take config.json and the weights from the same model",
        )


def _check_names(names: Collection[str], sizes: Architecture, source: Path) -> None:
    expected = source_shapes(sizes).keys()
    strange = sorted(name for name in names if name not in expected and not name.endswith(_ANGLES))
    missing = sorted(expected - set(names) - ({_HEAD} if sizes.tied else set()))
    if strange:
        raise ModelError(f"{source} has an unexpected weight {strange[0]}", mend=OTHER_MODEL)
    if missing:
        raise ModelError(
            f"{source} lacks {len(missing)} of {len(expected)} weights, the first is {missing[0]}", mend=FETCH
        )
