"""A model in 4 bits: written anew by AWQ, for servers with a GPU, or as it is loaded in fewer bits.

AWQ: weights of the layers in 4 bits, each group of inputs with a scale and a zero; activations stay in 16 bits, and
decide which weights are scaled up before rounding (Lin et al., "AWQ", MLSys 2024).
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from core.errors import DatasetError, ModelError
from core.settings import LlmSettings
from finetune.conversations import Conversation
from finetune.folder import new_folder, write_json
from finetune.merge import copy_beside
from finetune.shards import INDEX, find_weights, tensor_shapes
from finetune.training.environment import output
from finetune.training.lmdeploy_environment import ENVIRONMENT, program, require_gpu
from rag.engine.folder import ModelFolder, inspect_folder
from rag.engine.memory import weight_bytes
from rag.engine.model_files import read_json
from rag.trained_prompt import TRAINED_PROMPT

GROUP = 128  # inputs that share a scale: what LMDeploy and vLLM have kernels for
_LEAST_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of the weights, on disk and in memory, before and after."""

    disk_before: int
    disk_after: int
    memory_before: int
    memory_after: int


@dataclass(frozen=True, slots=True)
class AwqReport:
    """What was written. blocks, length: texts that it was calibrated with, and tokens of each."""

    folder: str
    blocks: int
    length: int
    sizes: Sizes

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def bits_sizes(folder: ModelFolder, bits: int, dtype_bytes: int) -> Sizes:
    """What `KEBEN_LLM__BITS` saves: memory, nothing on the disk. dtype_bytes: of a number where it runs."""
    before = weight_bytes(folder, LlmSettings(), dtype_bytes)
    after = weight_bytes(folder, LlmSettings().model_copy(update={"bits": bits}), dtype_bytes)
    return Sizes(folder.weight_bytes, folder.weight_bytes, before, after)


def quantize_awq(
    model: Path,
    target: Path,
    rows: Sequence[Conversation],
    *,
    samples: int = 128,
    length: int = 2048,
    group: int = GROUP,
    environment: Path = ENVIRONMENT,
    device: str = "cuda",
) -> AwqReport:
    """Write `model` in 4 bits to the new folder `target`; `rows` are what it is calibrated with.

    Raises TrainingError without a GPU or the environment, ModelError for a model that cannot be, DatasetError for too
    few rows, ConfigError for a folder that is there.
    """
    if device != "cpu":
        require_gpu(environment)
    described = check_model(model, group)
    blocks = calibration(described, rows, samples, min(length, described.trained_length))
    sixteen = "bfloat16" if described.dtype == "bfloat16" else "float16"
    with new_folder(target, room=described.weight_bytes) as folder, TemporaryDirectory(dir=target.parent) as scratch:
        texts, written = Path(scratch) / "blocks.json", Path(scratch) / "awq"
        texts.write_text(json.dumps(blocks), encoding="utf-8")
        written.mkdir()
        output(
            program(
                *("awq", str(model.resolve()), str(written), str(texts), sixteen, str(group), device),
                folder=environment,
            )
        )
        _take_over(model, written, folder, group)
    after = find_weights(target).size
    sizes = Sizes(described.weight_bytes, after, described.parameters * 2, after)
    return AwqReport(str(target), len(blocks), len(blocks[0]), sizes)


def check_model(model: Path, group: int = GROUP) -> ModelFolder:
    """Raises ModelError for a model whose layers do not divide into groups."""
    described = inspect_folder(model, LlmSettings())
    config = read_json(model / "config.json")
    for name in ("hidden_size", "intermediate_size"):
        if config[name] % group:
            raise ModelError(
                f"{model / 'config.json'}: {name} is {config[name]}, which {group} does not divide",
                mend="serve it as it is, or with KEBEN_LLM__BITS=4",
            )
    return described


def calibration(model: ModelFolder, rows: Sequence[Conversation], samples: int, length: int) -> list[list[int]]:
    """Token ids of the rows as the model reads them, in at most `samples` blocks of `length` each.

    One shorter block where there are not so many tokens. Raises DatasetError for too few to learn anything from.
    """
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(model.path, local_files_only=True, trust_remote_code=False)
    tokenizer.chat_template = model.chat_template
    ids: list[int] = []
    for row in rows:
        ids += tokenizer.apply_chat_template(_turns(row), return_dict=True)["input_ids"]
        if len(ids) >= samples * length:
            break
    if len(ids) < min(_LEAST_TOKENS, samples * length):
        raise DatasetError(
            f"the texts for the calibration have {len(ids)} tokens, and need {_LEAST_TOKENS} at least",
            mend="name a file with more rows: --calibration FILE",
        )
    length = min(length, len(ids))
    return [ids[start : start + length] for start in range(0, len(ids) - length + 1, length)][:samples]


def _turns(row: Conversation) -> list[dict[str, str]]:
    turns: list[dict[str, str]] = []
    for exchange in row.exchanges:
        if exchange.system and not turns:
            turns.append({"role": "system", "content": exchange.system})
        turns += [{"role": "user", "content": exchange.input}, {"role": "assistant", "content": exchange.output}]
    return turns


def _take_over(model: Path, written: Path, folder: Path, group: int) -> None:
    """The weights that LMDeploy wrote, with the other files of the model as they were; it writes some of them anew."""
    found = find_weights(written)
    names = {name for path in found.files for name in tensor_shapes(path)}
    if not any(name.endswith(".qweight") for name in names):
        raise ModelError(f"LMDeploy quantized no weight of {model}", mend="look at the model's architecture")
    for path in (*found.files, written / INDEX):
        if path.is_file():
            shutil.move(path, folder / path.name)
    copy_beside(model, folder)
    made = read_json(written / "config.json")
    sixteen = made.get("dtype") or made.get("torch_dtype")
    changes = {"torch_dtype": sixteen, "quantization_config": made["quantization_config"]}
    write_json(folder / "config.json", {**read_json(model / "config.json"), **changes})
    if (model / TRAINED_PROMPT).is_file():
        shutil.copyfile(model / TRAINED_PROMPT, folder / TRAINED_PROMPT)
    card = (model / "README.md").read_text(encoding="utf-8") if (model / "README.md").is_file() else f"# {model.name}\n"
    note = f"AWQ by LMDeploy: weights of the layers in 4 bits, in groups of {group}; the rest in {sixteen}."
    (folder / "README.md").write_text(f"{card.rstrip()}\n\n## Quantized\n\n{note}\n", encoding="utf-8")
