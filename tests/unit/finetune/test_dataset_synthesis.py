"""Questions out of books: what is kept of a model's reply, caps, and going on after a stop."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from fakes import ScriptedChat
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from core.errors import ConfigError, DatasetError, ModelError
from core.settings import Settings
from finetune.conversations import read_conversations
from finetune.dataset.books import Section, read_sections
from finetune.dataset.build import build_dataset
from finetune.dataset.settings import BooksSettings, dataset_settings
from finetune.dataset.synthesis import Caps, Piece, pieces_of, synthesise
from finetune.dataset.synthesis_log import SynthesisLog
from finetune.dataset.synthesis_reply import Written, fault_of, read_reply
from rag.build import build_chat

CAPS = Caps(longest_answer=100, parallel=1)


class Teacher(ScriptedChat):
    """Asks about the first sentence of the passage; fails at the call that `fails_at` names, from 1."""

    reply: str = ""
    fails_at: int = 0

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self._calls.append((messages, kwargs))
        if len(self._calls) == self.fails_at:
            raise ModelError("the model died", mend="start it")
        text = str(messages[-1].text).split("\n\n", 1)[1]
        sentence = re.split("[。\n]", text)[0]
        reply = self.reply or f"问题：{sentence}，为什么？\n解答：因为{sentence}。\n依据：{sentence}"
        return ChatResult(generations=[ChatGeneration(message=AIMessage(reply))])


def pieces(count: int = 6) -> list[Piece]:
    made = []
    for number in range(count):
        words = "".join(chr(0x4E00 + 37 * number + step) for step in range(20))
        text = f"{words}。" + "这一段说明了它的性质和用途，并且给出了完整的例子。" * 3
        made.append(Piece(Section("操作系统", (f"第{number}节",), (str(number),), (text,)), text))
    return made


def test_a_reply_is_cut_at_its_labels() -> None:
    reply = (
        "好的，以下是题目：\n**问题1：** 什么是 $\\frac{a}{b}$？\n**解答：** 第一步\n第二步\n**依据：** 原文\n\n"
        "2. 题目：乙？\n答案：丙\n依据：丁\nQuestion: why?\nAnswer: so\nEvidence: text"
    )
    assert read_reply(reply) == [
        Written("什么是 $\\frac{a}{b}$？", "第一步\n第二步", "原文"),
        Written("乙？", "丙", "丁"),
        Written("why?", "so", "text"),
    ]
    assert read_reply("无") == []


def test_what_does_not_rest_on_the_passage_is_dropped() -> None:
    passage = "死锁是指两个或两个以上的进程互相等待对方占有的资源，若无外力作用，它们都无法再向前推进。"
    good = Written("什么是死锁？", "进程互相等待。", "死锁是指 两个或两个以上的进程互相等待……无法再向前推进")
    assert fault_of(good, passage) == ""
    assert "evidence" in fault_of(Written("什么是死锁？", "互相等待。", "死锁是操作系统崩溃的原因"), passage)
    assert "evidence" in fault_of(Written("什么是死锁？", "互相等待。", "死锁"), passage)
    assert "missing" in fault_of(Written("什么是死锁？", "", good.evidence), passage)
    assert "without the passage" in fault_of(Written("根据教材，什么是死锁？", "等待。", good.evidence), passage)


def test_questions_are_tied_to_their_passages_and_make_a_data_set(tmp_path: Path) -> None:
    out = tmp_path / "made.jsonl"
    report = synthesise(pieces(), Teacher(), SynthesisLog(out), CAPS)
    assert (report.done, report.questions, dict(report.dropped)) == (6, 6, {})
    rows = read_conversations(out)
    assert {row.kind for row in rows} == {"synthetic"}
    assert rows[0].passage == pieces()[0].text
    assert rows[0].source == "操作系统, 第0节, p. 0"
    settings = dataset_settings(out=tmp_path / "set", sources=[{"path": out}], test_share=0)
    made = build_dataset(settings, Settings())
    assert made.kinds == {"synthetic": {"train": 6, "test": 0}}
    assert read_conversations(tmp_path / "set" / "train.jsonl")[0].passage == pieces()[0].text


def test_a_run_that_failed_goes_on_where_it_ended(tmp_path: Path) -> None:
    out = tmp_path / "made.jsonl"
    with pytest.raises(ModelError):
        synthesise(pieces(), Teacher(fails_at=4), SynthesisLog(out), CAPS)
    assert len(read_conversations(out)) == 3
    with out.open("a", encoding="utf-8") as file:
        file.write('{"conversation": [{"inp')  # killed while it wrote
    chat = Teacher()
    report = synthesise(pieces(), chat, SynthesisLog(out), CAPS)
    assert (report.skipped, report.done, len(chat.calls)) == (3, 3, 3)
    assert len(read_conversations(out)) == 6


def test_killed_at_any_byte_it_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    class Talkative(Teacher):
        """Two questions for each passage."""

        def _generate(self, messages: list[BaseMessage], *rest: Any, **kwargs: Any) -> ChatResult:
            first = str(super()._generate(messages, *rest, **kwargs).generations[0].text)
            sentence = first.rsplit("依据：", 1)[1]
            more = f"问题：{sentence[::-1]}是什么？\n解答：它。\n依据：{sentence}"
            return ChatResult(generations=[ChatGeneration(message=AIMessage(f"{first}\n{more}"))])

    whole = tmp_path / "whole.jsonl"
    synthesise(pieces(3), Talkative(), SynthesisLog(whole), CAPS)
    rows, ids = whole.read_bytes(), (tmp_path / "whole.jsonl.done").read_bytes()
    assert rows.count(b"\n") == 6
    second = len(rows[: rows.index(b"\n", rows.index(b"\n") + 1) + 1])
    for kept in range(second, len(rows), 7):
        out = tmp_path / f"{kept}.jsonl"
        out.write_bytes(rows[:kept])
        out.with_name(f"{out.name}.done").write_bytes(ids[: ids.index(b"\n") + 1])
        synthesise(pieces(3), Talkative(), SynthesisLog(out), CAPS)
        assert out.read_bytes() == rows
    (tmp_path / "whole.jsonl.done").unlink()
    for _ in range(2):
        assert SynthesisLog(whole).questions == 6 and whole.read_bytes() == rows


def test_answers_beside_a_failed_call_are_kept(tmp_path: Path) -> None:
    out = tmp_path / "made.jsonl"
    with pytest.raises(ModelError):
        synthesise(pieces(4), Teacher(fails_at=2), SynthesisLog(out), Caps(longest_answer=100, parallel=4))
    assert len(read_conversations(out)) == 3


def test_passages_without_questions_are_not_asked_about_again(tmp_path: Path) -> None:
    log = SynthesisLog(tmp_path / "made.jsonl")
    report = synthesise(pieces(2), Teacher(reply="无"), log, CAPS)
    assert dict(report.dropped) == {"no question in the reply": 2}
    again = synthesise(pieces(2), Teacher(), SynthesisLog(tmp_path / "made.jsonl"), CAPS)
    assert (again.skipped, again.done) == (2, 0)


def test_the_same_question_is_kept_once(tmp_path: Path) -> None:
    reply = "问题：它的性质和用途是什么？\n解答：见例子。\n依据：这一段说明了它的性质和用途"
    report = synthesise(pieces(3), Teacher(reply=reply), SynthesisLog(tmp_path / "a.jsonl"), CAPS)
    assert (report.questions, dict(report.dropped)) == (1, {"nearly the same as an earlier one": 2})


def test_caps(tmp_path: Path) -> None:
    log = SynthesisLog(tmp_path / "a.jsonl")
    report = synthesise(pieces(), Teacher(), log, Caps(100, max_questions=2, parallel=1))
    assert (report.done, log.questions) == (2, 2)
    assert "--max-questions" in report.stopped
    one = synthesise(pieces(1), Teacher(), SynthesisLog(tmp_path / "b.jsonl"), CAPS).tokens
    some = synthesise(
        pieces(), Teacher(), SynthesisLog(tmp_path / "c.jsonl"), Caps(100, max_tokens=3 * one, parallel=4)
    )
    assert 0 < some.done < 4
    assert some.tokens <= 3 * one
    assert "--max-tokens" in some.stopped


def test_pieces_of_real_sections(library_settings: Settings) -> None:
    made = pieces_of(read_sections(library_settings.data_dir, BooksSettings(name="default")), 2000)
    assert any("互斥条件" in piece.text for piece in made)
    assert {piece.language for piece in made} == {"zh", "en"}
    assert len({piece.id for piece in made}) == len(made)


def test_a_file_of_another_kind_and_no_model(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"question": "甲"}) + "\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"a\.jsonl, line 1: not a row of this command"):
        SynthesisLog(path)
    with pytest.raises(ConfigError, match="no language model is named"):
        build_chat(Settings().llm)
