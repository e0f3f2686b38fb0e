"""The composition root: the one place where settings become objects that work together."""

from collections.abc import Iterable

from core.settings import Settings
from rag.answer import Answerer
from rag.retrieve import KebenRetriever, Reranker, Retriever
from rag.writers import ExtractiveWriter, ModelWriter, Writer
from vector_db.embedder import Embedder, open_embedder
from vector_db.library import open_knowledge_base
from vector_db.reader import LiveKnowledgeBase
from vector_db.tokenizer import warm_up


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


def build_writer(settings: Settings) -> Writer:
    """The extractive writer, or the language model that the settings name."""
    folder = settings.llm.model
    if folder is None:
        return ExtractiveWriter()
    from rag.llm import InternLM2Chat

    return ModelWriter(InternLM2Chat(folder=folder, settings=settings.llm), folder.name)


def build_answerer(settings: Settings, embedder: Embedder | None) -> Answerer:
    """Everything that answering needs, loaded."""
    return Answerer(build_retriever(settings, embedder), build_writer(settings), settings.retrieval)


def langchain_retriever(settings: Settings, kb: str, top_k: int | None = None) -> KebenRetriever:
    """A knowledge base for LangChain chains of your own."""
    base = open_knowledge_base(settings, kb)
    retriever = build_retriever(settings, build_embedder(settings, [base]))
    return KebenRetriever(knowledge_base=base, retriever=retriever, top_k=top_k or settings.retrieval.top_k)
