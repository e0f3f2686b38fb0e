"""Adapter and base model into one folder that the service loads: safetensors in the Llama layout, one file at a time.

Per weight W + alpha / r · B·A, in float32 (Hu et al., "LoRA", 2021, section 4.1). What was trained in full replaces W.
"""

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from core.errors import ModelError, TrainingError
from core.settings import LlmSettings
from finetune.conversations import read_conversations
from finetune.folder import new_folder, write_json
from finetune.layout import SHARD_BYTES
from finetune.merge_proof import Proof, prove_merge
from finetune.model_card import Card, model_card
from finetune.shards import ShardWriter, find_weights, read_tensors, tensor_shapes
from finetune.training.checkpoints import newest_checkpoint, step_of
from finetune.training.environment import ENVIRONMENT, output, program
from finetune.training.progress import steps_in
from finetune.training.train import CHECKPOINTS
from rag.engine.folder import inspect_folder
from rag.engine.model_files import read_json
from rag.trained_prompt import TRAINED_PROMPT, Form, TrainedPrompt

ADAPTER, ADAPTER_CONFIG = "adapter_model.safetensors", "adapter_config.json"
_BEFORE = "base_model.model."
_BESIDE = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
Progress = Callable[[str, int, int], None]  # weight, done, in all


@dataclass(frozen=True, slots=True)
class MergeReport:
    """What a merge wrote. changed: weights that the adapter changed."""

    folder: str
    files: tuple[str, ...]
    parameters: int
    changed: int
    proof: Proof

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def merge_run(
    run: Path,
    base: Path,
    target: Path,
    *,
    form: Form,
    system: str = "",
    name: str = "",
    progress: Progress | None = None,
    environment: Path = ENVIRONMENT,
) -> MergeReport:
    """Merge the newest checkpoint of the training in folder `run`. Raises TrainingError when it is not finished."""
    checkpoint, steps = newest_checkpoint(run / CHECKPOINTS), list(steps_in(run))
    if checkpoint is None or not steps or step_of(checkpoint) < steps[-1].of:
        at = f"it stands at step {steps[-1].step} of {steps[-1].of}" if steps else "it has no steps"
        raise TrainingError(f"{run} is no finished training: {at}", mend="go on: `keben finetune train … --resume`")
    learnt = learnt_at(run, checkpoint, environment)
    rows = read_conversations(run / "data.jsonl")
    card = Card(
        name=name or target.name,
        base=base.name,
        data=hashlib.sha256((run / "data.jsonl").read_bytes()).hexdigest(),
        rows=len(rows),
        settings={name: value for name, value in read_json(run / "settings.json").items() if name != "base"},
        losses=(steps[0].loss, steps[-1].loss),
    )
    probes = [exchange.input or exchange.output[:200] for row in rows[:20] for exchange in row.exchanges[:1]]
    return merge(
        base,
        learnt,
        target,
        prompt=TrainedPrompt(form, system),
        card=card,
        probes=probes,
        progress=progress,
        environment=environment,
    )


def learnt_at(run: Path, checkpoint: Path, environment: Path = ENVIRONMENT) -> Path:
    """The folder in `run` with what that checkpoint learnt, from `extract`; written unless it is there."""
    learnt = run / f"learnt-{step_of(checkpoint)}"
    return learnt if learnt.is_dir() else extract(run, checkpoint, learnt, environment)


def extract(run: Path, checkpoint: Path, target: Path, environment: Path = ENVIRONMENT) -> Path:
    """What a checkpoint of the run in folder `run` learnt, as safetensors in the new folder `target`.

    An adapter in PEFT's format, or all weights after full training. Raises TrainingError.
    """
    with TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
        written = Path(scratch) / target.name
        options = ("--fp32", "--safe-serialization", "--max-shard-size", "2GB")
        output(
            program("pth_to_hf", str(run / "config.py"), str(checkpoint), str(written), *options, folder=environment)
        )
        if not any(written.glob("*.safetensors")):
            raise TrainingError(f"XTuner wrote no weights for {checkpoint}", mend=f"see {run / 'train.log'}")
        written.rename(target)
    return target


