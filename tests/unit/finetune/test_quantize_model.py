"""`keben finetune quantize`: what it refuses at once, texts for the calibration, and bnb on a tiny model.

What LMDeploy does is stood in for: its environment takes 8 GB and a GPU.
"""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from tiny_chat_models import tiny_internlm2, tiny_qwen2, write_internlm2
from typer.testing import CliRunner

from cli.main import app
from core.errors import ConfigError, DatasetError, ModelError, TrainingError
from core.settings import LlmSettings
from finetune import quantize
from finetune.conversations import Conversation, Exchange
from finetune.layout import convert
from finetune.training import lmdeploy_environment
from rag.engine.folder import inspect_folder
from rag.engine.loading import load_model
from rag.trained_prompt import TRAINED_PROMPT

ROWS = [Conversation((Exchange(f"什么是死锁 {n}？", "互相等待对方占有的资源。" * 9, "你是助教。"),)) for n in range(30)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wide enough for groups of 128."""
    place = tmp_path_factory.mktemp("quantize")
    convert(write_internlm2(place / "own", hidden_size=128, intermediate_size=256), place / "model")
    return place / "model"


def test_without_a_gpu_it_says_so_before_anything_else(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmdeploy_environment, "_DRIVERS", ())
    result = CliRunner().invoke(app, ["finetune", "quantize", str(model), "--out", "nowhere"])
    assert isinstance(result.exception, TrainingError)
    assert "needs a GPU" in result.exception.message and "--method bnb" in result.exception.mend


def test_without_the_environment_its_setup_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmdeploy_environment, "_DRIVERS", (tmp_path,))
    with pytest.raises(TrainingError, match="is not there") as caught:
        lmdeploy_environment.require_gpu(tmp_path / "none")
    assert "setup --lmdeploy" in caught.value.mend


def test_awq_wants_a_folder_and_rows(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmdeploy_environment, "require_gpu", lambda: None)
    for arguments, named in (([], "--out FOLDER"), (["--out", "new"], "--calibration FILE")):
        result = CliRunner().invoke(app, ["finetune", "quantize", str(model), *arguments])
        assert isinstance(result.exception, ConfigError) and named in result.exception.mend


def test_a_model_that_does_not_divide_into_groups_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="hidden_size is 16"):
        quantize.check_model(tiny_internlm2(tmp_path / "narrow"))


def test_the_calibration_reads_rows_as_the_model_does(model: Path) -> None:
    from transformers import AutoTokenizer

    described = inspect_folder(model, LlmSettings())
    blocks = quantize.calibration(described, ROWS, samples=3, length=200)
    assert [len(block) for block in blocks] == [200] * 3
    text = AutoTokenizer.from_pretrained(model).decode(blocks[0])
    assert text.startswith("<s><|im_start|>system\n你是助教。<|im_end|>\n<|im_start|>user\n什么是死锁 0？<|im_end|>")
    (short,) = quantize.calibration(described, ROWS, samples=1, length=10**6)
    assert len(short) > 512
    with pytest.raises(DatasetError, match="512 at least"):
        quantize.calibration(described, ROWS[:1], samples=1, length=2048)


STAND_IN = """
import json, sys
from pathlib import Path
import torch
from safetensors.torch import save_file

command, model, out, blocks, dtype, group, device = sys.argv[1:]
assert command == "awq" and len(json.loads(Path(blocks).read_text())[0]) == 128
weights = {"model.layers.0.mlp.up_proj.qweight": torch.zeros(128, 32, dtype=torch.int32)}
save_file(weights, Path(out) / "model.safetensors", metadata={"format": "pt"})
(Path(out) / "inputs_stats.pth").write_bytes(b"0")
(Path(out) / "tokenizer.json").write_text("written anew")
config = {"dtype": dtype, "rope_parameters": {}, "quantization_config": {"quant_method": "awq", "bits": 4}}
(Path(out) / "config.json").write_text(json.dumps(config))
"""


def test_the_folder_has_the_new_weights_and_the_files_of_the_model(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = tmp_path / "environment"
    (environment / "bin").mkdir(parents=True)
    python = environment / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (environment / ".complete").write_text(lmdeploy_environment.fingerprint())
    inside = tmp_path / "inside.py"
    inside.write_text(STAND_IN)
    monkeypatch.setattr(lmdeploy_environment, "INSIDE", inside)
    (model / TRAINED_PROMPT).write_text('{"prompt": {"form": "question", "system": ""}}')

    target = tmp_path / "new" / "awq"
    report = quantize.quantize_awq(model, target, ROWS, samples=2, length=128, environment=environment, device="cpu")
    assert (report.blocks, report.length) == (2, 128)
    assert report.sizes.disk_after < report.sizes.disk_before == report.sizes.memory_before * 2
    names = {path.name for path in target.iterdir()}
    assert "inputs_stats.pth" not in names and {"README.md", TRAINED_PROMPT, "model.safetensors"} <= names
    assert (target / "tokenizer.json").read_bytes() == (model / "tokenizer.json").read_bytes()
    config = json.loads((target / "config.json").read_text())
    assert config["quantization_config"]["quant_method"] == "awq" and config["rope_theta"] == 1e6
    assert [path.name for path in target.parent.iterdir()] == ["awq"]
    # Keben's own engine does not read it, and says where to go.
    with pytest.raises(ModelError, match="quantized") as caught:
        inspect_folder(target, LlmSettings())
    assert "KEBEN_LLM__URLS" in caught.value.mend


needs_bits = pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="needs pip install '.[quantize]'")


@needs_bits
@pytest.mark.parametrize("bits", [4, 8])
def test_the_memory_in_fewer_bits_is_what_it_takes_when_loaded(model: Path, bits: int) -> None:
    sizes = quantize.bits_sizes(inspect_folder(model, LlmSettings()), bits, 4)
    loaded = load_model(
        model, LlmSettings().model_copy(update={"bits": bits}), torch.device("cpu"), torch.float32
    ).get_memory_footprint()
    assert sizes.memory_after == pytest.approx(loaded, rel=0.02)
    assert sizes.memory_after < sizes.memory_before == sizes.disk_before


@needs_bits
@pytest.mark.slow
def test_bnb_reports_sizes_and_the_exam_before_and_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEBEN_LLM__DEVICE", "cpu")
    tiny = tiny_qwen2(tmp_path / "tiny")
    exam = tmp_path / "exam.jsonl"
    row = {"subject": "os", "question": "银行家算法用来？", "options": ["避免死锁", "压缩文件"], "answer": "A"}
    exam.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    command = ["finetune", "quantize", str(tiny), "--method", "bnb", "--exam", str(exam), "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, (result.output, result.exception)
    found = json.loads(result.stdout)
    assert found["sizes"]["memory_after"] < found["sizes"]["memory_before"]
    assert found["comparison"]["compared"] == 1 and found["result"]["measures"] == ["letter", "written"]
    plain = CliRunner().invoke(app, command[:5])
    assert "4 bits, against " in plain.stdout and "KEBEN_LLM__BITS=4" in plain.stdout
