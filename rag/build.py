"""The composition root: the one place where settings become objects that work together."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from langchain_core.language_models import BaseChatModel

from core.errors import ConfigError
from core.settings import LlmSettings, Settings
from rag.answer import Answerer
from rag.answer_cache import AnswerCache
from rag.conversation import ModelRewriter, Rewriter, TermRewriter
from rag.model_writer import Limits, ModelWriter
from rag.retrieve import KebenRetriever, Reranker, Retriever
from rag.trained_prompt import KEBENS_OWN, TrainedPrompt, read_trained_prompt
from rag.writers import ExtractiveWriter, WithFallback, Writer
from vector_db.embedder import Embedder, bundled_embedder, open_embedder
from vector_db.library import open_knowledge_base
from vector_db.reader import LiveKnowledgeBase
from vector_db.tokenizer import warm_up

if TYPE_CHECKING:
    from rag.llm import InternLM2Chat
    from rag.remote import RemoteChat


def build_embedder(settings: Settings, bases: Iterable[LiveKnowledgeBase]) -> Embedder | None:
    """The embedder of the dense leg; None, and no time spent, when no book has vectors."""
    return open_embedder(settings.embedding) if any(kb.has_vectors for kb in bases) else None


def build_retriever(settings: Settings, embedder: Embedder | None) -> Retriever:
    """A retriever whose dictionaries are loaded."""
    warm_up()
    return Retriever(embedder, settings.retrieval, settings.embedding.max_unknown_rate, build_reranker(settings))


def build_reranker(settings: Settings) -> Reranker | None:
    """The cross-encoder that the settings name, loaded; None without one."""
    if settings.retrieval.reranker is None:
        return None
    from rag.rerank import CrossEncoderReranker

    return CrossEncoderReranker(settings.retrieval.reranker)


@dataclass(frozen=True, slots=True)
class Writing:
    """Who writes answers and completes follow-up questions.

    check: raises Overloaded when no more questions can be taken. faults: what is wrong with the model now, by where it
    runs, and whether it can write all the same. close: end what was started for it. load: requests of a local model, by
    whether they run or wait.
    """

    writer: Writer
    rewriter: Rewriter
    faults: Callable[[], tuple[bool, Mapping[str, str]]] = lambda: (True, {})
    close: Callable[[], None] = lambda: None
    load: Callable[[], Mapping[str, int]] = dict


def build_writing(settings: Settings, threads: Executor | None = None) -> Writing:
    """The extractive writer, or the language model that the settings name, loaded.

    threads: those that compute beside the model; None: those of the event loop.
    """
    llm = settings.llm
    if llm.urls:
        from rag.remote import RemoteChat

        remote = RemoteChat(settings=llm)
        limits = Limits(remote.limit, llm.max_new_tokens)
        writer = _model_writer(remote, remote.name_there, limits, llm, threads)
        rewriter = ModelRewriter(remote, remote.get_num_tokens, limits.context)
        return Writing(writer, rewriter, remote.faults, remote.close)
    if llm.model:
        from rag.llm import InternLM2Chat

        chat = InternLM2Chat(folder=llm.model, settings=llm)
        limits = Limits(chat.limit, llm.max_new_tokens)
        writer = _model_writer(chat, llm.model.name, limits, llm, threads, chat.check, _prompt(llm, llm.model))
        rewriter = ModelRewriter(chat, chat.get_num_tokens, limits.context)
        return Writing(writer, rewriter, chat.faults, chat.close, chat.load)
    return Writing(ExtractiveWriter(threads), TermRewriter())


def build_chat(llm: LlmSettings) -> "InternLM2Chat | RemoteChat":
    """The language model itself that the settings name, loaded; it is to be closed. Raises ConfigError for none."""
    if llm.urls:
        from rag.remote import RemoteChat

        return RemoteChat(settings=llm)
    if llm.model is None:
        raise ConfigError("no language model is named", mend="set KEBEN_LLM__MODEL to a folder, or KEBEN_LLM__URLS")
    from rag.llm import InternLM2Chat

    return InternLM2Chat(folder=llm.model, settings=llm)


def _model_writer(
    chat: BaseChatModel,
    name: str,
    limits: Limits,
    llm: LlmSettings,
    threads: Executor | None,
    check: Callable[[], None] = lambda: None,
    prompt: TrainedPrompt = KEBENS_OWN,
) -> Writer:
    embed = bundled_embedder().encode
    writer = ModelWriter(
        chat, name, embed, limits, unsupported=llm.unsupported, check=check, prompt=prompt, threads=threads
    )
    return WithFallback(writer, ExtractiveWriter(threads)) if llm.fallback else writer


def _prompt(llm: LlmSettings, folder: Path) -> TrainedPrompt:
    trained = read_trained_prompt(folder)
    return trained if llm.prompt == "auto" or llm.prompt == trained.form else TrainedPrompt(llm.prompt)


def build_answerer(
    settings: Settings,
    embedder: Embedder | None,
    writing: Writing | None = None,
    cache: AnswerCache | None = None,
    threads: Executor | None = None,
) -> Answerer:
    """Everything that answering needs, loaded. Without `writing`, sentences of the books are the answer.

    cache, threads: as in Answerer.
    """
    writing = writing or Writing(ExtractiveWriter(threads), TermRewriter())
    retriever = build_retriever(settings, embedder)
    return Answerer(retriever, writing.writer, writing.rewriter, settings.retrieval, cache, threads)


def build_cache(settings: Settings) -> AnswerCache:
    """Where a server keeps answers."""
    server = settings.server
    return AnswerCache(server.cache_answers, server.cache_mb, settings.llm.temperature if uses_model(settings) else 0)


def uses_model(settings: Settings) -> bool:
    """Whether a language model writes."""
    return bool(settings.llm.urls or settings.llm.model)


def langchain_retriever(
    settings: Settings, kb: str, top_k: int | None = None, books: Sequence[str] = (), subjects: Sequence[str] = ()
) -> KebenRetriever:
    """A knowledge base, or the books of it that `books` and `subjects` name, for LangChain chains of your own."""
    base = open_knowledge_base(settings, kb)
    retriever = build_retriever(settings, build_embedder(settings, [base]))
    return KebenRetriever(
        knowledge_base=base,
        retriever=retriever,
        top_k=top_k or settings.retrieval.top_k,
        books=tuple(books),
        subjects=tuple(subjects),
    )
