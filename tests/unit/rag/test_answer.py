"""The ask flow over a real knowledge base."""

from collections.abc import Iterator
from typing import Any

import pytest
from fakes import LyingWriter, ScriptedChat, SilentWriter, gathered

from core.errors import ConfigError
from core.settings import RetrievalSettings, Settings
from core.types import Answer, Turn
from rag import prompts
from rag.answer import Answerer, Done, Piece, Question, Retrieved
from rag.build import build_embedder, build_retriever
from rag.conversation import TermRewriter
from rag.model_writer import Limits, ModelWriter
from rag.retrieve import Retriever
from rag.writers import ExtractiveWriter, Writer
from vector_db.embedder import bundled_embedder
from vector_db.library import open_knowledge_base
from vector_db.reader import LiveKnowledgeBase

DEADLOCK = (Turn("user", "什么是死锁？"), Turn("assistant", "死锁是指进程互相等待。"))


@pytest.fixture(scope="module")
def kb(library_settings: Settings) -> Iterator[LiveKnowledgeBase]:
    base = open_knowledge_base(library_settings, "default")
    yield base
    base.close()


@pytest.fixture(scope="module")
def retriever(library_settings: Settings, kb: LiveKnowledgeBase) -> Retriever:
    return build_retriever(library_settings, build_embedder(library_settings, [kb]))


@pytest.fixture(scope="module")
def answerer(retriever: Retriever) -> Answerer:
    return Answerer(retriever, ExtractiveWriter(), TermRewriter(), RetrievalSettings())


def written_by(writer: Writer, retriever: Retriever, **changes: float) -> Answerer:
    return Answerer(retriever, writer, TermRewriter(), RetrievalSettings(**changes))


def test_an_answer_names_its_sources_and_how_it_came_about(kb: LiveKnowledgeBase, answerer: Answerer) -> None:
    answer = answerer.ask(kb, Question("死锁的四个必要条件是什么？"))
    assert not answer.refused and answer.reason is None
    assert "循环等待条件" in answer.answer
    (citation,) = answer.citations
    assert (citation.book, citation.source) == ("操作系统", "os.md")
    assert citation.heading_path == ("死锁", "死锁的必要条件")
    with kb.generation() as generation:
        assert answer.generation == generation.manifest.id
    assert (answer.model, answer.kb) == ("extractive", "default")
    assert set(answer.timings_ms) == {"retrieve", "write", "total"}
    assert all(value >= 0 for value in answer.timings_ms.values())
    assert answer.timings_ms["total"] >= answer.timings_ms["write"]


def test_a_stream_gives_passages_then_text_then_the_same_answer(kb: LiveKnowledgeBase, answerer: Answerer) -> None:
    question = Question("进程和线程有什么区别？", top_k=2)
    first, *pieces, last = gathered(answerer.stream(kb, question))
    assert isinstance(first, Retrieved) and len(first.passages) == 2
    assert isinstance(last, Done)
    assert "".join(piece.text for piece in pieces if isinstance(piece, Piece)) == last.answer.answer != ""
    assert (last.answer.answer, last.answer.citations) == told(answerer.ask(kb, question))


def told(answer: Answer) -> tuple[Any, ...]:
    return answer.answer, answer.citations


@pytest.mark.parametrize(
    ("question", "language"), [("红烧肉怎么做？", "zh"), ("Who won the world cup in 1998?", "en")], ids=["zh", "en"]
)
def test_a_question_outside_the_books_is_refused_with_a_reason(
    kb: LiveKnowledgeBase, retriever: Retriever, question: str, language: Any
) -> None:
    writer = LyingWriter([])
    answer = written_by(writer, retriever).ask(kb, Question(question))
    assert answer.refused
    assert answer.answer == prompts.REFUSAL[language]
    assert answer.citations == ()
    assert answer.reason and (answer.reason[0] > "\u4e00") is (language == "zh")
    assert writer.tasks == []
    assert set(answer.timings_ms) == {"retrieve", "total"}


def test_a_weak_best_passage_is_refused_with_its_relevance_and_the_threshold(
    kb: LiveKnowledgeBase, retriever: Retriever
) -> None:
    question = Question("银行家算法和量子力学有什么关系？")
    weak = written_by(ExtractiveWriter(), retriever, min_relevance=0.99).ask(kb, question)
    assert weak.refused and weak.reason is not None and "0.99" in weak.reason
    assert not written_by(ExtractiveWriter(), retriever, min_relevance=0.0).ask(kb, question).refused


def test_a_writer_without_words_is_a_refusal(kb: LiveKnowledgeBase, retriever: Retriever) -> None:
    answer = written_by(SilentWriter(), retriever).ask(kb, Question("什么是死锁？"))
    assert answer.refused and answer.reason == prompts.NO_SENTENCE["zh"]
    assert answer.answer == prompts.REFUSAL["zh"] and answer.model == "silent"


