"""A real language model, tiny, as the writer: from the files of its folder to an answer over HTTP."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fakes import TINY_REPLY, TINY_TOKENS, serving, write_tiny_model
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from core.errors import ConfigError, ModelError
from core.settings import LlmSettings, Settings
from rag.llm import InternLM2Chat

MESSAGES: list[BaseMessage] = [
    SystemMessage("Be brief."),
    HumanMessage("你好"),
    AIMessage("你好！"),
    HumanMessage("什么是死锁？"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("models") / "tiny-chat"
    write_tiny_model(made)
    return made


@pytest.fixture(scope="module")
def chat(folder: Path) -> Iterator[InternLM2Chat]:
    with closing(InternLM2Chat(folder=folder, settings=LlmSettings(max_new_tokens=40))) as chat:
        yield chat


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """A copy of the model that a test may damage."""
    shutil.copytree(folder, tmp_path / "copy")
    return tmp_path / "copy"


def text(chat: InternLM2Chat, **options: Any) -> str:
    return str(chat.invoke(MESSAGES, **options).content)


def test_the_model_answers_and_ends_its_turn(chat: InternLM2Chat) -> None:
    assert text(chat) == TINY_REPLY


def test_the_streamed_pieces_add_up_to_the_answer(chat: InternLM2Chat) -> None:
    pieces = [str(chunk.content) for chunk in chat.stream(MESSAGES)]
    assert len([piece for piece in pieces if piece]) > 3
    assert "".join(pieces) == text(chat)
    assert not any("\ufffd" in piece for piece in pieces)


def test_tokens_are_counted(chat: InternLM2Chat) -> None:
    usage = chat.invoke(MESSAGES).usage_metadata
    assert usage is not None
    assert usage["output_tokens"] == TINY_TOKENS
    assert usage["input_tokens"] > len("Be brief.你好你好！什么是死锁？")
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    last = list(chat.stream(MESSAGES))[-2:]
    assert usage in [getattr(chunk, "usage_metadata", None) for chunk in last]


@pytest.mark.parametrize("tokens", [1, 5])
def test_no_more_tokens_are_written_than_asked_for(chat: InternLM2Chat, tokens: int) -> None:
    usage = chat.invoke(MESSAGES, max_new_tokens=tokens).usage_metadata
    assert usage is not None and usage["output_tokens"] == tokens
    assert text(chat.bind(max_new_tokens=5)) == "死锁是指"  # type: ignore[arg-type]


def test_the_setting_bounds_the_answer_too(folder: Path) -> None:
    with closing(InternLM2Chat(folder=folder, settings=LlmSettings(max_new_tokens=6))) as small:
        assert text(small) == "死锁是指进程"


@pytest.mark.parametrize(
    ("stop", "kept"),
    [
        (["互相"], "死锁是指进程"),
        (["等"], "死锁是指进程互相"),
        (["指进"], "死锁是"),
        (["a cy", "。["], "死锁是指进程互相等待"),
        (["相", "互"], "死锁是指进程"),
        (["不会出现"], TINY_REPLY),
        (["cycle!"], TINY_REPLY),
    ],
)
def test_a_stop_string_ends_the_answer_and_is_left_out(chat: InternLM2Chat, stop: list[str], kept: str) -> None:
    assert text(chat, stop=stop) == kept
    assert "".join(str(chunk.content) for chunk in chat.stream(MESSAGES, stop=stop)) == kept
    assert text(chat) == TINY_REPLY


def test_sampling_with_a_seed_can_be_repeated(chat: InternLM2Chat) -> None:
    drawn = [text(chat, temperature=2.0, top_p=1.0, seed=seed, max_new_tokens=20) for seed in (1, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1
    assert TINY_REPLY not in drawn


def test_top_k_and_repetition_penalty_reach_the_model(chat: InternLM2Chat) -> None:
    likeliest = text(chat, temperature=2.0, top_p=1.0, top_k=1, seed=1)
    assert likeliest == TINY_REPLY
    assert text(chat, repetition_penalty=5.0, max_new_tokens=12) != text(chat, max_new_tokens=12)


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({"temperature": -1}, "temperature = -1"),
        ({"top_p": 0}, "top_p = 0"),
        ({"top_k": 2.5}, "top_k = 2.5"),
        ({"max_new_tokens": True}, "max_new_tokens = True"),
        ({"beams": 3}, "'beams'"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(chat: InternLM2Chat, options: dict[str, Any], value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        text(chat, **options)
    assert value in caught.value.message and caught.value.mend


def test_awaited_answers_are_the_same(chat: InternLM2Chat) -> None:
    async def both() -> tuple[AIMessage, str]:
        pieces = [str(chunk.text) async for chunk in chat.astream(MESSAGES)]
        return await chat.ainvoke(MESSAGES), "".join(pieces)

    whole, streamed = asyncio.run(both())
    assert str(whole.text) == streamed == TINY_REPLY
    assert whole.usage_metadata == chat.invoke(MESSAGES).usage_metadata


def test_a_long_conversation_loses_its_oldest_turns_and_a_long_question_is_an_error(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "small", positions=96)
    with closing(InternLM2Chat(folder=tmp_path / "small", settings=LlmSettings(max_new_tokens=20))) as small:
        turns = [HumanMessage("a" * 30), AIMessage("b" * 30), HumanMessage("c"), AIMessage("d")]
        answer = small.invoke([SystemMessage("s"), *turns, HumanMessage("e")])
        assert (str(answer.text), answer.response_metadata["dropped_messages"]) == (TINY_REPLY, 2)
        assert "dropped_messages" not in small.invoke([SystemMessage("s"), HumanMessage("e")]).response_metadata
        with pytest.raises(ConfigError, match=r"the model takes 96") as caught:
            small.invoke([*turns, HumanMessage("a" * 96)])
        assert "top_k" in caught.value.mend


def load(folder: Path) -> ModelError:
    with pytest.raises(ModelError) as caught:
        InternLM2Chat(folder=folder, settings=LlmSettings())
    assert str(folder) in caught.value.message
    assert caught.value.mend
    return caught.value


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "config.json" in load(tmp_path / "nowhere").message


def test_a_folder_without_a_config_is_named(copy: Path) -> None:
    (copy / "config.json").unlink()
    assert "config.json" in load(copy).message


def test_weights_that_could_run_code_are_refused(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    error = load(copy)
    assert ".safetensors" in error.message and "safe" in error.mend


def test_a_tokenizer_without_a_chat_template_is_refused(copy: Path) -> None:
    config = copy / "tokenizer_config.json"
    config.write_text(config.read_text(encoding="utf-8").replace("chat_template", "other"), encoding="utf-8")
    assert "chat template" in load(copy).message


def test_cut_off_weights_are_refused(copy: Path) -> None:
    whole = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    load(copy)


def test_weights_that_miss_a_layer_are_refused(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert "model.layers.1.mlp.up_proj.weight" in load(copy).message


def test_a_damaged_config_is_refused(copy: Path) -> None:
    (copy / "config.json").write_text("{", encoding="utf-8")
    load(copy)


def test_code_in_the_folder_is_not_run(copy: Path, tmp_path: Path) -> None:
    import json

    trace = tmp_path / "was-run"
    (copy / "evil.py").write_text(f"open({str(trace)!r}, 'w')\n", encoding="utf-8")
    config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M"}}
    (copy / "config.json").write_text(json.dumps(config), encoding="utf-8")
    load(copy)
    assert not trace.exists()


def test_the_model_answers_over_http(library_settings: Settings, folder: Path) -> None:
    settings = library_settings.model_copy(update={"llm": LlmSettings(model=folder, max_new_tokens=40)})
    with serving(settings) as client:
        answer = client.post("/ask", json={"question": "什么是死锁？"}).json()
        assert (answer["model"], answer["refused"]) == ("tiny-chat", False)
        assert answer["answer"] == TINY_REPLY
        (citation,) = answer["citations"]
        assert citation["id"] == 1 and citation["quote"].startswith("死锁是指")
        short = client.post("/ask", json={"question": "什么是死锁？", "options": {"max_new_tokens": 4}}).json()
        assert short["answer"] == "死锁[1]" and short["usage"]["output_tokens"] == 4
        stopped = client.post("/ask", json={"question": "什么是死锁？", "options": {"stop": ["进程"]}}).json()
        assert stopped["answer"] == "死锁是指[1]"
        history = [{"role": "user", "content": "什么是死锁？"}]
        followed = client.post("/ask", json={"question": "那它的必要条件呢？", "history": history}).json()
        assert (followed["answer"], followed["search_query"]) == (TINY_REPLY, "死锁的必要条件呢？")
        refused = client.post("/ask", json={"question": "红烧肉怎么做？"}).json()
        assert (refused["model"], refused["refused"]) == ("tiny-chat", True)


def test_a_question_too_long_for_the_model_is_a_problem(library_settings: Settings, tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "small", positions=64)
    settings = library_settings.model_copy(update={"llm": LlmSettings(model=tmp_path / "small")})
    with serving(settings) as client:
        response = client.post("/ask", json={"question": "什么是死锁？"})
        assert response.status_code == 422 and "there is room for" in response.json()["detail"]
        streamed = client.post("/ask", json={"question": "什么是死锁？", "stream": True})
        assert "event: error" in streamed.text and "there is room for" in streamed.text
        assert "event: done" not in streamed.text
