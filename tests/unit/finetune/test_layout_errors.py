"""What cannot be converted is refused with the folder, file or key at fault, and leaves nothing behind."""

import fcntl
import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_internlm2 import random_weights, tiny_config, tiny_pieces, write_json, write_model, write_tokenizer_model

from core.errors import ConfigError, ModelError
from core.settings import PROJECT
from finetune.architecture import read_architecture
from finetune.folder import new_folder
from finetune.layout import Tally, convert, prove
from finetune.shards import ShardWriter

CONFIG = tiny_config()
WEIGHTS = random_weights(CONFIG)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_model(tmp_path / "internlm2", CONFIG, WEIGHTS, shards=2)


def refused(source: Path, kind: type[ConfigError | ModelError], *words: str) -> None:
    """Converting `source` fails with every word in the message and a mend, and nothing is left."""
    target = source.with_name("llama")
    with pytest.raises(kind) as caught:
        convert(source, target)
    for word in words:
        assert word in caught.value.message
    assert caught.value.mend
    assert not target.exists()
    assert not target.with_name("llama.tmp").exists()


def edit(path: Path, **changes: Any) -> None:
    value = json.loads(path.read_text(encoding="utf-8")) | changes
    write_json(path, {key: entry for key, entry in value.items() if entry is not ...})


def edit_shard(folder: Path, change: Callable[[dict[str, torch.Tensor]], None], number: int = 1) -> str:
    """Rewrite one shard, leaving the index as it is; returns its name."""
    path = folder / f"model-0000{number}-of-00002.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path)
    return path.name


def test_not_a_model_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", ConfigError, "empty", "not a model folder", "config.json")
    refused(tmp_path / "nowhere", ConfigError, "nowhere", "not a model folder")


def test_a_folder_in_the_llama_layout_is_named_so(source: Path) -> None:
    convert(source, source.with_name("done"))
    refused(source.with_name("done"), ConfigError, "done", "Llama layout already")


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"model_type": "baichuan"}, ["config.json", "unknown architecture", "baichuan"]),
        ({"model_type": ...}, ["unknown architecture", "None"]),
        ({"architectures": ["InternLM2ForRewardModel"]}, ["unknown architecture", "InternLM2ForRewardModel"]),
        ({"quantization_config": {"bits": 4}}, ["quantized"]),
        ({"hidden_size": ...}, ["hidden_size is None"]),
        ({"num_hidden_layers": "2"}, ["num_hidden_layers is '2'"]),
        ({"max_position_embeddings": 0}, ["max_position_embeddings is 0"]),
        ({"num_attention_heads": 6, "num_key_value_heads": 2}, ["hidden_size 64", "num_attention_heads 6"]),
        ({"num_key_value_heads": 3}, ["num_attention_heads 4", "num_key_value_heads 3"]),
        ({"rope_scaling": {"type": "yarn", "factor": 2.0}}, ["rope_scaling", "yarn"]),
        ({"rope_scaling": "dynamic"}, ["rope_scaling is 'dynamic'"]),
        ({"rope_theta": "big"}, ["rope_theta is 'big'"]),
        ({"num_key_value_heads": 1}, ["wqkv.weight has the shape (128, 64), config.json asks for (96, 64)"]),
        ({"intermediate_size": 64}, ["safetensors", "feed_forward.w", "(64, 64)"]),
        ({"vocab_size": 200}, ["tokenizer.model", "vocab_size 200"]),
        ({"num_hidden_layers": 1}, ["internlm2", "unexpected weight model.layers.1.attention.wo.weight"]),
        ({"num_hidden_layers": 3}, ["internlm2", "lacks 7 of 24 weights", "model.layers.2.attention.wo.weight"]),
        ({"bias": ...}, ["lacks 4 of 21 weights", "attention.wo.bias"]),
    ],
)
def test_config(source: Path, changes: dict[str, Any], words: list[str]) -> None:
    edit(source / "config.json", **changes)
    refused(source, ModelError, *words)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "model.safetensors.index.json"])
@pytest.mark.parametrize("text, words", [("{'a': 1}", "cannot be read"), ("[1]", "no JSON object")])
def test_broken_json(source: Path, name: str, text: str, words: str) -> None:
    (source / name).write_text(text, encoding="utf-8")
    refused(source, ModelError, name, words)