def merge(
    base: Path,
    learnt: Path,
    target: Path,
    *,
    prompt: TrainedPrompt,
    card: Card,
    probes: Sequence[str] = (),
    shard_bytes: int = SHARD_BYTES,
    progress: Progress | None = None,
    environment: Path = ENVIRONMENT,
) -> MergeReport:
    """Write base and `learnt`, from `extract`, to the new folder `target`, proved and with its model card.

    `target` appears only when what it says to the probes is what base and adapter say together, as PEFT joins them.
    Raises ModelError and TrainingError.
    """
    described = inspect_folder(base, LlmSettings())
    with new_folder(target, room=find_weights(base).size) as folder:
        places, changed = write_merged(base, learnt, folder, shard_bytes=shard_bytes, progress=progress)
        copy_beside(base, folder)
        write_json(folder / TRAINED_PROMPT, prompt.to_json())
        proof = prove_merge(base, learnt, folder, probes, environment)
        (folder / "README.md").write_text(model_card(card, described, proof, prompt), encoding="utf-8")
    files = tuple(sorted(set(places.values())))
    return MergeReport(str(target), files, described.parameters, changed, proof)


def copy_beside(base: Path, folder: Path) -> None:
    """Copy what belongs to the weights of a chat model: its config, tokenizer and chat template."""
    for file in _BESIDE:
        if (base / file).is_file():
            shutil.copyfile(base / file, folder / file)


def write_merged(
    base: Path, learnt: Path, folder: Path, *, shard_bytes: int = SHARD_BYTES, progress: Progress | None = None
) -> tuple[Mapping[str, str], int]:
    """Write the merged weights into `folder`: the file of each, and how many the learning changed. Raises ModelError.

    One file of the base is in memory at a time, and weights for one output file.
    """
    learnt_weights, weights = _learnt(learnt), find_weights(base)
    writer, used, done = ShardWriter(folder, shard_bytes), set[str](), 0
    total = sum(len(tensor_shapes(path)) for path in weights.files)
    for path in weights.files:
        for name, tensor in read_tensors(path):
            writer.add(name, _merged(name, tensor, learnt_weights, used))
            done += 1
            if progress:
                progress(name, done, total)
    if unused := sorted(set(learnt_weights) - used):
        raise ModelError(
            f"{learnt} changes {unused[0]}, which {base} does not have", mend="name the base it was trained on"
        )
    return writer.close(), len(used)


def _learnt(folder: Path) -> Mapping[str, tuple[Tensor, ...]]:
    """By the name of the weight: (its new value,), or (A scaled by alpha / r, B) of an adapter."""
    if not (folder / ADAPTER_CONFIG).is_file():
        return {name: (tensor,) for path in find_weights(folder).files for name, tensor in read_tensors(path)}
    config = read_json(folder / ADAPTER_CONFIG)
    scale = config["lora_alpha"] / config["r"]
    if config.get("use_rslora") or config.get("use_dora") or config.get("rank_pattern") or config.get("alpha_pattern"):
        raise ModelError(f"{folder} is no plain LoRA adapter", mend="train it with `keben finetune train`")
    halves: dict[str, dict[str, Tensor]] = {}
    for name, tensor in read_tensors(folder / ADAPTER):
        inner, _, half = name.removeprefix(_BEFORE).rpartition(".lora_")
        if half not in ("A.weight", "B.weight"):
            raise ModelError(f"{folder / ADAPTER} has an unexpected weight {name}", mend="train it with Keben")
        halves.setdefault(f"{inner}.weight", {})[half[0]] = tensor.float()
    whole = {name: pair for name, pair in halves.items() if len(pair) == 2}
    if len(whole) < len(halves) or not whole:
        raise ModelError(f"{folder / ADAPTER} is not whole", mend="merge again: `keben finetune merge`")
    return {name: (pair["A"] * scale, pair["B"]) for name, pair in whole.items()}


def _merged(name: str, tensor: Tensor, learnt: Mapping[str, tuple[Tensor, ...]], used: set[str]) -> Tensor:
    if name not in learnt:
        return tensor
    used.add(name)
    parts = learnt[name]
    change = parts[0] if len(parts) == 1 else parts[1] @ parts[0]
    if change.shape != tensor.shape:
        raise ModelError(
            f"{name} has the shape {tuple(tensor.shape)}, the adapter's is {tuple(change.shape)}",
            mend="name the base model that it was trained on",
        )
    new = change if len(parts) == 1 else tensor.float() + change
    if not torch.isfinite(new).all():
        raise ModelError(f"{name} is not finite after merging", mend="train again with a lower lr")
    return new.to(tensor.dtype)
