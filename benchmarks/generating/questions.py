"""Questions for headings of the sample books, and the prompts that the service makes of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from random import Random

from ingestion.probe import keben_environment

from core.settings import PROJECT, LlmSettings, RetrievalSettings, Settings
from core.text import language_of
from generating.baselines import Messages
from ingest.rebuild import rebuild
from rag.answer import Question
from rag.build import Writing, build_answerer, build_embedder
from rag.conversation import TermRewriter
from rag.messages import Asked, messages
from rag.writers import Draft, Task
from vector_db.library import open_knowledge_base

_BOOKS = PROJECT / "knowledge"
_ASKING = {"zh": "{}是什么？请详细解释。", "en": "What is {}? Explain it in detail."}
_ROLES = {"system": "system", "human": "user", "ai": "assistant"}


def environment(folder: Path, llm: LlmSettings) -> dict[str, str]:
    """Settings of the served knowledge base in `folder`, which refuses nothing, with the model beside it."""
    model = {
        f"KEBEN_LLM__{name.upper()}": str(getattr(llm, name))
        for name in ("max_running", "max_new_tokens", "timeout_seconds", "compile")
    }
    return keben_environment(
        folder, _BOOKS, KEBEN_LLM__MODEL=str(folder / "model"), KEBEN_RETRIEVAL__MIN_RELEVANCE="0", **model
    )


def sample_questions(folder: Path, count: int) -> tuple[list[str], list[Messages]]:
    """Build the sample knowledge base in `folder`; `count` questions and what a model is sent for each."""
    settings = Settings(data_dir=folder / "data", source_dir=_BOOKS, retrieval=RetrievalSettings(min_relevance=0.0))
    rebuild(settings, settings.kb)
    recorder = _Recorder()
    with closing(open_knowledge_base(settings, settings.kb)) as base:
        with base.generation() as generation:
            chunks = [chunk for book in generation.books for chunk, _ in generation.store.of_book(book)]
            headings = sorted({chunk.heading_path[-1] for chunk in chunks if chunk.heading_path})
        Random("headings").shuffle(headings)
        asked = [_ASKING[language_of(heading)].format(heading) for heading in headings[:count]]
        answerer = build_answerer(settings, build_embedder(settings, [base]), Writing(recorder, TermRewriter()))
        for question in asked:
            asyncio.run(answerer.answer(base, Question(question)))
    return asked, recorder.conversations


class _Recorder:
    """A writer that writes nothing and keeps what a model would be sent."""

    model = "recorder"

    def __init__(self) -> None:
        self.conversations: list[Messages] = []

    def check(self) -> None:
        """Always ready."""

    async def stream(self, task: Task) -> AsyncIterator[Draft]:
        """An answer without words."""
        asked = Asked(task.question, task.passages, task.history, task.mode, task.course)
        sent, _ = messages(asked, len, 10**9)
        self.conversations.append([{"role": _ROLES[one.type], "content": str(one.text)} for one in sent])
        yield Draft("", ())