@pytest.mark.parametrize("name", ["model-00002-of-00002.safetensors", "tokenizer.model"])
def test_a_file_that_is_missing_damaged_or_not_fetched(source: Path, name: str) -> None:
    whole = (source / name).read_bytes()
    (source / name).write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    refused(source, ModelError, name, "Git LFS")
    (source / name).write_bytes(whole[: len(whole) // 2])
    refused(source, ModelError, name, "cannot be read")
    (source / name).unlink()
    refused(source, ModelError, name, "is missing")


def test_a_chat_template_that_is_no_text(source: Path) -> None:
    (source / "chat_template.jinja").write_bytes(b"\xff\xfe")
    refused(source, ModelError, "chat_template.jinja", "cannot be read")


def test_no_weights(source: Path) -> None:
    (source / "model.safetensors.index.json").unlink()
    refused(source, ModelError, "internlm2 has no model.safetensors")
    write_json(source / "model.safetensors.index.json", {"weight_map": {}})
    refused(source, ModelError, "has no weight_map")


def test_an_index_cannot_point_out_of_the_folder(source: Path) -> None:
    (source.parent / "other.safetensors").write_bytes(b"")
    edit(source / "model.safetensors.index.json", weight_map={"output.weight": "../other.safetensors"})
    refused(source, ModelError, "'../other.safetensors'")


def test_files_that_disagree_with_their_index(source: Path) -> None:
    name = edit_shard(source, lambda weights: weights.update({"v_head.weight": torch.ones(2)}))
    refused(source, ModelError, name, "unexpected weight v_head.weight")
    lost: list[str] = []

    def lose(weights: dict[str, torch.Tensor]) -> None:
        del weights["v_head.weight"]
        lost.append(weights.popitem()[0])

    edit_shard(source, lose)
    refused(source, ModelError, "internlm2 lacks 1 of 17 weights", *lost)


def test_a_weight_that_two_files_have(source: Path) -> None:
    first = load_file(source / "model-00001-of-00002.safetensors")
    twice = next(iter(first))
    name = edit_shard(source, lambda weights: weights.update({twice: first[twice]}), 2)
    refused(source, ModelError, name, twice, "another file")


def test_unexpected_weights_of_a_single_file(tmp_path: Path) -> None:
    renamed = {name.replace("attention.wo", "self_attn.o_proj"): weight for name, weight in WEIGHTS.items()}
    source = write_model(tmp_path / "a", CONFIG, renamed)
    refused(source, ModelError, "model.safetensors", "unexpected weight", "self_attn.o_proj")


class _Hostile:
    def __reduce__(self) -> Any:
        return os.system, ("touch hostile-code-ran",)


@pytest.mark.parametrize(
    "content", [{"output.weight": _Hostile()}, {"a": {"b": torch.ones(1)}}, {1: torch.ones(1)}, [1, 2]]
)
def test_pickled_files_that_hold_other_things_than_weights(
    tmp_path: Path, content: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = write_model(tmp_path / "a", CONFIG, WEIGHTS, pickled=True)
    torch.save(content, source / "pytorch_model.bin")
    refused(source, ModelError, "pytorch_model.bin")
    (source / "pytorch_model.bin").write_bytes(pickle.dumps(content, protocol=2))
    refused(source, ModelError, "pytorch_model.bin")
    assert not (tmp_path / "hostile-code-ran").exists()


def test_the_target_must_be_new(source: Path, tmp_path: Path) -> None:
    (tmp_path / "llama").mkdir()
    with pytest.raises(ConfigError, match="llama exists") as caught:
        convert(source, tmp_path / "llama")
    assert "delete" in caught.value.mend
    assert list((tmp_path / "llama").iterdir()) == []


def test_a_folder_of_someone_else_is_not_emptied(source: Path, tmp_path: Path) -> None:
    (tmp_path / "llama.tmp").mkdir()
    (tmp_path / "llama.tmp" / "thesis.docx").write_bytes(b"years of work")
    with pytest.raises(ConfigError, match=r"llama\.tmp holds thesis\.docx"):
        convert(source, tmp_path / "llama")
    assert (tmp_path / "llama.tmp" / "thesis.docx").read_bytes() == b"years of work"


def test_two_conversions_to_one_folder(source: Path, tmp_path: Path) -> None:
    (tmp_path / "llama.tmp").mkdir()
    other = os.open(tmp_path / "llama.tmp", os.O_RDONLY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match="another process is writing"):
            convert(source, tmp_path / "llama")
    finally:
        os.close(other)
    convert(source, tmp_path / "llama")


def test_a_target_that_cannot_be_written(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="cannot be written"):
        convert(source, tmp_path / "file" / "llama")


def test_a_disk_without_room(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the model needs 1000000000\.0 GB"), new_folder(tmp_path / "llama", 10**18):
        pytest.fail("the room was not looked at")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_leaves_nothing(source: Path, tmp_path: Path) -> None:
    def interrupt(file: str, done: int, total: int) -> None:
        if done == total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(source, tmp_path / "llama", progress=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["internlm2"]


def test_a_run_that_was_killed_is_cleaned_up_by_the_next(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "llama"
    program = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom finetune.layout import convert\n"
        "def show(file, done, total):\n    if done == 12: os.kill(os.getpid(), signal.SIGKILL)\n"
        "convert(Path(sys.argv[1]), Path(sys.argv[2]), shard_bytes=20_000, progress=show)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(source), str(target)], cwd=PROJECT, check=False)
    assert done.returncode == -signal.SIGKILL
    left = {path.name for path in target.with_name("llama.tmp").iterdir()}
    assert {"part-00001.safetensors", "tokenizer.json"} <= left
    assert not target.exists()
    report = convert(source, target)
    assert {path.name for path in target.iterdir()} == {
        *report.files,
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert not target.with_name("llama.tmp").exists()


def test_proof_finds_what_is_wrong_with_the_written_files(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "llama"
    report = convert(source, target)
    weights = load_file(target / "model.safetensors")
    sizes = read_architecture(CONFIG, source / "config.json")
    fused = "model.layers.1.attention.wqkv.weight"

    def proved(changed: dict[str, torch.Tensor], fused: dict[str, str] | None = None, lost: int = 0) -> None:
        folder = tmp_path / "changed"
        folder.mkdir(exist_ok=True)
        writer = ShardWriter(folder, 10**9)
        for name, weight in changed.items():
            writer.add(name, weight)
        prove(folder, writer.close(), sizes, Tally(parameters=report.parameters - lost, fused=fused or {}))

    proved(weights)
    keys = "model.layers.1.self_attn.k_proj.weight"
    with pytest.raises(ModelError, match="not published: lm_head"):
        proved({name: weight for name, weight in weights.items() if name != "lm_head.weight"})
    with pytest.raises(ModelError, match=f"not published: {keys}"):
        proved(weights | {keys: weights[keys].T.contiguous()})
    with pytest.raises(ModelError, match="parameters for"):
        proved(weights, lost=1)
    with pytest.raises(ModelError, match=fused):
        proved(weights, {fused: "another digest"})


def test_a_damaged_vocabulary(source: Path) -> None:
    pieces = tiny_pieces()
    path = source / "tokenizer.model"
    for change, words in (
        (lambda: write_tokenizer_model(path, pieces, kind=1), "model_type is not BPE"),
        (lambda: write_tokenizer_model(path, pieces, squeeze=True), "remove_extra_whitespaces"),
        (lambda: write_tokenizer_model(path, []), "no pieces"),
        (lambda: write_tokenizer_model(path, [*pieces[:400], pieces[399]]), "a piece twice"),
        (lambda: write_tokenizer_model(path, pieces[1:]), "no unknown piece"),
        (lambda: path.write_bytes(b"not a protocol buffer"), "cannot be read"),
        (lambda: path.write_bytes(b"\xff" * 100), "cannot be read"),
        (lambda: path.write_bytes(b""), "no pieces"),
    ):
        change()
        refused(source, ModelError, "tokenizer.model", words)


@pytest.mark.parametrize(
    "added, words",
    [
        ({"5000": {"content": "<extra>"}}, ["tokenizer_config.json", "<extra>", "5000"]),
        ({"one": {"content": "<extra>"}}, ["tokenizer_config.json", "added_tokens_decoder"]),
        ({"1": {}}, ["added_tokens_decoder"]),
        (["<extra>"], ["added_tokens_decoder"]),
    ],
)
def test_added_tokens_that_do_not_fit(source: Path, added: Any, words: list[str]) -> None:
    edit(source / "tokenizer_config.json", added_tokens_decoder=added)
    refused(source, ModelError, *words)


def test_a_vocabulary_without_chat_tokens(source: Path) -> None:
    write_tokenizer_model(source / "tokenizer.model", tiny_pieces()[:-6])
    edit(source / "tokenizer_config.json", added_tokens_decoder={})
    refused(source, ModelError, "tokenizer.model", "<|im_end|>")
