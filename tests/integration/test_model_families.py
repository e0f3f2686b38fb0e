"""Every family of chat models through one class; a tiny InternLM2 from its own layout to an answer over HTTP."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest
from fakes import serving
from langchain_core.messages import HumanMessage, SystemMessage
from tiny_chat_models import tiny_internlm2, tiny_internlm3, tiny_llama3, tiny_qwen2, tiny_qwen3, write_internlm2

from core.settings import LlmSettings, Settings
from finetune.layout import convert
from rag.engine.messages import Add
from rag.engine.runner import Runner
from rag.llm import InternLM2Chat

SAID = [SystemMessage("你是助教。"), HumanMessage("什么是死锁？")]


@pytest.mark.parametrize("family", [tiny_internlm2, tiny_internlm3, tiny_qwen2, tiny_qwen3, tiny_llama3])
def test_every_family_writes_by_its_own_template(family: Callable[[Path], Path], tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    folder = family(tmp_path / "model")
    with closing(InternLM2Chat(folder=folder, settings=LlmSettings(max_new_tokens=12))) as chat:
        answer = chat.invoke(SAID)
    turns = [{"role": "system", "content": "你是助教。"}, {"role": "user", "content": "什么是死锁？"}]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompt = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)["input_ids"]
    assert answer.usage_metadata and answer.usage_metadata["input_tokens"] == len(prompt)
    assert 0 < answer.usage_metadata["output_tokens"] <= 12


def test_a_converted_internlm2_streams_over_http(library_settings: Settings, tmp_path: Path) -> None:
    convert(write_internlm2(tmp_path / "original"), tmp_path / "course-model")
    llm = LlmSettings(model=tmp_path / "course-model", max_new_tokens=16)
    with serving(library_settings.model_copy(update={"llm": llm})) as client:
        response = client.post("/ask", json={"question": "什么是死锁？", "stream": True})
        lines = response.text.replace("\r\n", "\n").split("\n")
        names = [line[7:] for line in lines if line.startswith("event: ")]
        last = json.loads([line[6:] for line in lines if line.startswith("data: ")][-1])
    assert names[0] == "retrieval" and names[-1] == "done" and "token" in names
    assert last["model"] == "course-model" and 0 < last["usage"]["output_tokens"] <= 16
    # Random weights write nonsense, and the check says so.
    assert last["unsupported"] or last["refused"]


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    made = Runner(tiny_qwen2(tmp_path / "model"), LlmSettings(max_running=32))
    made.warm_up()
    yield made
    made.stop()


def steps(runner: Runner, name: str, prompt: list[int]) -> int:
    """Steps that it takes to a first token."""
    before = runner.beat().step
    runner.add(Add(name, prompt, 1, {}))
    while not any(output.is_finished() for output in runner.outputs(timeout=1)):
        pass
    return runner.beat().step - before


def test_a_prompt_that_begins_like_one_before_takes_in_the_rest_alone(runner: Runner) -> None:
    prompt = [5 + number % 200 for number in range(1500)]
    whole = steps(runner, "first", prompt)
    assert whole >= 3
    assert steps(runner, "again", prompt) == 1
    assert steps(runner, "with another end", [*prompt[:1450], 7, 8, 9]) == 1
    assert steps(runner, "another", prompt[::-1]) == whole


@pytest.mark.skipif(
    find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed: pip install '.[quantize]'"
)
@pytest.mark.parametrize("bits", [4, 8])
def test_weights_in_fewer_bits(bits: int, tmp_path: Path) -> None:
    settings = LlmSettings(max_new_tokens=4, bits=bits)
    with closing(InternLM2Chat(folder=tiny_qwen2(tmp_path / "model"), settings=settings)) as chat:
        usage = chat.invoke(SAID).usage_metadata
    assert usage and usage["output_tokens"] > 0
