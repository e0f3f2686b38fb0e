from pathlib import Path

import pytest
from pydantic import ValidationError

from finetune.training.config import Machine, render, steps_of
from finetune.training.settings import PRESETS, TrainSettings, preset

CPU, CARD, OLD_CARD = Machine(0, 0, False), Machine(1, 24 * 10**9, True), Machine(1, 8 * 10**9, False)
BASE = Path("base")


def rendered(machine: Machine = CPU, rows: int = 100, **settings: object) -> str:
    text = render(TrainSettings.model_validate({"base": BASE, **settings}), BASE, Path("数据.jsonl"), machine, rows)
    compile(text, "config.py", "exec")
    return text


def test_device_decides_number_format_optimizer_and_backend() -> None:
    assert "type=OptimWrapper" in rendered() and "torch_dtype=torch.float32" in rendered()
    assert "backend='gloo'" in rendered() and "backend='nccl'" in rendered(CARD)
    assert "dtype='bfloat16'" in rendered(CARD) and "loss_scale=1.0" in rendered(CARD)
    assert "dtype='float16'" in rendered(OLD_CARD) and "loss_scale='dynamic'" in rendered(OLD_CARD)
    assert "torch_dtype=torch.float32" in rendered(CARD, method="full")


def test_method_stage_and_extras_are_rendered() -> None:
    assert "load_in_4bit=True" in rendered(method="qlora") and "LoraConfig" in rendered(method="qlora")
    assert "lora=dict(" not in rendered(method="full")
    assert "template_map_fn=None" in rendered(stage="pretrain")
    assert "EvaluateChatHook,\n" in rendered(evaluation_prompts=["什么是死锁？"]) and "死锁" in rendered(
        evaluation_prompts=["什么是死锁？"]
    )
    assert "TensorboardVisBackend)" in rendered(tensorboard=True) and "visualizer = None" in rendered()
    assert "数据.jsonl" in rendered()


def test_a_rising_rate_only_where_it_has_two_steps() -> None:
    assert "type=LinearLR" not in rendered(rows=10, epochs=3)
    assert "type=LinearLR" in rendered(rows=100, epochs=3)
    assert steps_of(TrainSettings(base=BASE, batch=4, epochs=3, gpus=2), 9) == 6


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"target_modules": ["q_proj", "lm_head"]}, "lm_head"),
        ({"method": "qlora", "deepspeed": "zero3", "gpus": 2}, "zero3"),
        ({"deepspeed": "zero2"}, "several GPUs"),
        ({"nodes": 2, "node_rank": 2}, "node_rank 2"),
        ({"epoch": 3}, "epoch"),
        ({"lr": 2}, "lr"),
    ],
)
def test_settings_that_cannot_be_are_named(settings: dict[str, object], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        TrainSettings.model_validate({"base": BASE, **settings})


def test_presets_are_settings_and_refuse_what_does_not_fit() -> None:
    for sizes in PRESETS.values():
        for values in sizes.values():
            TrainSettings.model_validate({"base": BASE, **values})
    assert preset("24gb", 1_889_110_016)["method"] == "lora" and preset("8gb", 7_737_708_544)["method"] == "qlora"
    with pytest.raises(ValueError, match=r"20\.0 billion"):
        preset("8gb", 20 * 10**9)
    with pytest.raises(ValueError, match="8gb, 24gb"):
        preset("16gb", 10**9)
