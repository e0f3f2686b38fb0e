"""The converted folder is the same network: its logits are those of InternLM2's own formulation."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from tiny_internlm2 import random_weights, reference_logits, tiny_config, tiny_pieces, write_model
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from core.errors import ModelError
from core.settings import LlmSettings
from finetune.layout import convert, join_wqkv, split_wqkv
from rag.llm import InternLM2Chat

TOLERANCE = 1e-4


def converted(tmp_path: Path, config: dict[str, Any], seed: int = 0, **options: Any) -> tuple[Path, dict[str, Any]]:
    weights = random_weights(config, seed)
    convert(write_model(tmp_path / "internlm2", config, weights, **options), tmp_path / "llama")
    return tmp_path / "llama", weights


def difference(folder: Path, config: dict[str, Any], weights: dict[str, Any], count: int, seed: int = 0) -> float:
    """Largest difference of a logit between the reference and the folder as transformers reads it, in float32."""
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.eval()
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, config["vocab_size"], (count,), generator=generator).tolist()
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
    return float((logits - reference_logits(config, weights, ids)).abs().max())


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kv_heads", [None, 4, 2, 1])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_logits_are_the_same(tmp_path: Path, bias: bool, kv_heads: int | None, seed: int) -> None:
    config = tiny_config(bias=bias, num_key_value_heads=kv_heads)
    folder, weights = converted(tmp_path, config, seed)
    assert difference(folder, config, weights, 48, seed) < TOLERANCE


@pytest.mark.parametrize("heads, kv_heads, layers", [(8, 2, 1), (8, 8, 3), (16, 4, 2)])
def test_logits_are_the_same_for_other_sizes(tmp_path: Path, heads: int, kv_heads: int, layers: int) -> None:
    config = tiny_config(num_attention_heads=heads, num_key_value_heads=kv_heads, num_hidden_layers=layers, bias=True)
    folder, weights = converted(tmp_path, config)
    assert difference(folder, config, weights, 40) < TOLERANCE


@pytest.mark.parametrize(
    "scaling",
    [None, {"type": "dynamic", "factor": 2.0}, {"type": "dynamic", "factor": 3}, {"type": "linear", "factor": 4.0}],
)
@pytest.mark.parametrize("count", [16, 100])
def test_logits_are_the_same_past_the_trained_length(tmp_path: Path, scaling: Any, count: int) -> None:
    config = tiny_config(rope_scaling=scaling, max_position_embeddings=32, rope_theta=10000)
    folder, weights = converted(tmp_path, config)
    assert difference(folder, config, weights, count) < TOLERANCE


@pytest.mark.parametrize("with_output", [False, True])
def test_tied_embeddings(tmp_path: Path, with_output: bool) -> None:
    config = tiny_config(tie_word_embeddings=True)
    weights = random_weights(config)
    stored = weights | ({"output.weight": weights["model.tok_embeddings.weight"].clone()} if with_output else {})
    report = convert(write_model(tmp_path / "internlm2", config, stored), tmp_path / "llama")
    assert "lm_head.weight" not in load_file(tmp_path / "llama" / "model.safetensors")
    assert report.left_out == (("output.weight",) if with_output else ())
    assert report.parameters == sum(weight.numel() for weight in weights.values())
    assert difference(tmp_path / "llama", config, weights, 20) < TOLERANCE


@pytest.mark.parametrize("pickled", [False, True])
@pytest.mark.parametrize("shards", [1, 3])
def test_many_files_give_the_same_weights_as_one(tmp_path: Path, pickled: bool, shards: int) -> None:
    config = tiny_config(bias=True)
    weights = random_weights(config)
    source = write_model(tmp_path / "internlm2", config, weights, shards, pickled=pickled)
    one = convert(source, tmp_path / "one")
    many = convert(source, tmp_path / "many", shard_bytes=60_000)
    assert one.files == ("model.safetensors",)
    assert len(many.files) > 3
    assert one.parameters == many.parameters == sum(weight.numel() for weight in weights.values())
    expected = load_file(tmp_path / "one" / "model.safetensors")
    index = json.loads((tmp_path / "many" / "model.safetensors.index.json").read_text(encoding="utf-8"))
    assert index["weight_map"].keys() == expected.keys()
    assert index["metadata"]["total_size"] == sum(weight.nbytes for weight in expected.values())
    for name, file in index["weight_map"].items():
        assert torch.equal(load_file(tmp_path / "many" / file)[name], expected[name])
    embedding = expected["model.embed_tokens.weight"].nbytes
    for file in many.files:
        assert sum(weight.nbytes for weight in load_file(tmp_path / "many" / file).values()) <= max(60_000, embedding)
    assert difference(tmp_path / "many", config, weights, 30) < TOLERANCE


def test_tensors_of_a_pickled_file_may_share_one_storage(tmp_path: Path) -> None:
    config = tiny_config()
    weights = random_weights(config)
    gates = [name for name in weights if name.endswith(("w1.weight", "w3.weight"))]
    shared = torch.cat([weights[name] for name in gates])
    parts = dict(zip(gates, shared.split(config["intermediate_size"]), strict=True))
    wide = torch.cat([weights["model.norm.weight"][:, None]] * 2, dim=1)
    source = write_model(tmp_path / "a", config, weights | parts | {"model.norm.weight": wide[:, 0]}, pickled=True)
    convert(source, tmp_path / "b")
    assert difference(tmp_path / "b", config, weights, 20) < TOLERANCE


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_dtype_is_kept(tmp_path: Path, dtype: str) -> None:
    config = tiny_config(torch_dtype=dtype, bias=True)
    folder, weights = converted(tmp_path, config)
    stored = load_file(folder / "model.safetensors")
    assert {str(weight.dtype) for weight in stored.values()} == {f"torch.{dtype}"}
    assert str(LlamaForCausalLM.from_pretrained(folder, dtype="auto").dtype) == f"torch.{dtype}"
    assert difference(folder, config, weights, 30) < TOLERANCE
    bare = {key: value for key, value in config.items() if key != "torch_dtype"}
    convert(write_model(tmp_path / "bare", bare, weights), tmp_path / "bare-llama")
    assert json.loads((tmp_path / "bare-llama" / "config.json").read_text())["torch_dtype"] == dtype


def test_buffers_of_old_releases_are_left_out(tmp_path: Path) -> None:
    config = tiny_config()
    angles = {"model.layers.1.attention.rotary_emb.inv_freq": torch.ones(8)}
    weights = random_weights(config)
    report = convert(write_model(tmp_path / "a", config, weights | angles), tmp_path / "b")
    assert report.left_out == tuple(angles)
    assert report.to_json()["tensors"] == 3 + 2 * 9


def test_config_is_read_by_transformers_4_and_5(tmp_path: Path) -> None:
    folder, _ = converted(tmp_path, tiny_config(bias=True))
    written = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert written["rope_theta"] == 1000000
    assert written["rope_scaling"] == {"type": "dynamic", "rope_type": "dynamic", "factor": 2.0}
    assert "auto_map" not in written
    config = LlamaConfig.from_pretrained(folder)
    assert config.rope_parameters["rope_theta"] == 1000000
    assert config.rope_parameters["rope_type"] == "dynamic"
    assert config.rope_parameters["factor"] == 2.0
    assert (config.attention_bias, config.mlp_bias, config.num_key_value_heads) == (True, False, 2)
    assert (config.rms_norm_eps, config.max_position_embeddings) == (1e-05, 256)
    model = LlamaForCausalLM.from_pretrained(folder)
    names = [text for text, *_ in tiny_pieces()]
    ends = [names.index("</s>"), names.index("[UNUSED_TOKEN_145]")]
    assert model.generation_config.eos_token_id == ends
    assert model.generation_config.pad_token_id == 2


def test_rope_of_a_config_saved_by_transformers_5(tmp_path: Path) -> None:
    config = tiny_config(rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 5e5})
    del config["rope_theta"], config["rope_scaling"]
    folder, _ = converted(tmp_path, config)
    assert LlamaConfig.from_pretrained(folder).rope_parameters["rope_theta"] == 5e5
    assert LlamaConfig.from_pretrained(folder).rope_parameters["rope_type"] == "dynamic"


def test_the_service_loads_and_generates(tmp_path: Path) -> None:
    folder, _ = converted(tmp_path, tiny_config(bias=True))
    chat = InternLM2Chat(folder=folder, settings=LlmSettings(max_new_tokens=8))
    answer = chat.invoke([("system", "你是助教。"), ("human", "什么是死锁？")])
    prompt = AutoTokenizer.from_pretrained(folder).apply_chat_template(
        [{"role": "system", "content": "你是助教。"}, {"role": "user", "content": "什么是死锁？"}],
        add_generation_prompt=True,
    )["input_ids"]
    assert answer.usage_metadata["input_tokens"] == len(prompt)
    assert answer.usage_metadata["output_tokens"] > 0


def test_generation_ends_at_the_end_of_the_turn(tmp_path: Path) -> None:
    config = tiny_config(rope_scaling=None)
    weights = random_weights(config)
    end = [text for text, *_ in tiny_pieces()].index("[UNUSED_TOKEN_145]")
    model = LlamaForCausalLM.from_pretrained(converted(tmp_path, config)[0])
    prompt = torch.tensor([[1, 300, 301]])
    with torch.no_grad():
        state = model.model(prompt).last_hidden_state[0, -1]
    weights["output.weight"][end] = state * 10
    convert(write_model(tmp_path / "ending", config, weights), tmp_path / "out")
    done = LlamaForCausalLM.from_pretrained(tmp_path / "out").generate(
        prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=20, do_sample=False
    )
    assert done[0].tolist() == [1, 300, 301, end]


@given(
    kv_heads=st.integers(1, 6),
    group=st.integers(1, 6),
    size=st.integers(1, 5),
    width=st.one_of(st.none(), st.integers(1, 4)),
)
def test_split_takes_every_row_to_its_head(kv_heads: int, group: int, size: int, width: int | None) -> None:
    heads, rows = kv_heads * group, kv_heads * (group + 2) * size
    fused = torch.arange(rows * (width or 1)).reshape(rows, *([width] if width else []))
    queries, keys, values = split_wqkv(fused, heads, kv_heads)
    for head in range(heads):
        at = ((head // group) * (group + 2) + head % group) * size
        assert torch.equal(queries[head * size : (head + 1) * size], fused[at : at + size])
    for head in range(kv_heads):
        at = (head * (group + 2) + group) * size
        assert torch.equal(keys[head * size : (head + 1) * size], fused[at : at + size])
        assert torch.equal(values[head * size : (head + 1) * size], fused[at + size : at + 2 * size])
    assert torch.equal(join_wqkv(queries, keys, values, heads, kv_heads), fused)


@pytest.mark.parametrize("rows, heads, kv_heads", [(30, 4, 2), (32, 3, 2)])
def test_split_refuses_what_does_not_divide(rows: int, heads: int, kv_heads: int) -> None:
    with pytest.raises(ModelError, match=rf"\({rows}, 5\) is not divisible into {heads} query"):
        split_wqkv(torch.zeros(rows, 5), heads, kv_heads)
