"""Checkpoints, faults, memory and the copy of the base: what needs no environment of XTuner."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_chat_models import tiny_internlm2, tiny_qwen2, write_internlm2
from trainable_models import write_trainable_internlm2

from core.errors import ModelError, TrainingError
from core.settings import LlmSettings
from finetune.layout import convert
from finetune.training.base import check_base, training_copy
from finetune.training.checkpoints import newest_checkpoint, step_of
from finetune.training.config import Machine
from finetune.training.curve import draw_losses, smoothed
from finetune.training.environment import program, set_up
from finetune.training.faults import explained
from finetune.training.inside import EXIT_NOT_A_NUMBER
from finetune.training.memory import check_memory, estimate
from finetune.training.progress import steps_in
from finetune.training.settings import TrainSettings, preset
from rag.engine.folder import inspect_folder


def test_a_half_written_checkpoint_is_passed_over(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) is None
    for step in (5, 10, 20):
        torch.save({"meta": {"iter": step}, "weights": torch.randn(1000)}, tmp_path / f"iter_{step}.pth")
    whole = (tmp_path / "iter_20.pth").read_bytes()
    (tmp_path / "iter_20.pth").write_bytes(whole[: len(whole) // 2])
    damaged = bytearray((tmp_path / "iter_10.pth").read_bytes())
    damaged[len(damaged) // 2] ^= 255
    (tmp_path / "iter_10.pth").write_bytes(damaged)
    (tmp_path / "iter_30.pth").write_bytes(b"")
    newest = newest_checkpoint(tmp_path)
    assert newest is not None and newest.name == "iter_5.pth" and step_of(newest) == 5


def test_steps_done_again_take_the_place_of_the_first_and_a_cut_line_is_passed_over(tmp_path: Path) -> None:
    lines = [
        {"event": "start", "rows": 1},
        *({"event": "step", "step": n, "of": 3, "loss": n / 2, "lr": 1, "seconds": 1} for n in (1, 2, 1)),
    ]
    lines[-1]["loss"] = 9.0
    (tmp_path / "progress.jsonl").write_text("\n".join(map(json.dumps, lines)) + '\n{"event": "st')
    assert [(step.step, step.loss) for step in steps_in(tmp_path)] == [(1, 9.0), (2, 1.0)]


@pytest.mark.parametrize(
    ("code", "said", "named"),
    [
        (EXIT_NOT_A_NUMBER, "", "not a number"),
        (-9, "", "killed"),
        (1, "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", "memory was not enough"),
        (1, "OSError: base does not appear to have a file named model.safetensors.", "a file of the base"),
        (1, "ModuleNotFoundError: No module named 'deepspeed'", "DeepSpeed is not installed"),
        (3, "Traceback\n  x\nZeroDivisionError: division by zero\n", "exit code 3: ZeroDivisionError"),
        (3, "", "nothing was said"),
    ],
)
def test_faults_are_explained(tmp_path: Path, code: int, said: str, named: str) -> None:
    log = tmp_path / "train.log"
    log.write_text(said)
    error = explained(code, log)
    assert named in error.message and error.mend


def test_memory_is_estimated_before_the_start(tmp_path: Path) -> None:
    small = inspect_folder(tiny_internlm2(tmp_path / "tiny"), LlmSettings())
    settings = TrainSettings(base=small.path, max_length=64)
    assert 0 < check_memory(settings, small, Machine(0, 0, False)).total < 10**9
    with pytest.raises(TrainingError, match=r"about .* GB"):
        check_memory(settings, small, Machine(1, 10**9, True))

    # InternLM2's real sizes: the presets fit their cards, and full training of 7B fits none.
    def sized(layers: int, hidden: int, inner: int, parameters: float) -> Any:
        folder = tmp_path / str(hidden)
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"hidden_size": hidden, "intermediate_size": inner}))
        ends = 2 * 92544 * hidden
        return replace(
            small,
            path=folder,
            layers=layers,
            parameters=int(parameters),
            layer_parameters=int(parameters) - ends,
            kv_heads=8,
            head_dim=128,
            vocab_size=92544,
        )

    models = {
        "1.8b": sized(24, 2048, 8192, 1.889e9),
        "7b": sized(32, 4096, 14336, 7.738e9),
        "20b": sized(48, 6144, 16384, 19.86e9),
    }
    for card, size, memory in (
        ("8gb", "1.8b", 8),
        ("8gb", "7b", 8),
        ("24gb", "1.8b", 24),
        ("24gb", "7b", 24),
        ("24gb", "20b", 24),
    ):
        model = models[size]
        chosen = TrainSettings.model_validate({"base": model.path, **preset(card, model.parameters)})
        assert estimate(chosen, model, Machine(1, memory * 2**30, True)).total < memory * 2**30, (card, size)
    full = TrainSettings(base=models["7b"].path, method="full")
    with pytest.raises(TrainingError):
        check_memory(full, models["7b"], Machine(1, 80 * 10**9, True))


def test_the_copy_for_xtuner_keeps_what_transformers_4_would_lose(tmp_path: Path) -> None:
    base = convert_trainable(tmp_path)
    config = json.loads((base / "config.json").read_text())
    five = {name: value for name, value in config.items() if name not in ("rope_theta", "rope_scaling", "torch_dtype")}
    five |= {"dtype": "float32", "rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1000000}}
    (base / "config.json").write_text(json.dumps(five))
    training_copy(base, tmp_path / "copy")
    written = json.loads((tmp_path / "copy" / "config.json").read_text())
    assert written["rope_theta"] == 1000000 and written["torch_dtype"] == "float32"
    assert written["rope_scaling"] == {"rope_type": "dynamic", "type": "dynamic", "factor": 2.0}
    assert "rope_parameters" not in written
    assert (tmp_path / "copy" / "model.safetensors").resolve() == (base / "model.safetensors").resolve()
    assert "im_start" in json.loads((tmp_path / "copy" / "tokenizer_config.json").read_text())["chat_template"]


def convert_trainable(tmp_path: Path) -> Path:
    write_trainable_internlm2(tmp_path / "internlm2", ["什么是死锁？"])
    convert(tmp_path / "internlm2", tmp_path / "llama")
    return tmp_path / "llama"


def test_a_base_that_cannot_be_trained_is_refused(tmp_path: Path) -> None:
    assert check_base(convert_trainable(tmp_path)).parameters > 10**6
    with pytest.raises(ModelError, match="InternLM2's own layout") as caught:
        check_base(write_internlm2(tmp_path / "own"))
    assert "keben finetune layout" in caught.value.mend
    with pytest.raises(ModelError, match="Qwen2ForCausalLM"):
        check_base(tiny_qwen2(tmp_path / "qwen"))


def test_the_environment_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="is not there") as caught:
        program("machine", folder=tmp_path / "none")
    assert "keben finetune setup" in caught.value.mend
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".complete").write_text("of other versions")
    with pytest.raises(TrainingError, match="other versions"):
        program("machine", folder=tmp_path / "other")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(TrainingError, match="other things"):
        set_up(tmp_path / "mine", say=lambda text: None)
    assert (tmp_path / "mine" / "thesis.tex").is_file()


def test_the_loss_is_drawn(tmp_path: Path) -> None:
    draw_losses([], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()
    draw_losses([(step, 5 / step) for step in range(1, 50)], tmp_path / "loss.png")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert smoothed([2.0, 2.0, 2.0]) == pytest.approx([2.0, 2.0, 2.0])
