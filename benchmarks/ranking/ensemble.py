"""Hybrid search as a user of LangChain writes it: EnsembleRetriever over BM25Retriever and InMemoryVectorStore."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore

from core.errors import ConfigError
from evaluate.gold import Unit
from ranking.passages import Passages, Vectors
from ranking.words import jieba_words

PACKAGES = ("langchain_classic", "langchain_community", "rank_bm25")


def require_packages() -> None:
    """Raise ConfigError naming what is not installed."""
    if absent := [name for name in PACKAGES if find_spec(name) is None]:
        raise ConfigError(
            f"LangChain's hybrid search needs {', '.join(absent)}",
            mend="pip install '.[bench]' in the environment of Keben, or leave it out with --without-langchain",
        )


class _Known(Embeddings):
    """Vectors that were made before, so that both systems have the same and neither makes them twice."""

    def __init__(self, vectors: Mapping[str, Vectors]) -> None:
        self._vectors = vectors

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self._vectors[text]  # type: ignore[return-value]  # An array is what the store makes of it anyway.


def ensemble(
    passages: Passages, vectors: Vectors, questions: Sequence[str], asked: Vectors, depth: int
) -> Iterator[list[Unit]]:
    """For each question the best passages. vectors, asked: of passages and questions, shape (n, dimension)."""
    from langchain_classic.retrievers import EnsembleRetriever
    from langchain_community.retrievers import BM25Retriever

    texts = [*passages.words, *questions]
    embeddings = _Known(dict(zip(texts, [*vectors, *asked], strict=True)))
    documents = [Document(words, metadata={"row": row}) for row, words in enumerate(passages.words)]
    keywords = BM25Retriever.from_documents(documents, preprocess_func=jieba_words, k=depth)
    store = InMemoryVectorStore.from_documents(documents, embeddings)
    meaning = store.as_retriever(search_kwargs={"k": depth})
    both = EnsembleRetriever(retrievers=[keywords, meaning], weights=[0.5, 0.5])
    for question in questions:
        yield [passages.units[found.metadata["row"]] for found in both.invoke(question)[:depth]]
