"""Opens the knowledge base that answers are held against."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import lru_cache

from core.settings import Settings
from core.types import Passage
from finetune.audit.books import Books
from rag.build import build_embedder, build_retriever
from vector_db.embedder import bundled_embedder
from vector_db.library import open_knowledge_base


@contextmanager
def open_books(settings: Settings, kb: str) -> Iterator[Books]:
    """One generation of the knowledge base, from first question to last. Raises KnowledgeBaseError."""
    with closing(open_knowledge_base(settings, kb)) as base, base.generation() as generation:
        retriever = build_retriever(settings, build_embedder(settings, [base]))

        @lru_cache(maxsize=1024)
        def search(question: str) -> tuple[Passage, ...]:
            return tuple(retriever.search(generation, question, settings.retrieval.top_k, None))

        yield Books(kb, search, bundled_embedder().encode, generation.lexical.glossary)
