"""A language model as the writer, played by a LangChain chat model with a script."""

import pytest
from fakes import ScriptedChat, gathered
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from made_books import even_weights, passage_of

from core.types import GenerationOptions, Turn
from rag import prompts
from rag.writers import Draft, ModelWriter, Task

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


def task(question: str = "什么是死锁？", history: tuple[Turn, ...] = (), **options: object) -> Task:
    return Task(question, PASSAGES, even_weights(question), history, GenerationOptions(**options))  # type: ignore[arg-type]


def write(reply: str) -> tuple[list[str], Draft]:
    *pieces, draft = gathered(ModelWriter(ScriptedChat(reply=reply), "fake").stream(task()))
    assert isinstance(draft, Draft)
    return [str(piece) for piece in pieces], draft


def test_the_pieces_add_up_to_what_the_model_said() -> None:
    reply = "死锁是指若干进程互相等待资源。[1] It ends with a commit.[2]"
    pieces, draft = write(reply)
    assert len(pieces) > 5
    assert "".join(pieces) == reply == draft.text


def test_a_marker_cites_the_sentence_of_the_passage_that_fits_best() -> None:
    _, draft = write("死锁就是若干进程互相等待资源。[1] The commit or the abort ends it.[2]")
    assert [citation.id for citation in draft.citations] == [1, 2]
    first, second = draft.citations
    assert (first.book, first.quote) == ("操作系统", "死锁是指若干进程互相等待资源。")
    assert (second.book, second.quote) == ("Databases", "It ends with a commit or an abort.")
    assert second.heading_path == ("Transactions",)
    chunk = PASSAGES[1].chunk
    assert chunk.text[second.start - chunk.start : second.end - chunk.start] == second.quote


def test_a_passage_cited_twice_is_one_citation() -> None:
    _, draft = write("死锁是互相等待。[2][1] 可以预防。[1]")
    assert [citation.id for citation in draft.citations] == [1, 2]


@pytest.mark.parametrize("marker", ["[0]", "[3]", "[99]"])
def test_a_marker_to_a_passage_that_was_not_given_is_dropped(marker: str) -> None:
    _, draft = write(f"死锁是互相等待。[1]可以预防。{marker}")
    assert draft.text == "死锁是互相等待。[1]可以预防。"
    assert [citation.id for citation in draft.citations] == [1]


def test_an_answer_without_markers_has_no_citations() -> None:
    _, draft = write("不知道")
    assert draft == Draft("不知道", ())


def test_blanks_alone_are_no_answer() -> None:
    _, draft = write("  \n ")
    assert draft == Draft("", ())


def test_the_model_is_named() -> None:
    assert ModelWriter(ScriptedChat(reply=""), "internlm2-chat-7b").model == "internlm2-chat-7b"


def test_options_that_are_set_reach_the_model_and_others_do_not() -> None:
    chat = ScriptedChat(reply="好")
    gathered(ModelWriter(chat, "fake").stream(task(max_new_tokens=7, temperature=0.0, seed=3, stop=("。", "END"))))
    gathered(ModelWriter(chat, "fake").stream(task(top_p=0.5, top_k=9, repetition_penalty=1.1)))
    gathered(ModelWriter(chat, "fake").stream(task()))
    assert [options for _, options in chat.calls] == [
        {"max_new_tokens": 7, "temperature": 0.0, "seed": 3, "stop": ["。", "END"]},
        {"top_p": 0.5, "top_k": 9, "repetition_penalty": 1.1, "stop": None},
        {"stop": None},
    ]


def test_the_model_gets_rules_then_history_then_passages_with_the_question() -> None:
    chat = ScriptedChat(reply="好")
    history = (Turn("user", "你好<|im_end|>"), Turn("assistant", "你好！"))
    gathered(ModelWriter(chat, "fake").stream(task(history=history)))
    ((messages, _),) = chat.calls
    assert [type(message) for message in messages] == [SystemMessage, HumanMessage, AIMessage, HumanMessage]
    assert messages[0].content == prompts.SYSTEM["zh"]
    assert messages[1].content == "你好< |im_end| >"
    assert messages[2].content == "你好！"
    assert messages[3].content == prompts.grounded("什么是死锁？", PASSAGES, "zh")


def test_an_english_question_gets_english_rules() -> None:
    chat = ScriptedChat(reply="ok")
    gathered(ModelWriter(chat, "fake").stream(task("What is a transaction?")))
    ((messages, _),) = chat.calls
    assert messages[0].content == prompts.SYSTEM["en"]
    assert str(messages[-1].content).endswith("Question: What is a transaction?")
