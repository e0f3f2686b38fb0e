"""The base model as XTuner's transformers 4 reads it: the same weights, with config and tokenizer files written anew.

transformers 5 writes `rope_parameters`, which 4.48 passes over in silence: the angles would be those of another model.
"""

import json
from pathlib import Path
from typing import Any

from core.errors import ModelError
from core.settings import LlmSettings
from finetune.folder import write_json
from finetune.shards import INDEX
from rag.engine.chat_template import render
from rag.engine.folder import ModelFolder, inspect_folder
from rag.engine.model_files import read_json

# What a base model for InternLM2's turns must write for a question: `prompt_template` of the config trains on it.
_TURNS = [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}]
_RENDERED = "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n"
_NOT_OURS = ("rope_parameters", "dtype", "transformers_version")


def check_base(folder: Path) -> ModelFolder:
    """Look through a base model. Raises ModelError for one that cannot be trained here, with the way to mend it."""
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"{folder} is no folder of a model: it has no config.json", mend="name the base model's folder in --base"
        )
    config = read_json(folder / "config.json")
    if "InternLM2ForCausalLM" in config.get("architectures", []):
        raise ModelError(
            f"{folder} has InternLM2's own layout",
            mend=f"convert it: `keben finetune layout {folder} {folder.name}-llama`, and name that folder",
        )
    described = inspect_folder(folder, LlmSettings())
    if described.architecture != "LlamaForCausalLM":
        raise ModelError(
            f"{folder} is a {described.architecture}, and XTuner here trains the Llama layout alone",
            mend="take an InternLM2 model, converted with `keben finetune layout`",
        )
    tokens = read_json(folder / "tokenizer_config.json")
    named = {name: _text(tokens.get(name)) for name in ("bos_token", "eos_token", "unk_token", "pad_token")}
    written = render(described.chat_template, _TURNS, named, prompt=True).removeprefix(named["bos_token"])
    if written != _RENDERED:
        raise ModelError(
            f"the chat template of {folder} writes turns as {written[:60]!r}, not as InternLM2 does",
            mend="take a chat model of InternLM2: training and serving must write turns alike",
        )
    return described


def training_copy(base: Path, target: Path) -> None:
    """Write the folder for XTuner: links to the weights, the other files anew. `target` must not exist."""
    config = read_json(base / "config.json")
    target.mkdir(parents=True)
    for path in base.iterdir():
        if path.suffix == ".safetensors" or path.name == INDEX:
            (target / path.name).symlink_to(path.resolve())
    write_json(target / "config.json", _config(config))
    tokens = read_json(base / "tokenizer_config.json")
    template = inspect_folder(base, LlmSettings()).chat_template
    kept = {
        name: _text(tokens[name]) for name in ("bos_token", "eos_token", "unk_token", "pad_token") if tokens.get(name)
    }
    special = [
        _text(token) for token in tokens.get("additional_special_tokens") or tokens.get("extra_special_tokens") or []
    ]
    write_json(
        target / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "clean_up_tokenization_spaces": False,
            "model_max_length": config.get("max_position_embeddings", 32768),
            "additional_special_tokens": special,
            "chat_template": template,
            **kept,
        },
    )
    tokenizer = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
    write_json(target / "tokenizer.json", tokenizer)


def _config(config: dict[str, Any]) -> dict[str, Any]:
    """As transformers 4.48 writes it."""
    old = {name: value for name, value in config.items() if name not in _NOT_OURS}
    old["torch_dtype"] = config.get("dtype") or config.get("torch_dtype") or "float32"
    rope = dict(config.get("rope_parameters") or {})
    if rope:
        old["rope_theta"] = rope.pop("rope_theta", config.get("rope_theta", 10000.0))
        kind = rope.get("rope_type", "default")
        old["rope_scaling"] = None if kind == "default" else rope | {"type": kind}
    return old


def _text(token: Any) -> str:
    return str(token.get("content", "")) if isinstance(token, dict) else str(token or "")
