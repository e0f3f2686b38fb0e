"""`keben finetune quantize`: what it refuses at once, texts for the calibration, and bnb on a tiny model.

What LMDeploy does is stood in for: its environment takes 8 GB and a GPU.
"""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_chat_models import tiny_internlm2, tiny_qwen2, write_internlm2
from typer.testing import CliRunner

from cli.main import app
from core.errors import ConfigError, DatasetError, ModelError, TrainingError
from core.settings import LlmSettings
from finetune import quantize
from finetune.conversations import Conversation, Exchange, write_conversations
from finetune.dequantize import dequantized
from finetune.layout import convert
from finetune.publish import plan
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


@pytest.fixture
def exam(tmp_path: Path) -> Path:
    path = tmp_path / "exam.jsonl"
    row = {"subject": "os", "question": "银行家算法用来？", "options": ["避免死锁", "压缩文件"], "answer": "A"}
    path.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


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
    monkeypatch.setattr(lmdeploy_environment, "require_gpu", lambda _: None)
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


# Rounds each group to its nearest numbers, and packs them as AutoAWQ does.
STAND_IN = """
import json, sys
from pathlib import Path
import torch
from safetensors.torch import load_file, save_file

def pack(numbers):
    packed = torch.zeros(numbers.shape[0], numbers.shape[1] // 8, dtype=torch.int32)
    for place, column in enumerate([0, 2, 4, 6, 1, 3, 5, 7]):
        packed |= numbers.to(torch.int32)[:, column::8] << (4 * place)
    return packed

if sys.argv[1] == "machine":
    print('{"gpus": 1}')
    sys.exit()
command, model, out, blocks, dtype, group, device = sys.argv[1:]
assert command == "awq" and len({len(block) for block in json.loads(Path(blocks).read_text())}) == 1
weights = {}
for name, weight in load_file(Path(model) / "model.safetensors").items():
    if not name.endswith("_proj.weight"):
        weights[name] = weight.half()
        continue
    parts = weight.reshape(weight.shape[0], -1, int(group))
    low, high = parts.amin(-1), parts.amax(-1)
    scales = ((high - low) / 15).half().float()
    zeros = (-low / scales).round().clamp(0, 15)
    numbers = (parts / scales[..., None] + zeros[..., None]).round().clamp(0, 15).reshape(weight.shape)
    layer = name.removesuffix(".weight")
    weights[f"{layer}.qweight"], weights[f"{layer}.qzeros"] = pack(numbers.t()), pack(zeros.t())
    weights[f"{layer}.scales"] = scales.t().contiguous().half()
save_file(weights, Path(out) / "model.safetensors", metadata={"format": "pt"})
(Path(out) / "inputs_stats.pth").write_bytes(b"0")
(Path(out) / "tokenizer.json").write_text("written anew")
method = {"quant_method": "awq", "bits": 4, "group_size": int(group), "version": "gemm", "zero_point": True}
(Path(out) / "config.json").write_text(json.dumps({"dtype": dtype, "quantization_config": method}))
"""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One with a GPU and LMDeploy, so it says."""
    folder = tmp_path / "environment"
    (folder / "bin").mkdir(parents=True)
    python = folder / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (folder / ".complete").write_text(lmdeploy_environment.fingerprint())
    inside = tmp_path / "inside.py"
    inside.write_text(STAND_IN)
    monkeypatch.setattr(lmdeploy_environment, "INSIDE", inside)
    monkeypatch.setattr(lmdeploy_environment, "_DRIVERS", (tmp_path,))
    return folder


def test_the_folder_has_the_new_weights_and_the_files_of_the_model(
    model: Path, tmp_path: Path, environment: Path
) -> None:
    (model / TRAINED_PROMPT).write_text('{"prompt": {"form": "question", "system": ""}}')
    target = tmp_path / "new" / "awq"
    report = quantize.quantize_awq(model, target, ROWS, samples=2, length=128, environment=environment)
    assert (report.blocks, report.length) == (2, 128)
    assert report.sizes.disk_after < report.sizes.disk_before == report.sizes.memory_before * 2
    names = {path.name for path in target.iterdir()}
    assert "inputs_stats.pth" not in names and {"README.md", TRAINED_PROMPT, "model.safetensors"} <= names
    assert (target / "tokenizer.json").read_bytes() == (model / "tokenizer.json").read_bytes()
    config = json.loads((target / "config.json").read_text())
    assert config["quantization_config"]["quant_method"] == "awq" and config["rope_theta"] == 1e6
    assert [path.name for path in target.parent.iterdir()] == ["awq"]
    assert plan(target, "school/awq", ungated="a test").faults == ()
    # Keben's own engine does not read it, and says where to go.
    with pytest.raises(ModelError, match="quantized") as caught:
        inspect_folder(target, LlmSettings())
    assert "KEBEN_LLM__URLS" in caught.value.mend


def test_the_weights_of_awq_become_ordinary_ones_again(model: Path, tmp_path: Path, environment: Path) -> None:
    target = tmp_path / "awq"
    quantize.quantize_awq(model, target, ROWS, samples=2, length=128, environment=environment)
    before = load_file(model / "model.safetensors")
    with dequantized(target, torch.float32) as folder:
        after = load_file(folder / "model.safetensors")
        assert inspect_folder(folder, LlmSettings()).parameters == inspect_folder(model, LlmSettings()).parameters
    assert not folder.exists() and after.keys() == before.keys()
    for name, weight in before.items():
        parts = weight.reshape(weight.shape[0], -1, 128) if name.endswith("_proj.weight") else weight[..., None]
        # Half a step of the fifteen between the smallest and the largest of a group, and the zero is rounded too.
        step = (parts.amax(-1) - parts.amin(-1)) / 15
        off = (after[name] - weight).abs().reshape(parts.shape).amax(-1)
        assert (off <= step * 1.01 + 1e-3 * weight.abs().max()).all(), name
    with pytest.raises(ModelError, match="not of AWQ"), dequantized(model):
        pass


@pytest.mark.slow
def test_awq_by_its_command_with_an_exam(
    model: Path, tmp_path: Path, environment: Path, exam: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lmdeploy_environment, "ENVIRONMENT", environment)
    monkeypatch.setenv("KEBEN_LLM__DEVICE", "cpu")
    rows = tmp_path / "train.jsonl"
    write_conversations(rows, ROWS)
    command = ["finetune", "quantize", str(model), "--out", str(tmp_path / "awq"), "--calibration", str(rows)]
    result = CliRunner().invoke(app, [*command, "--length", "64", "--exam", str(exam), "--json"])
    assert result.exit_code == 0, (result.output, result.exception)
    found = json.loads(result.stdout)
    assert found["sizes"]["disk_after"] < found["sizes"]["disk_before"] and found["length"] == 64
    assert found["comparison"]["compared"] == 1


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
def test_bnb_reports_sizes_and_the_exam_before_and_after(
    tmp_path: Path, exam: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEBEN_LLM__DEVICE", "cpu")
    tiny = tiny_qwen2(tmp_path / "tiny")
    command = ["finetune", "quantize", str(tiny), "--method", "bnb", "--exam", str(exam), "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, (result.output, result.exception)
    found = json.loads(result.stdout)
    assert found["sizes"]["memory_after"] < found["sizes"]["memory_before"]
    assert found["comparison"]["compared"] == 1 and found["result"]["measures"] == ["letter", "written"]
    plain = CliRunner().invoke(app, command[:5])
    assert "4 bits, against " in plain.stdout and "KEBEN_LLM__BITS=4" in plain.stdout
