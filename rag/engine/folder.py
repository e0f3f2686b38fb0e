"""A chat model's folder, looked through before anything heavy is loaded: every fault is found in a second or two.

Reads config.json, the tokenizer's files and the headers of the weights; never loads weights or runs code of the folder.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from core.errors import ModelError
from core.settings import LlmSettings
from rag.engine.chat_tokenizer import read_chat_tokenizer
from rag.engine.model_config import ELSEWHERE, ModelConfig, read_model_config
from rag.engine.weight_check import check_weights
from rag.engine.weight_headers import ADAPTER, INDEX, SINGLE, Weight, read_weights

_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_IN_LAYERS = "layers."


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """What a folder without fault holds."""

    path: Path
    model_type: str  # as in config.json: llama
    architecture: str  # LlamaForCausalLM
    parameters: int
    layer_parameters: int  # of them in the matrices of the layers, which fewer bits make smaller
    weight_bytes: int  # on disk
    dtype: str  # of most weights in the files, by its name in torch: bfloat16
    layers: int
    kv_heads: int
    head_dim: int
    vocab_size: int
    trained_length: int  # tokens: max_position_embeddings
    context_length: int  # tokens, with the stretch of rope scaling
    end_ids: tuple[int, ...]  # tokens that end an answer, ascending
    chat_template: str  # Jinja; transformers does not read every file that may hold it

    def cache_bytes(self, dtype_bytes: int) -> int:
        """Bytes that one token takes in the cache of keys and values."""
        return 2 * self.layers * self.kv_heads * self.head_dim * dtype_bytes


def inspect_folder(folder: Path, settings: LlmSettings) -> ModelFolder:
    """Look through the chat model in `folder`. Raises ModelError naming the first fault and its mend."""
    _check_kind_of_folder(folder)
    config = read_model_config(folder)
    if settings.context_tokens is not None and settings.context_tokens > config.context_length:
        raise ModelError(
            f"KEBEN_LLM__CONTEXT_TOKENS is {settings.context_tokens:,}, the model in {folder} reads "
            f"{config.context_length:,} tokens",
            mend="set it no higher than that, or leave it unset",
        )
    weights = read_weights(folder)
    check_weights(folder, config, weights)
    return _described(folder, config, weights)


def _check_kind_of_folder(folder: Path) -> None:
    if not folder.is_dir():
        what = "a file" if folder.is_file() else "not there"
        raise ModelError(
            f"{folder} is not a model folder: it is {what}; config.json is looked for in it",
            mend=f"set KEBEN_LLM__MODEL to the folder of a chat model, or {ELSEWHERE}",
        )
    if (folder / ADAPTER).is_file() and not any((folder / name).is_file() for name in (SINGLE, INDEX)):
        raise ModelError(
            f"{folder} holds an adapter ({ADAPTER}), not a whole model",
            mend="merge it into its base model first, with merge_and_unload() of peft, and name the merged folder",
        )
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} is not a model folder: it has no config.json", mend="set KEBEN_LLM__MODEL to one")


def _described(folder: Path, config: ModelConfig, weights: dict[str, Weight]) -> ModelFolder:
    tokenizer = read_chat_tokenizer(folder, config)
    formats: Counter[str] = Counter()
    for weight in weights.values():
        formats[weight.dtype] += weight.count
    inside = sum(weight.count for name, weight in weights.items() if _IN_LAYERS in name and len(weight.shape) > 1)
    return ModelFolder(
        path=folder,
        model_type=config.model_type,
        architecture=config.architecture,
        parameters=formats.total(),
        layer_parameters=inside,
        weight_bytes=sum(weight.size for weight in weights.values()),
        dtype=_DTYPES[formats.most_common(1)[0][0]],
        layers=config.layers,
        kv_heads=config.kv_heads,
        head_dim=config.head_dim,
        vocab_size=config.vocab_size,
        trained_length=config.trained_length,
        context_length=config.context_length,
        end_ids=tokenizer.end_ids,
        chat_template=tokenizer.chat_template,
    )
