"""config.json of InternLM2 and of Llama: what the shapes of the weights follow from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import ConfigError, ModelError
from rag.engine.model_config import FAMILIES
from rag.engine.model_files import read_json

MODEL_TYPE, MODEL_CLASS = "internlm2", "InternLM2ForCausalLM"
OTHER_MODEL = "convert InternLM2 or InternLM2.5, the chat, base or math model, not quantized"
# What a missing key means. Source: InternLM2Config; pad_token_id as in the tokenizer.
_DEFAULTS: dict[str, Any] = {
    "hidden_act": "silu",
    "initializer_range": 0.02,
    "rms_norm_eps": 1e-6,
    "use_cache": True,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}
_THETA = 10000.0
_OTHERS_READ = {"mixtral"}  # InternLM2-Math-Plus has one


@dataclass(frozen=True, slots=True)
class Architecture:
    """Sizes of an InternLM2 model."""

    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    kv_heads: int
    vocab_size: int
    bias: bool  # of wqkv and wo; the feed-forward matrices never have one
    tied: bool  # the output matrix is the embedding

    @property
    def head_size(self) -> int:
        return self.hidden_size // self.heads


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of an InternLM2 model. Raises ConfigError for another kind of folder, ModelError for a bad one."""
    path = folder / "config.json"
    if not path.is_file():
        raise ConfigError(f"{folder} is not a model folder: it has no config.json", mend="name the folder of a model")
    config = read_json(path)
    kind, classes = config.get("model_type"), config.get("architectures") or [MODEL_CLASS]
    if kind == "llama":
        raise ConfigError(
            f"{folder} is in the Llama layout already: model_type is llama",
            mend=f"use it as it is: KEBEN_LLM__MODEL={folder}",
        )
    if kind in FAMILIES or kind in _OTHERS_READ:
        raise ConfigError(
            f"{folder} needs no conversion: transformers reads model_type {kind} by itself",
            mend=f"use it as it is: KEBEN_LLM__MODEL={folder}",
        )
    if kind != MODEL_TYPE or classes != [MODEL_CLASS]:
        raise ModelError(f"{path}: unknown architecture: model_type {kind!r}, {classes}", mend=OTHER_MODEL)
    if "quantization_config" in config:
        raise ModelError(f"{path}: the weights are quantized (quantization_config)", mend=OTHER_MODEL)
    return config


def read_architecture(config: dict[str, Any], path: Path) -> Architecture:
    """The sizes in `config`, read from `path`. Raises ModelError naming the key."""
    heads = _positive(config, "num_attention_heads", path)
    kv_heads = heads if config.get("num_key_value_heads") is None else _positive(config, "num_key_value_heads", path)
    hidden = _positive(config, "hidden_size", path)
    if hidden % heads:
        raise ModelError(
            f"{path}: hidden_size {hidden} is not divisible by num_attention_heads {heads}", mend=OTHER_MODEL
        )
    if heads % kv_heads:
        raise ModelError(
            f"{path}: num_attention_heads {heads} is not divisible by num_key_value_heads {kv_heads}", mend=OTHER_MODEL
        )
    return Architecture(
        hidden_size=hidden,
        intermediate_size=_positive(config, "intermediate_size", path),
        layers=_positive(config, "num_hidden_layers", path),
        heads=heads,
        kv_heads=kv_heads,
        vocab_size=_positive(config, "vocab_size", path),
        bias=bool(config.get("bias", True)),
        tied=bool(config.get("tie_word_embeddings", False)),
    )


def llama_config(config: dict[str, Any], sizes: Architecture, path: Path) -> dict[str, Any]:
    """config.json of the same model as a Llama, with the keys that transformers 4.48 and 5 both read.

    Without torch_dtype if `config` has none. Raises ModelError naming the key.
    """
    theta, scaling = _rope(config, path)
    llama = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": sizes.vocab_size,
        "hidden_size": sizes.hidden_size,
        "intermediate_size": sizes.intermediate_size,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads,
        "max_position_embeddings": _positive(config, "max_position_embeddings", path),
        "attention_bias": sizes.bias,
        "mlp_bias": False,
        "tie_word_embeddings": sizes.tied,
        "rope_theta": theta,
        "rope_scaling": scaling,
        **{key: config.get(key, default) for key, default in _DEFAULTS.items()},
    }
    dtype = config.get("torch_dtype") or config.get("dtype")
    return llama | ({"torch_dtype": dtype} if dtype else {})


def _rope(config: dict[str, Any], path: Path) -> tuple[float, dict[str, Any] | None]:
    """Base and scaling of the rotary embedding; a config saved by transformers 5 has both in rope_parameters."""
    scaling = config.get("rope_scaling") or config.get("rope_parameters") or {}
    if not isinstance(scaling, dict):
        raise ModelError(f"{path}: rope_scaling is {scaling!r}, not an object", mend=OTHER_MODEL)
    theta = config.get("rope_theta") or scaling.get("rope_theta") or _THETA
    kind = scaling.get("rope_type") or scaling.get("type") or "default"
    factor = scaling.get("factor") or 1.0
    for name, value in (("rope_theta", theta), ("the factor of rope_scaling", factor)):
        if not isinstance(value, int | float):
            raise ModelError(f"{path}: {name} is {value!r}, not a number", mend=OTHER_MODEL)
    if kind == "default":
        return float(theta), None
    if kind not in {"dynamic", "linear"}:
        raise ModelError(f"{path}: rope_scaling has the unknown type {kind!r}", mend=OTHER_MODEL)
    return float(theta), {"type": kind, "rope_type": kind, "factor": float(factor)}


def _positive(config: dict[str, Any], key: str, path: Path) -> int:
    value = config.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ModelError(f"{path}: {key} is {value!r}, not a number above 0", mend=OTHER_MODEL)
    return value
