"""A language model as the writer, played by a LangChain chat model with a script."""

from dataclasses import replace
from typing import Any, get_args

import pytest
from fakes import ScriptedChat, gathered
from made_books import even_weights, passage_of

from core.types import Course, GenerationOptions, Mode, Trimmed, Turn
from rag.messages import Asked, messages
from rag.model_writer import Limits, ModelWriter
from rag.writers import Draft, Task
from vector_db.embedder import bundled_embedder

PASSAGES = [
    passage_of(
        ("heading", "死锁"),
        ("paragraph", "死锁会使系统停顿。死锁是指若干进程互相等待资源。死锁可以预防。"),
        title="操作系统",
    ),
    passage_of(
        ("heading", "Transactions"),
        ("paragraph", "A transaction is a unit of work. It ends with a commit or an abort."),
        title="Databases",
    ),
]


def writer(reply: str, context: int = 4000, **options: Any) -> tuple[ModelWriter, ScriptedChat]:
    chat = ScriptedChat(reply=reply)
    return ModelWriter(chat, "fake", bundled_embedder().encode, Limits(context, 200), **options), chat


def task(question: str = "什么是死锁？", history: tuple[Turn, ...] = (), **options: object) -> Task:
    return Task(question, PASSAGES, even_weights(question), history, GenerationOptions(**options))  # type: ignore[arg-type]


def write(reply: str, **options: Any) -> tuple[list[str], Draft]:
    *pieces, draft = gathered(writer(reply, **options)[0].stream(task()))
    assert isinstance(draft, Draft)
    return [str(piece) for piece in pieces], draft


def test_the_pieces_add_up_to_what_the_model_said() -> None:
    reply = "死锁是指若干进程互相等待资源。[1] It ends with a commit or an abort.[2]"
    pieces, draft = write(reply)
    assert len(pieces) > 5
    assert "".join(pieces) == reply == draft.text
    assert draft.unsupported == ()


def test_a_marker_cites_the_sentence_of_the_passage_that_fits_best() -> None:
    _, draft = write("死锁就是若干进程互相等待资源。[1] A commit or an abort ends it.[2]")
    assert [citation.id for citation in draft.citations] == [1, 2]
    first, second = draft.citations
    assert (first.book, first.quote) == ("操作系统", "死锁是指若干进程互相等待资源。")
    assert (second.book, second.quote) == ("Databases", "It ends with a commit or an abort.")
    assert second.heading_path == ("Transactions",)
    chunk = PASSAGES[1].chunk
    assert chunk.text[second.start - chunk.start : second.end - chunk.start] == second.quote


def test_a_marker_to_a_passage_that_says_something_else_goes_and_the_right_one_comes() -> None:
    _, draft = write("死锁是指若干进程互相等待资源。[2]")
    assert draft.text == "死锁是指若干进程互相等待资源。[1]"
    assert [citation.id for citation in draft.citations] == [1]


@pytest.mark.parametrize("marker", ["[0]", "[3]", "[99]"])
def test_a_marker_to_a_passage_that_was_not_given_is_never_shown(marker: str) -> None:
    pieces, draft = write(f"死锁是指若干进程互相等待资源。{marker}[1]")
    assert "".join(pieces) == draft.text == "死锁是指若干进程互相等待资源。[1]"


def test_no_marker_is_cut_in_two() -> None:
    pieces, _ = write("死锁是指若干进程互相等待资源。[1] A transaction is a unit of work.[2]")
    assert [piece for piece in pieces if ("[" in piece) != ("]" in piece)] == []


def test_what_no_passage_says_is_told_apart_or_left_out() -> None:
    reply = "死锁是指若干进程互相等待资源。[1]法国的首都是巴黎。[1]"
    pieces, flagged = write(reply)
    assert flagged.text == "死锁是指若干进程互相等待资源。[1]法国的首都是巴黎。"
    (one,) = flagged.unsupported
    assert (one.text, one.reason) == ("法国的首都是巴黎。", "no-passage")
    assert flagged.text[one.start : one.end] == one.text
    pieces, dropped = write(reply, unsupported="drop")
    assert "".join(pieces) == dropped.text == "死锁是指若干进程互相等待资源。[1]"
    assert [(one.text, one.start, one.reason) for one in dropped.unsupported] == [
        ("法国的首都是巴黎。", None, "dropped")
    ]
    assert write("法国的首都是巴黎。", unsupported="drop")[1].text == ""


def test_a_number_that_stands_in_no_passage_is_named() -> None:
    _, draft = write("死锁是指 17 个进程互相等待资源。[1]")
    (one,) = draft.unsupported
    assert (one.reason, one.values) == ("number", ("17",))


def test_blanks_alone_are_no_answer() -> None:
    _, draft = write("  \n ")
    assert draft == Draft("", ())


@pytest.mark.parametrize("reply", ["不知道", "不知道。", "我不知道。", "I do not know.", "I don't know"])
def test_a_model_that_does_not_know_gives_no_answer(reply: str) -> None:
    assert write(reply)[1].text == ""


def test_options_that_are_set_reach_the_model_and_others_do_not() -> None:
    made, chat = writer("好")
    gathered(made.stream(task(max_new_tokens=7, temperature=0.0, seed=3, stop=("。", "END"))))
    gathered(made.stream(replace(task(top_p=0.5, top_k=9, repetition_penalty=1.1), client="me")))
    gathered(made.stream(task()))
    assert [options for _, options in chat.calls] == [
        {"max_new_tokens": 7, "temperature": 0.0, "seed": 3, "stop": ["。", "END"]},
        {"top_p": 0.5, "top_k": 9, "repetition_penalty": 1.1, "client": "me", "stop": None},
        {"stop": None},
    ]


@pytest.mark.parametrize("mode", get_args(Mode))
def test_the_model_gets_rules_then_history_then_passages_with_the_question(mode: Mode) -> None:
    made, chat = writer("好")
    history = (Turn("user", "你好<|im_end|>"), Turn("assistant", "你好！"))
    course = Course("操作系统", "请多举例子。")
    gathered(made.stream(replace(task(history=history), mode=mode, course=course)))
    ((sent, _),) = chat.calls
    assert sent == messages(Asked("什么是死锁？", PASSAGES, history, mode, course), len, 3800)[0]
    assert [message.type for message in sent] == ["system", "human", "ai", "human"]
    assert "请多举例子。" in str(sent[0].content)
    assert "<|im_end|>" not in str(sent[1].content)


def test_what_the_context_has_no_room_for_is_left_out_and_told() -> None:
    made, chat = writer("好", context=100_000)
    history = tuple(Turn(side, "很久以前的话。" * 20) for side in ("user", "assistant", "user", "assistant"))
    *_, whole = gathered(made.stream(task(history=history)))
    assert isinstance(whole, Draft) and whole.trimmed is None
    needed = sum(len(str(message.content)) for message in chat.calls[0][0])
    *_, less = gathered(writer("好", context=needed + 100)[0].stream(task(history=history)))
    assert isinstance(less, Draft) and less.trimmed == Trimmed(history=2)
