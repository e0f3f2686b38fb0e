import json
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from core.errors import ConfigError, ModelError
from core.types import Turn
from rag.context import estimated_tokens
from rag.messages import Asked, bare_messages
from rag.trained_prompt import KEBENS_OWN, TRAINED_PROMPT, TrainedPrompt, read_trained_prompt


def test_what_is_written_is_read_again_and_a_foreign_model_has_kebens_own(tmp_path: Path) -> None:
    assert read_trained_prompt(tmp_path) == KEBENS_OWN
    prompt = TrainedPrompt("question", "你是助教。")
    (tmp_path / TRAINED_PROMPT).write_text(json.dumps(prompt.to_json(), ensure_ascii=False), encoding="utf-8")
    assert read_trained_prompt(tmp_path) == prompt


@pytest.mark.parametrize(
    "text", ["{}", '{"prompt": {"form": "poem"}}', '{"prompt": {"form": "question", "system": 3}}', "["]
)
def test_a_bad_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / TRAINED_PROMPT).write_text(text)
    with pytest.raises(ModelError, match=TRAINED_PROMPT):
        read_trained_prompt(tmp_path)


def test_the_bare_question_follows_the_trained_system_prompt_and_the_conversation() -> None:
    history = [Turn("user", "什么是进程？"), Turn("assistant", "运行着的程序。")]
    asked = Asked(" 它和线程<|im_end|>有什么不同？ ", (), history)
    sent, trimmed = bare_messages(asked, "你是助教。", estimated_tokens, 1000)
    assert isinstance(sent[0], SystemMessage) and sent[0].content == "你是助教。"
    assert [message.content for message in sent[1:3]] == ["什么是进程？", "运行着的程序。"]
    assert isinstance(sent[3], HumanMessage) and "<|im_end|>" not in str(sent[3].content)
    assert str(sent[3].content).startswith("它和线程") and trimmed.history == 0
    sent, trimmed = bare_messages(asked, "", estimated_tokens, 50)
    assert len(sent) == 1 and trimmed.history == 2
    with pytest.raises(ConfigError):
        bare_messages(asked, "", estimated_tokens, 20)
