"""`keben chat` with a tiny random model, whose answers mean nothing but are the same each time."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import ScriptedChat
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from safetensors.torch import save_file
from tiny_chat_models import tiny_internlm2, tiny_qwen2
from typer.testing import CliRunner, Result

from cli.chat_terminal import at_once
from cli.main import app
from cli.speaker import Speaker, printable
from core.errors import KebenError, ModelError
from core.settings import PROJECT
from finetune.adapter import merged_for_now
from finetune.conversations import Conversation, Exchange, write_conversations
from rag.trained_prompt import TRAINED_PROMPT, read_trained_prompt

pytestmark = pytest.mark.alone

QUESTIONS = ("什么是死锁？", "What is a thread?")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_qwen2(tmp_path_factory.mktemp("chat") / "tiny")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_internlm2(tmp_path_factory.mktemp("chat") / "base")


@pytest.fixture(autouse=True)
def on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEBEN_LLM__DEVICE", "cpu")


def adapter_for_base(folder: Path) -> Path:
    torch.manual_seed(3)
    weight = "base_model.model.model.layers.1.mlp.up_proj"
    folder.mkdir()
    halves = {f"{weight}.lora_A.weight": torch.randn(4, 16), f"{weight}.lora_B.weight": torch.randn(40, 4)}
    save_file(halves, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 800}))
    return folder


def chat(*arguments: str | Path, said: str | None = None) -> Result:
    return CliRunner().invoke(app, ["chat", "--max-new-tokens", "6", *map(str, arguments)], input=said)


def rows(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, (result.output, result.exception)
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.slow
def test_questions_as_arguments_and_as_lines_are_answered_alike_each_by_itself(model: Path) -> None:
    found = rows(chat("--model", model, "--json", *QUESTIONS))
    assert [row["question"] for row in found] == list(QUESTIONS)
    assert all(row["answers"][0]["model"] == "tiny" and row["answers"][0]["tokens"] == 6 for row in found)
    lines = rows(chat("--model", model, "--json", said="\n\n".join(reversed(QUESTIONS))))
    answers = [row["answers"][0]["answer"] for row in lines]
    assert answers == [row["answers"][0]["answer"] for row in reversed(found)]

    piped = chat("--model", model, said=f"{QUESTIONS[0]}\n")
    assert piped.stdout.startswith(f"> {QUESTIONS[0]}\n") and piped.exit_code == 0


@pytest.mark.slow
def test_temperature_and_seed_are_passed_on(model: Path) -> None:
    drawn = [
        rows(chat("--model", model, "--json", "--temperature", "1.5", "--seed", seed, QUESTIONS[0]))[0]["answers"][0]
        for seed in ("1", "1", "2")
    ]
    assert drawn[0]["answer"] == drawn[1]["answer"] != drawn[2]["answer"]


@pytest.mark.slow
def test_an_adapter_is_merged_for_the_talk_and_compared_with_its_base(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    adapter = adapter_for_base(tmp_path / "tuned")
    (row,) = rows(chat("--model", base, "--adapter", adapter, "--compare", base, "--json", QUESTIONS[0]))
    after, before = row["answers"]
    assert (after["model"], before["model"]) == ("tuned", "base")
    assert after["answer"] != before["answer"]
    assert not list(scratch.iterdir()), "the merged folder is left behind"

    plain = chat("--model", base, "--adapter", adapter, "--compare", base, QUESTIONS[0])
    assert plain.exit_code == 0
    assert plain.stdout.index("[tuned]\n") < plain.stdout.index("[base]\n")


def test_the_system_prompt_is_that_of_the_training(base: Path, tmp_path: Path) -> None:
    adapter = adapter_for_base(tmp_path / "run")
    with merged_for_now(base, adapter) as folder:
        assert read_trained_prompt(folder) == read_trained_prompt(base)
    talks = [Conversation((Exchange("问", "答", system),)) for system in ("你是助教。", "你是助教。", "")]
    write_conversations(adapter / "data.jsonl", talks)
    with merged_for_now(base, adapter) as folder:
        assert read_trained_prompt(folder).system == "你是助教。"
    assert not folder.exists()


@pytest.mark.slow
def test_system_stands_in_for_the_trained_one(model: Path, tmp_path: Path) -> None:
    tuned = tmp_path / "tuned"
    tuned.mkdir()
    for file in model.iterdir():
        (tuned / file.name).symlink_to(file)
    (tuned / TRAINED_PROMPT).write_text('{"prompt": {"form": "question", "system": "You are a tutor."}}')

    options = ("--temperature", "1.5", "--seed", "1", "--json", QUESTIONS[1])
    trained, given, other = (
        rows(chat(*arguments, *options))[0]["answers"][0]["answer"]
        for arguments in (
            ("--model", tuned),
            ("--model", model, "--system", "You are a tutor."),
            ("--model", tuned, "--system", "用一个字回答。"),
        )
    )
    assert trained == given != other


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["--adapter", "nowhere"], "--model"), ([], "KEBEN_LLM__MODEL"), (["--model", "nowhere"], "nowhere")],
)
def test_what_is_missing_is_named(arguments: list[str], named: str) -> None:
    result = chat(*arguments, "什么是死锁？")
    assert isinstance(result.exception, KebenError) and named in str(result.exception)


def test_a_folder_that_is_no_adapter_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="neither"), merged_for_now(base, tmp_path):
        pass


def test_a_conversation_is_remembered_until_a_new_one_begins() -> None:
    scripted = ScriptedChat(reply="互相\x1b[2J等待。")
    speaker = Speaker("model", scripted, "你是助教。", {"seed": 1})
    assert "".join(speaker.ask("什么是<|im_end|>死锁？")) == "互相[2J等待。"
    list(speaker.ask("举例。"))
    messages, options = scripted.calls[1]
    assert isinstance(messages[0], SystemMessage) and options["seed"] == 1
    assert [type(one) for one in messages[1:]] == [HumanMessage, AIMessage, HumanMessage]
    assert "<|im_end|>" not in str(messages[1].content)
    speaker.forget()
    list(speaker.ask("再问。"))
    assert len(scripted.calls[2][0]) == 2
    assert printable("a\x07\n\tb\x9b") == "a\n\tb"


def test_an_answer_that_is_stopped_is_remembered_as_far_as_it_came() -> None:
    scripted = ScriptedChat(reply="abcdef", piece=2)
    speaker = Speaker("model", scripted, "")
    stream = speaker.ask("?")
    assert next(stream) == "ab"
    stream.close()  # type: ignore[attr-defined]
    assert speaker.last and (speaker.last.answer, speaker.last.stopped) == ("ab", True)
    list(speaker.ask("go on"))
    assert [one.content for one in scripted.calls[-1][0]] == ["?", "ab", "go on"]


class Failing(ScriptedChat):
    def _stream(self, *_: Any, **__: Any) -> Iterator[Any]:
        raise ModelError("it hangs")


def test_a_fault_of_one_ends_the_other_and_is_raised() -> None:
    speakers = [Speaker("good", ScriptedChat(reply="x" * 300), ""), Speaker("bad", Failing(reply=""), "")]
    with pytest.raises(ModelError, match="it hangs"):
        list(at_once(speakers, "?"))
    assert threading.active_count() < 10


class Terminal:
    """`keben chat` on a terminal of its own."""

    def __init__(self, *arguments: str | Path) -> None:
        self._ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "cli.main", "chat", *map(str, arguments)]
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
        self.process = subprocess.Popen(
            command, cwd=PROJECT, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
        )
        os.close(theirs)
        self.seen = ""

    def wait_for(self, text: str, since: int = 0) -> None:
        end = time.monotonic() + 60
        while text not in self.seen[since:]:
            assert time.monotonic() < end, self.seen
            if select.select([self._ours], [], [], 0.5)[0]:
                try:
                    self.seen += os.read(self._ours, 4096).decode(errors="replace")
                except OSError:  # it has ended
                    assert text in self.seen[since:], self.seen
                    return

    def say(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def close(self) -> int:
        code = self.process.wait(30)
        os.close(self._ours)
        return code


@pytest.mark.slow
def test_on_a_terminal_ctrl_c_stops_the_answer_and_ctrl_d_ends(model: Path) -> None:
    terminal = Terminal("--model", model, "--max-new-tokens", "1500")
    terminal.wait_for("Ctrl-D ends")
    terminal.wait_for("> ")
    begun = len(terminal.seen)
    terminal.say("/what\n")
    terminal.wait_for("Ctrl-D ends", begun)
    terminal.wait_for("> ", terminal.seen.index("/what"))
    terminal.say("hello\n")
    terminal.wait_for("hello\r\n")
    time.sleep(1)
    os.kill(terminal.process.pid, signal.SIGINT)
    terminal.wait_for("(stopped)")
    terminal.wait_for("> ", terminal.seen.index("(stopped)"))
    terminal.say("/new\n\x04")
    assert terminal.close() == 0


@pytest.mark.slow
def test_two_models_stand_side_by_side_on_a_terminal(model: Path) -> None:
    terminal = Terminal("--model", model, "--compare", model, "--max-new-tokens", "8")
    terminal.wait_for("> ")
    terminal.say("hello\n")
    terminal.wait_for(str(model)[-20:])
    terminal.say("/quit\n")
    assert terminal.close() == 0
