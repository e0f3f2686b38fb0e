"""Whether a merged model says what its base and adapter say together: two ways of computing, in two environments.

Base and adapter run in XTuner's environment, joined by PEFT as in training; the merged folder as the service loads it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from core.errors import ModelError
from core.settings import LlmSettings
from finetune.training.base import training_copy
from finetune.training.environment import output, program
from rag.engine.folder import inspect_folder
from rag.engine.loading import best_device, best_dtype, load_model

# Rounding the merged weights to the base's number format moves logits by so much of their spread at most.
_TOLERANCE = {"float32": 1e-3, "float16": 2e-2, "bfloat16": 1e-1}


@dataclass(frozen=True, slots=True)
class Proof:
    """difference: largest between logits, in standard deviations of them. same: probes whose likeliest token agrees."""

    probes: int
    same: int
    difference: float


def prove_merge(base: Path, learnt: Path, merged: Path, probes: Sequence[str], environment: Path) -> Proof:
    """Compare them on `probes`, texts. Raises ModelError when they differ by more than rounding."""
    import torch
    from tokenizers import Tokenizer

    texts = list(probes) or ["什么是死锁？", "What is a process?", "\\frac{1}{2} + x^2"]
    device = best_device(LlmSettings())
    # A processor computes in float32, which is exact enough to see any fault; a card may not have room for that.
    dtype = torch.float32 if device.type == "cpu" else best_dtype(LlmSettings(), device)
    tokenizer = Tokenizer.from_file(str(merged / "tokenizer.json"))
    ids = [tokenizer.encode(text).ids for text in texts]
    expected = _together(base, learnt, ids, environment)
    model = load_model(merged, LlmSettings(), device, dtype)
    with torch.no_grad():
        found = np.stack([model(torch.tensor([row], device=device)).logits[0, -1].float().cpu().numpy() for row in ids])
    spread = float(expected.std()) or 1.0
    difference = float(np.abs(found - expected).max()) / spread
    same = int((found.argmax(1) == expected.argmax(1)).sum())
    stored = inspect_folder(merged, LlmSettings()).dtype
    limit = _TOLERANCE[stored if device.type == "cpu" else "bfloat16"]
    if not difference <= limit:
        raise ModelError(
            f"the merged model differs from base and adapter by {difference:.3f} standard deviations of the logits, "
            f"more than {limit}; it was not published",
            mend="name the base model that the adapter was trained on, and merge again",
        )
    return Proof(len(texts), same, difference)


def _together(base: Path, learnt: Path, ids: list[list[int]], environment: Path) -> NDArray[np.float32]:
    with TemporaryDirectory() as name:
        scratch = Path(name)
        rows, out = scratch / "ids.json", scratch / "logits.npy"
        rows.write_text(json.dumps(ids), encoding="utf-8")
        training_copy(base, scratch / "base")
        adapter = learnt / "adapter_config.json"
        # After full training there is no adapter: what was learnt is the model.
        pair = (str(scratch / "base"), str(learnt)) if adapter.is_file() else (str(learnt), "-")
        output(program("probe", *pair, str(rows), str(out), folder=environment))
        logits: NDArray[np.float32] = np.load(out)
        return logits
