"""config.json of a chat model: whether this machine can run it, and the sizes that its weights must have."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import ModelError
from rag.engine.model_files import FETCH, read_json

ELSEWHERE = "serve it with vLLM or LMDeploy and set KEBEN_LLM__URLS to that server"
OTHER_MODEL = f"name a chat model such as InternLM2.5, InternLM3, Qwen or Llama, or {ELSEWHERE}"
# Families whose weights are known by name, and their class; transformers runs InternLM3 as a Llama.
FAMILIES = {
    "llama": ("LlamaForCausalLM",),
    "mistral": ("MistralForCausalLM",),
    "qwen2": ("Qwen2ForCausalLM",),
    "qwen3": ("Qwen3ForCausalLM",),
    "internlm3": ("InternLM3ForCausalLM", "LlamaForCausalLM"),
}
# Kinds of rope scaling whose factor is the number of times that the trained length is stretched; those of llama3 and
# longrope have the stretched length in max_position_embeddings. Source: vLLM, ModelConfig.get_and_verify_max_len.
_STRETCHED = {"linear", "dynamic", "yarn"}


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Sizes of a model."""

    path: Path  # of config.json
    values: dict[str, Any]  # all of it
    model_type: str
    architecture: str
    layers: int
    hidden_size: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab_size: int
    tied: bool  # the output matrix is the embedding
    trained_length: int  # tokens
    context_length: int  # tokens, with the stretch of rope scaling


def read_model_config(folder: Path) -> ModelConfig:
    """Raises ModelError naming the value for a model that cannot answer here."""
    path = folder / "config.json"
    values = read_json(path)
    model_type, architecture = _kind(values, path, folder)
    heads, hidden = _positive(values, "num_attention_heads", path), _positive(values, "hidden_size", path)
    trained, context = _lengths(values, path)
    return ModelConfig(
        path=path,
        values=values,
        model_type=model_type,
        architecture=architecture,
        layers=_positive(values, "num_hidden_layers", path),
        hidden_size=hidden,
        heads=heads,
        kv_heads=_positive(values, "num_key_value_heads", path, heads),
        head_dim=_positive(values, "head_dim", path, max(1, hidden // heads)),
        vocab_size=_positive(values, "vocab_size", path),
        tied=bool(values.get("tie_word_embeddings", False)),
        trained_length=trained,
        context_length=context,
    )


def _kind(values: dict[str, Any], path: Path, folder: Path) -> tuple[str, str]:
    """Type and class of the model."""
    kind, classes = str(values.get("model_type") or ""), values.get("architectures") or []
    named = str(classes[0]) if isinstance(classes, list) and classes else ""
    if kind == "internlm2" and named in {"", "InternLM2ForCausalLM"}:
        raise ModelError(
            f"{path}: model_type internlm2 is InternLM2's own layout, which runs code from the folder",
            mend=f"convert it once: keben finetune layout {folder} {folder.with_name(folder.name + '-llama')}",
        )
    _check_not_quantized(values, path)
    if "vision_config" in values or "audio_config" in values or named.endswith("ForConditionalGeneration"):
        raise ModelError(f"{path}: {named or kind} is not a chat model of text alone", mend=OTHER_MODEL)
    known = FAMILIES.get(kind) or _classes_of(kind)
    if not known and "auto_map" in values:
        raise ModelError(f"{path}: model_type {kind!r} wants to run code from the folder (auto_map)", mend=OTHER_MODEL)
    if not known:
        raise ModelError(f"{path}: the architecture of model_type {kind!r} is unknown", mend=OTHER_MODEL)
    if named and named not in known:
        raise ModelError(f"{path}: {named} is not a chat model; {known[0]} would be", mend=OTHER_MODEL)
    return kind, named or known[0]


def _classes_of(kind: str) -> tuple[str, ...]:
    """The classes that write text with models of this type."""
    # Takes seconds and imports torch, so that only types that FAMILIES lacks are looked up here.
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    found = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(kind)
    return (found,) if isinstance(found, str) else tuple(found or ())


def _check_not_quantized(values: dict[str, Any], path: Path) -> None:
    given = values.get("quantization_config") or values.get("compression_config")
    if given:
        raise quantized(path, str(given.get("quant_method", "")) if isinstance(given, dict) else "")


def quantized(path: Path, method: str) -> ModelError:
    """The error for weights of GPTQ, AWQ and the like; `path` is the file that tells it."""
    way = "and set KEBEN_LLM__BITS=4" if method == "bitsandbytes" else f"or {ELSEWHERE}"
    return ModelError(
        f"{path}: the weights are quantized ({method or 'method unknown'}), which is not supported here",
        mend=f"name the folder of the model before it was quantized, {way}",
    )


def _lengths(values: dict[str, Any], path: Path) -> tuple[int, int]:
    """Trained and stretched length, in tokens."""
    trained = _positive(values, "max_position_embeddings", path)
    # transformers 5 has the scaling in rope_parameters; some models have one for each kind of attention.
    scaling = values.get("rope_scaling") or values.get("rope_parameters") or {}
    if not isinstance(scaling, dict):
        raise ModelError(f"{path}: rope_scaling is {scaling!r}, not an object", mend=FETCH)
    scaling = scaling.get("full_attention") or scaling
    kind, factor = scaling.get("rope_type") or scaling.get("type") or "default", scaling.get("factor") or 1.0
    if isinstance(factor, bool) or not isinstance(factor, int | float) or factor < 1:
        raise ModelError(f"{path}: the factor of rope_scaling is {factor!r}, not a number from 1", mend=FETCH)
    if kind not in _STRETCHED:
        return trained, trained
    original = scaling.get("original_max_position_embeddings") or trained
    return trained, max(trained, int(original * factor))


def _positive(values: dict[str, Any], key: str, path: Path, default: int | None = None) -> int:
    value = default if values.get(key) is None else values[key]
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ModelError(f"{path}: {key} is {value!r}, not a number above 0", mend=FETCH)
    return value
