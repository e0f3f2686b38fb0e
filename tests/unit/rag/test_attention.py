"""Attention request by request gives what the model gives for each request alone."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_chat_models import tiny_internlm3, tiny_llama3, tiny_qwen2, tiny_qwen3
from transformers import AutoModelForCausalLM, GenerationConfig, LlamaConfig, LlamaForCausalLM
from transformers.generation.configuration_utils import ContinuousBatchingConfig

from rag.engine.attention import use_ragged_attention

NEW = 24


def llama(kv_heads: int, dtype: torch.dtype = torch.float64) -> Any:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=400,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=kv_heads,
        max_position_embeddings=1024,
    )
    return LlamaForCausalLM(config).to(dtype).eval()


def prompts(vocabulary: int = 400) -> list[list[int]]:
    """Of many lengths around those of pages and steps; six begin alike, for more than a page."""
    chance = random.Random(1)
    alone = [[chance.randrange(3, vocabulary) for _ in range(length)] for length in (1, 2, 15, 16, 17, 33, 64, 150)]
    start = [chance.randrange(3, vocabulary) for _ in range(100)]
    return alone + [start + [number + 5] * number for number in range(6)]


def one_by_one(model: Any, asked: list[list[int]]) -> list[list[int]]:
    config = GenerationConfig(do_sample=False, max_new_tokens=NEW, pad_token_id=0)
    model.generation_config.eos_token_id = model.config.eos_token_id = None
    answers = []
    for prompt in asked:
        ids = torch.tensor([prompt])
        written = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)
        answers.append(written[0, len(prompt) :].tolist())
    return answers


def together(model: Any, asked: list[list[int]], page: int = 16, step: int = 48, blocks: int = 200) -> list[list[int]]:
    config = GenerationConfig(do_sample=False, max_new_tokens=NEW, eos_token_id=-1, pad_token_id=0)
    batching = ContinuousBatchingConfig(num_blocks=blocks, page_size=page, max_batch_tokens=step, use_cuda_graph=False)
    outputs = model.generate_batch(asked, config, batching)
    assert not [output.error for output in outputs.values() if output.error]
    return [output.generated_tokens for output in outputs.values()]


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize(("page", "step"), [(16, 40), (32, 48), (64, 256)])
def test_answers_written_together_are_those_written_alone(kv_heads: int, page: int, step: int) -> None:
    model = llama(kv_heads)
    alone = one_by_one(model, prompts())
    assert use_ragged_attention(model)
    assert together(model, prompts(), page, step) == alone


def test_a_cache_that_is_too_small_for_all_at_once_changes_nothing() -> None:
    model = llama(2)
    alone = one_by_one(model, prompts())
    use_ragged_attention(model)
    assert together(model, prompts(), page=16, blocks=30) == alone


def test_in_bfloat16_the_logits_are_those_of_the_model_but_for_rounding() -> None:
    model = llama(2, torch.bfloat16)
    alone = one_by_one(model, prompts())
    use_ragged_attention(model)
    written = together(model, prompts())
    same = sum(
        one == other
        for mine, theirs in zip(written, alone, strict=True)
        for one, other in zip(mine, theirs, strict=True)
    )
    assert same > 0.6 * NEW * len(alone)
    assert [mine[0] for mine in written] == [theirs[0] for theirs in alone]


@pytest.mark.parametrize("family", [tiny_internlm3, tiny_qwen2, tiny_qwen3, tiny_llama3])
def test_every_family_writes_together_what_it_writes_alone(family: Any, tmp_path: Path) -> None:
    loader: Any = AutoModelForCausalLM
    model = loader.from_pretrained(family(tmp_path / "model"), dtype=torch.float64).eval()
    asked = prompts(min(400, model.config.vocab_size))
    alone = one_by_one(model, asked)
    assert use_ragged_attention(model)
    assert together(model, asked) == alone


def test_sliding_windows_are_left_as_they_are() -> None:
    model = llama(2)
    model.config.layer_types = ["sliding_attention", "full_attention", "full_attention"]
    assert not use_ragged_attention(model)
    assert model.config._attn_implementation == "sdpa"
