"""Merging an adapter by hand: the arithmetic, and adapters that do not fit."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_chat_models import tiny_internlm2
from torch import Tensor

from core.errors import ModelError
from finetune.merge import write_merged
from finetune.shards import INDEX

NAME = "model.layers.1.mlp.up_proj"


def adapter(folder: Path, halves: dict[str, Tensor], **config: object) -> Path:
    folder.mkdir()
    save_file({f"base_model.model.{name}": half for name, half in halves.items()}, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 8, **config}))
    return folder


def halves(rows: int = 40, columns: int = 16) -> dict[str, Tensor]:
    torch.manual_seed(1)
    return {f"{NAME}.lora_A.weight": torch.randn(4, columns), f"{NAME}.lora_B.weight": torch.randn(rows, 4)}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tiny_internlm2(tmp_path / "base")


def test_w_plus_scaled_b_times_a_in_shards(base: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    places, changed = write_merged(base, adapter(tmp_path / "learnt", halves()), out, shard_bytes=2**20)
    assert changed == 1 and (out / INDEX).is_file() and len(set(places.values())) > 1
    before = load_file(base / "model.safetensors")
    after = {name: tensor for file in set(places.values()) for name, tensor in load_file(out / file).items()}
    assert after.keys() == before.keys()
    a, b = halves().values()
    for name, tensor in before.items():
        expected = tensor + 2 * (b @ a) if name == f"{NAME}.weight" else tensor
        torch.testing.assert_close(after[name], expected)
        assert after[name].dtype == tensor.dtype


@pytest.mark.parametrize(
    ("given", "config", "named"),
    [
        (halves(rows=41), {}, "has the shape"),
        ({name.replace("layers.1", "layers.9"): half for name, half in halves().items()}, {}, "layers.9"),
        (dict(list(halves().items())[:1]), {}, "not whole"),
        ({"lm_head.weight": torch.zeros(2)}, {}, "unexpected weight"),
        ({name: half * float("nan") for name, half in halves().items()}, {}, "not finite"),
        (halves(), {"use_dora": True}, "no plain LoRA"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused(
    base: Path, tmp_path: Path, given: dict[str, Tensor], config: dict[str, object], named: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(ModelError, match=named):
        write_merged(base, adapter(tmp_path / "learnt", given, **config), out)
