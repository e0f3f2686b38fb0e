"""Likelihoods and losses of a tiny model, against the definition, computed one sequence at a time."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from tiny_chat_models import tiny_internlm2, tiny_llama3, tiny_qwen2

from core.errors import ConfigError, ModelError
from core.settings import LlmSettings
from evaluate.exam.scorer import Scorer
from evaluate.loss import LossExchange, mean_loss, read_loss_set

SETTINGS = LlmSettings(device="cpu", dtype="float32")


@pytest.fixture(scope="module", params=[tiny_internlm2, tiny_llama3, tiny_qwen2])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = request.param(tmp_path_factory.mktemp("model") / "tiny")
    return made


@pytest.fixture(scope="module")
def scorer(folder: Path) -> Scorer:
    return Scorer(folder, SETTINGS)


def defined(scorer: Scorer, prompt: tuple[int, ...], continuation: tuple[int, ...]) -> float:
    """By the chain rule, from the logits of the whole model."""
    with torch.inference_mode():
        logits: Any = scorer._model(torch.tensor([[*prompt, *continuation]])).logits[0].double()
    table = torch.log_softmax(logits, dim=-1)
    return sum(float(table[len(prompt) - 1 + at, token]) for at, token in enumerate(continuation))


def test_likelihoods_are_those_of_the_definition_whatever_else_is_in_the_batch(scorer: Scorer) -> None:
    prompts = [scorer.prompt([HumanMessage(text)]) for text in ("什么是死锁？", "What is a stack? " * 30, "栈")]
    pairs = [
        scorer.split(prompt, said) for prompt in prompts for said in ("A", "B", "后进先出的线性表", "a list of items")
    ]
    found = scorer.log_likelihoods(pairs)
    assert found == pytest.approx([defined(scorer, *pair) for pair in pairs], abs=1e-3)
    assert scorer.log_likelihoods(pairs) == found
    assert scorer.log_likelihoods([pairs[5]]) == pytest.approx([found[5]], abs=1e-3)


def test_letters_share_one_pass(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[int] = []
    whole = scorer._hidden
    monkeypatch.setattr(scorer, "_hidden", lambda batch: passes.append(len(batch)) or whole(batch))
    prompt = scorer.prompt([SystemMessage("s"), HumanMessage("q"), AIMessage("B"), HumanMessage("r")])
    scorer.log_likelihoods([scorer.split(prompt, letter) for letter in "ABCD"])
    assert passes == [1]


def test_prompt_and_continuation_are_the_tokens_of_both(scorer: Scorer) -> None:
    prompt = scorer.prompt([HumanMessage("q")])
    before, told = scorer.split(prompt, "栈 is a stack")
    assert before + told == tuple(scorer._ids(prompt + "栈 is a stack"))
    assert scorer._tokenizer.decode(told).strip() == "栈 is a stack"


def test_the_loss_is_the_mean_over_the_tokens_of_the_outputs(folder: Path, scorer: Scorer) -> None:
    talks = [
        [
            LossExchange(input="什么是栈？", output="后进先出", system="短"),
            LossExchange(input="队列呢？", output="先进先出"),
        ],
        [LossExchange(output="running text of a book")],
    ]
    result = mean_loss(folder, talks, SETTINGS)
    first, second = talks[0]
    asked = [SystemMessage("短"), HumanMessage(first.input)]
    pairs = [
        scorer.split(scorer.prompt(asked), first.output),
        scorer.split(scorer.prompt([*asked, AIMessage(first.output), HumanMessage(second.input)]), second.output),
    ]
    text = scorer.beginning() + scorer.plain("running text of a book")
    pairs.append((text[:1], text[1:]))
    total, tokens = sum(defined(scorer, *pair) for pair in pairs), sum(len(told) for _, told in pairs)
    assert result.tokens == tokens
    assert result.loss.mean == pytest.approx(-total / tokens, abs=1e-4)
    assert result.perplexity == pytest.approx(math.exp(result.loss.mean))
    assert result == mean_loss(folder, talks, SETTINGS)
    # Random weights know nothing: near the logarithm of the vocabulary, or above.
    assert result.loss.mean > 5


def test_a_long_text_is_foretold_in_pieces(folder: Path, scorer: Scorer) -> None:
    short = LlmSettings(device="cpu", dtype="float32", context_tokens=256)
    words = "栈是后进先出的线性表。" * 100
    result = mean_loss(folder, [[LossExchange(output=words)]], short)
    assert result.tokens == len(scorer.plain(words)) - (not scorer.beginning())


def test_a_folder_that_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nowhere"):
        mean_loss(tmp_path / "nowhere", [[LossExchange(output="x")]])


def test_rows_of_conversations(tmp_path: Path) -> None:
    path = tmp_path / "talks.jsonl"
    rows = [{"conversation": [{"system": "", "input": "q", "output": "a"}], "kind": "question"}]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (talk,) = read_loss_set(path)
    assert (talk[0].input, talk[0].output) == ("q", "a")
    path.write_text('{"conversation": []}', encoding="utf-8")
    with pytest.raises(ConfigError, match="line 1"):
        read_loss_set(path)
    path.write_text('{"conversation": [{"input": "q"}]}', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"line 1.*output"):
        read_loss_set(path)
    path.write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match="no conversations"):
        read_loss_set(path)