@pytest.mark.parametrize("blank", ["", "   ", "\n\t", "\u3000"])
def test_a_blank_question_is_an_error_before_the_first_event(
    kb: LiveKnowledgeBase, answerer: Answerer, blank: str
) -> None:
    with pytest.raises(ConfigError, match="question is empty"):
        answerer.ask(kb, Question(blank))
    with pytest.raises(ConfigError, match="question is empty"):
        answerer.search(kb, blank)
    with pytest.raises(ConfigError, match="question is empty"):
        answerer.stream(kb, Question(blank))


LIES: dict[str, dict[str, Any]] = {
    "invented quote": {"quote": "死锁从不发生。"},
    "shifted": {"start": 1},
    "beyond the text": {"start": 10**6, "end": 10**6 + 4},
    "before the text": {"start": -5, "end": -1},
    "on a page that the book does not have": {"page": 3},
    "book that is not there": {"source": "invented.pdf"},
    "other book": {"source": "databases.md"},
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_false_citation_is_dropped_and_a_true_one_kept(
    kb: LiveKnowledgeBase, retriever: Retriever, lie: dict[str, Any]
) -> None:
    answer = written_by(LyingWriter([lie, {}]), retriever).ask(kb, Question("什么是死锁？"))
    assert [citation.id for citation in answer.citations] == [1, 3]
    assert answer.citations[0].quote.startswith("死锁是指")


def test_a_follow_up_is_answered_about_the_topic_of_the_conversation(kb: LiveKnowledgeBase, answerer: Answerer) -> None:
    answer = answerer.ask(kb, Question("那它的必要条件有哪些？", history=DEADLOCK))
    assert "互斥条件" in answer.answer and "循环等待条件" in answer.answer
    other = answerer.ask(kb, Question("那它的基本单位是什么？", history=(Turn("user", "什么是线程？"),)))
    assert "处理机调度的基本单位" in other.answer


def test_an_answer_and_a_stream_tell_how_a_follow_up_was_understood(kb: LiveKnowledgeBase, answerer: Answerer) -> None:
    first, *_, last = gathered(answerer.stream(kb, Question("那它的必要条件有哪些？", history=DEADLOCK)))
    assert isinstance(first, Retrieved) and isinstance(last, Done)
    assert first.search_query == last.answer.search_query == "死锁的必要条件有哪些？"
    assert set(last.answer.timings_ms) == {"rewrite", "retrieve", "write", "total"}


def test_a_question_used_as_it_is_has_no_other_query(kb: LiveKnowledgeBase, answerer: Answerer) -> None:
    answer = answerer.ask(kb, Question("  什么是进程？ ", history=DEADLOCK))
    assert answer.search_query is None
    assert told(answer) == told(answerer.ask(kb, Question("什么是进程？")))


def test_the_writer_gets_the_whole_conversation(kb: LiveKnowledgeBase, retriever: Retriever) -> None:
    writer = LyingWriter([])
    written_by(writer, retriever).ask(kb, Question("那它的必要条件有哪些？", top_k=3, history=DEADLOCK))
    (task,) = writer.tasks
    assert (task.question, task.history) == ("死锁的必要条件有哪些？", DEADLOCK)
    assert len(task.passages) == 3
    assert task.weights["死锁"] > 0


def test_a_language_models_markers_become_true_citations(kb: LiveKnowledgeBase, retriever: Retriever) -> None:
    chat = ScriptedChat(reply="死锁是指进程互相等待对方的资源。[1] 水是湿的。[42]")
    writer = ModelWriter(chat, "fake", bundled_embedder().encode, Limits(8000, 500))
    answer = written_by(writer, retriever).ask(kb, Question("什么是死锁？"))
    assert answer.answer == "死锁是指进程互相等待对方的资源。[1] 水是湿的。"
    (citation,) = answer.citations
    assert citation.quote.startswith("死锁是指两个或两个以上的进程互相等待")
    assert answer.model == "fake"


def test_search_gives_passages_alone(kb: LiveKnowledgeBase, answerer: Answerer) -> None:
    found = answerer.search(kb, "  银行家算法  ", top_k=1)
    assert [passage.chunk.heading_path for passage in found] == [("死锁", "银行家算法")]
    assert len(answerer.search(kb, "进程")) <= RetrievalSettings().top_k


def test_sentences_of_the_books_answer_on_request_also_where_there_is_a_model(
    kb: LiveKnowledgeBase, retriever: Retriever
) -> None:
    liar = LyingWriter(())
    answerer = written_by(liar, retriever)
    answer = answerer.ask(kb, Question("死锁的四个必要条件是什么？", writer="extractive"))
    assert answer.model == "extractive" and "循环等待条件" in answer.answer and not liar.tasks
    assert answerer.ask(kb, Question("死锁的四个必要条件是什么？")).model == "liar"
