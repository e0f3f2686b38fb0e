"""Whether the weights of a folder are those that its config.json asks for.

transformers fills what is missing with random numbers, and says so only in a log.
"""

import re
from pathlib import Path

from core.errors import ModelError
from rag.engine.model_config import FAMILIES, ModelConfig, quantized
from rag.engine.model_files import FETCH
from rag.engine.weight_headers import Weight

Shape = tuple[int, ...]
SAME_MODEL = "take config.json and the weights from the same model"
_FLOATS = {"F64", "F32", "F16", "BF16"}
_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks|block)\.(\d+)\.")
_EMBEDDINGS = ("embed_tokens.weight", "wte.weight", "word_embeddings.weight", "embed_in.weight")
_PACKED = (".qweight", ".weight_packed", ".qzeros", ".absmax")


def check_weights(folder: Path, config: ModelConfig, weights: dict[str, Weight]) -> None:
    """Raise ModelError naming the first weight that is missing, has another shape or is not of floating point."""
    packed = next((name for name in weights if name.endswith(_PACKED)), None)
    if packed is not None:
        raise quantized(folder / weights[packed].file, f"it has {packed}")
    if config.model_type in FAMILIES:
        _check_names(folder, config, weights)
    else:
        _check_roughly(folder, config, weights)
    other = next((name for name, weight in weights.items() if _is_matrix(weight) and weight.dtype not in _FLOATS), None)
    if other is not None:
        raise quantized(folder / weights[other].file, f"{other} is in {weights[other].dtype}")


def _is_matrix(weight: Weight) -> bool:
    return len(weight.shape) >= 2


def expected_shapes(config: ModelConfig) -> dict[str, Shape]:
    """Name and shape of every weight of a model whose type is in FAMILIES.

    Source: modeling_llama.py, modeling_qwen2.py, modeling_qwen3.py, modeling_mistral.py and
    configuration_internlm3.py of transformers 5.
    """
    hidden, vocabulary = config.hidden_size, (config.vocab_size, config.hidden_size)
    layer = _layer_shapes(config)
    shapes: dict[str, Shape] = {"model.embed_tokens.weight": vocabulary}
    for number in range(config.layers):
        shapes |= {f"model.layers.{number}.{name}": shape for name, shape in layer.items()}
    shapes["model.norm.weight"] = (hidden,)
    return shapes if config.tied else shapes | {"lm_head.weight": vocabulary}


def _layer_shapes(config: ModelConfig) -> dict[str, Shape]:
    hidden, inner = config.hidden_size, int(config.values.get("intermediate_size") or 0)
    queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
    matrices: dict[str, Shape] = {
        "self_attn.q_proj": (queries, hidden),
        "self_attn.k_proj": (keys, hidden),
        "self_attn.v_proj": (keys, hidden),
        "self_attn.o_proj": (hidden, queries),
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner),
    }
    shapes: dict[str, Shape] = {f"{name}.weight": shape for name, shape in matrices.items()}
    shapes |= {f"{name}.weight": (hidden,) for name in ("input_layernorm", "post_attention_layernorm")}
    if config.model_type == "qwen3":
        shapes |= {f"self_attn.{name}.weight": (config.head_dim,) for name in ("q_norm", "k_norm")}
    return shapes | {f"{name}.bias": matrices[name][:1] for name in _with_bias(config)}


def _with_bias(config: ModelConfig) -> list[str]:
    attention = [f"self_attn.{letter}_proj" for letter in "qkvo"]
    values, kind = config.values, config.model_type
    if kind == "qwen2":
        return attention[:3]
    if kind == "mistral":
        return []
    both = attention if values.get("attention_bias") or (kind == "internlm3" and values.get("qkv_bias")) else []
    inner = values.get("mlp_bias") or (kind == "internlm3" and values.get("bias"))
    return both + ([f"mlp.{name}_proj" for name in ("gate", "up", "down")] if inner and kind != "qwen3" else [])


def _check_names(folder: Path, config: ModelConfig, weights: dict[str, Weight]) -> None:
    shapes = expected_shapes(config)
    missing = [name for name in shapes if name not in weights]
    if missing:
        raise ModelError(
            f"the weights in {folder} are not whole: {len(missing)} of {len(shapes)} are missing, "
            f"the first is {missing[0]}",
            mend=FETCH,
        )
    for name, shape in shapes.items():
        _check_shape(folder, name, weights[name], shape)
    _check_layers(folder, config, weights)


def _check_shape(folder: Path, name: str, weight: Weight, shape: Shape) -> None:
    if weight.shape != shape:
        raise ModelError(
            f"{folder / weight.file}: {name} has the shape {weight.shape}, config.json asks for {shape}",
            mend=SAME_MODEL,
        )


def _check_roughly(folder: Path, config: ModelConfig, weights: dict[str, Weight]) -> None:
    """For families whose names are not known here."""
    _check_layers(folder, config, weights)
    embedding = next((name for name in weights if name.endswith(_EMBEDDINGS)), None)
    if embedding is None:
        raise ModelError(f"the weights in {folder} are not whole: there is no embedding of tokens", mend=FETCH)
    for name in (embedding, "lm_head.weight"):
        if name in weights:
            _check_shape(folder, name, weights[name], (config.vocab_size, *weights[name].shape[1:]))


def _check_layers(folder: Path, config: ModelConfig, weights: dict[str, Weight]) -> None:
    found = {int(match[1]) for match in map(_LAYER.search, weights) if match}
    if found != set(range(config.layers)):
        raise ModelError(
            f"the weights in {folder} have {len(found)} layers, num_hidden_layers in config.json is {config.layers}",
            mend=SAME_MODEL,
        )
