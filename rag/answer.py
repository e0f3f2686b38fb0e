"""The ask flow: retrieve, decide, write, check."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

from core.errors import ConfigError
from core.settings import RetrievalSettings
from core.text import language_of
from core.types import Answer, Citation, GenerationOptions, Mode, Passage, Scope, Turn, WriterChoice, answer_id
from rag import prompts
from rag.answer_cache import AnswerCache, Remembered
from rag.conversation import Rewriter
from rag.neighbours import with_neighbours
from rag.retrieve import Retriever, term_weights
from rag.scope import books_of
from rag.threads import run_in
from rag.writers import Abandoned, Draft, ExtractiveWriter, Task, Writer
from vector_db.reader import Generation, LiveKnowledgeBase

_CLOSEST = 3


@dataclass(frozen=True, slots=True)
class Question:
    """One question as it came in. top_k: passages given to the writer; None takes the setting.

    client: who asks; where a model is busy, clients take turns. writer: "extractive" has sentences of the books answer,
    also where there is a model.
    """

    text: str
    top_k: int | None = None
    history: tuple[Turn, ...] = ()
    options: GenerationOptions = field(default_factory=GenerationOptions)
    scope: Scope = field(default_factory=Scope)
    mode: Mode = "grounded"
    client: str = ""
    writer: WriterChoice = "auto"


@dataclass(frozen=True, slots=True)
class Retrieved:
    """First event: the passages, best first. search_query: as in `Answer`."""

    passages: tuple[Passage, ...]
    search_query: str | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the answer's text, in order."""

    text: str


@dataclass(frozen=True, slots=True)
class Restart:
    """The pieces so far do not count: the model failed, and the answer begins anew with sentences of the books."""

    reason: str


@dataclass(frozen=True, slots=True)
class Done:
    """Last event: the whole answer."""

    answer: Answer


Event = Retrieved | Piece | Restart | Done


class Answerer:
    """Answers questions from one knowledge base at a time; safe to share between threads."""

    def __init__(
        self,
        retriever: Retriever,
        writer: Writer,
        rewriter: Rewriter,
        settings: RetrievalSettings,
        cache: AnswerCache | None = None,
        threads: Executor | None = None,
    ) -> None:
        """cache: None answers each question anew. threads: those that search; None: those of the event loop."""
        self._cache = cache
        self._threads = threads
        self._retriever = retriever
        self._writers: dict[WriterChoice, Writer] = {"auto": writer, "extractive": ExtractiveWriter(threads)}
        self._rewriter = rewriter
        self._settings = settings

    def search(
        self, kb: LiveKnowledgeBase, text: str, top_k: int | None = None, scope: Scope | None = None
    ) -> list[Passage]:
        """The best passages for `text`, best first.

        Raises ConfigError for a blank question, and for a book or a subject that the knowledge base does not have.
        """
        with kb.generation() as generation:
            books = books_of(scope or Scope(), generation.books.values())
            return self._retriever.search(generation, _checked(text), top_k or self._settings.top_k, books)

    def ask(self, kb: LiveKnowledgeBase, question: Question) -> Answer:
        """As `answer`, for callers without an event loop."""
        return asyncio.run(self.answer(kb, question))

    async def answer(self, kb: LiveKnowledgeBase, question: Question) -> Answer:
        """The answer to `question`; a refusal is one too. Raises as `stream` and, without fallback, ModelError."""
        async for event in self.stream(kb, question):
            last = event
        assert isinstance(last, Done)
        return last.answer

    def stream(self, kb: LiveKnowledgeBase, question: Question) -> AsyncIterator[Event]:
        """Retrieved, then pieces of text, then Done. One generation serves from first to last.

        Raises ConfigError for a blank question, or a scope without books, and Overloaded, at once, not with the first
        event.
        """
        self._writers[question.writer].check()
        with kb.generation() as generation:
            books_of(question.scope, generation.books.values())
        return self._events(kb, _checked(question.text), question)

    async def _events(self, kb: LiveKnowledgeBase, text: str, question: Question) -> AsyncIterator[Event]:
        with kb.generation() as generation:
            clock = _Clock()
            if self._cache is None:
                async for event in self._fresh(kb, generation, text, question, clock):
                    yield event
                return
            key = self._cache.key(kb.name, generation.manifest.id, question)
            if known := self._cache.get(key):
                for event in _again(known, clock):
                    yield event
                return
            passages: tuple[Passage, ...] = ()
            async for event in self._fresh(kb, generation, text, question, clock):
                if isinstance(event, Retrieved):
                    passages = event.passages
                elif isinstance(event, Done):
                    self._cache.put(key, Remembered(passages, event.answer))
                yield event

    async def _fresh(
        self, kb: LiveKnowledgeBase, generation: Generation, text: str, question: Question, clock: "_Clock"
    ) -> AsyncIterator[Event]:
        writer = self._writers[question.writer]
        query = text
        if question.history:
            # Not in the threads that compute: a model may be waited for.
            query = await asyncio.to_thread(self._rewriter.rewrite, text, question.history)
        rewritten = None if query == text else query
        if rewritten is not None:
            clock.lap("rewrite")
        passages = await run_in(self._threads, self._passages, generation, query, question)
        clock.lap("retrieve")
        yield Retrieved(tuple(passages), rewritten)
        reason = self._reason_to_refuse(generation, text, passages)
        draft = Draft("", ())
        if reason is None:
            task = await run_in(self._threads, _task, generation, query, passages, question)
            async for piece in writer.stream(task):
                match piece:
                    case str():
                        yield Piece(piece)
                    case Abandoned(fault):
                        yield Restart(fault)
                    case Draft():
                        draft = piece
            clock.lap("write")
            reason = None if draft.text else prompts.NO_SENTENCE[language_of(text)]
        if draft.citations:
            draft = replace(draft, citations=await run_in(self._threads, _true, draft.citations, generation))
        answer = self._answer(kb, generation, text, draft, reason, clock, writer.model)
        yield Done(
            replace(
                answer,
                search_query=rewritten,
                closest=_closest(passages) if reason else (),
                usage=draft.usage,
                fallback=draft.fallback,
                unsupported=() if reason else draft.unsupported,
                trimmed=draft.trimmed,
                cut_short=draft.cut_short,
            )
        )

    def _passages(self, generation: Generation, query: str, question: Question) -> list[Passage]:
        books = books_of(question.scope, generation.books.values())
        return self._retriever.search(generation, query, question.top_k or self._settings.top_k, books)

    def threshold(self, generation: Generation) -> float:
        """The relevance, 0 to 1, that the best passage must reach, else the question is refused."""
        calibration = generation.manifest.calibration
        measured = calibration.threshold if calibration else 1.0
        return measured if self._settings.min_relevance is None else self._settings.min_relevance

    def _reason_to_refuse(self, generation: Generation, text: str, passages: Sequence[Passage]) -> str | None:
        language = language_of(text)
        if not passages:
            return prompts.NOTHING_FOUND[language]
        relevance, threshold = max(passage.relevance for passage in passages), self.threshold(generation)
        if relevance < threshold:
            return prompts.TOO_WEAK[language].format(relevance=relevance, threshold=threshold)
        return None

    def _answer(
        self,
        kb: LiveKnowledgeBase,
        generation: Generation,
        text: str,
        draft: Draft,
        reason: str | None,
        clock: "_Clock",
        model: str,
    ) -> Answer:
        refused = reason is not None
        return Answer(
            answer=prompts.REFUSAL[language_of(text)] if refused else draft.text,
            citations=() if refused else draft.citations,
            refused=refused,
            reason=reason,
            model=draft.model or model,
            kb=kb.name,
            generation=generation.manifest.id,
            timings_ms=clock.timings(),
        )


def _task(generation: Generation, query: str, passages: Sequence[Passage], question: Question) -> Task:
    return Task(
        query,
        with_neighbours(passages, generation),
        term_weights(query, generation.lexical),
        question.history,
        question.options,
        question.mode,
        question.client,
        generation.course,
        generation.lexical.glossary,
    )


def _again(known: Remembered, clock: "_Clock") -> Iterator[Event]:
    """The events of an answer that was given before; nothing was read or written for it now."""
    yield Retrieved(known.passages)
    if not known.answer.refused:
        yield Piece(known.answer.answer)
    yield Done(replace(known.answer, id=answer_id(), cached=True, usage=None, timings_ms=clock.timings()))


def _closest(passages: Sequence[Passage]) -> tuple[Passage, ...]:
    return tuple(sorted(passages, key=lambda passage: -passage.relevance)[:_CLOSEST])


def _checked(text: str) -> str:
    if not text.strip():
        raise ConfigError("the question is empty", mend="ask something")
    return text.strip()


def _true(citations: Sequence[Citation], generation: Generation) -> tuple[Citation, ...]:
    return tuple(citation for citation in citations if _is_true(citation, generation))


def _is_true(citation: Citation, generation: Generation) -> bool:
    """Whether the quote stands at its offsets on the cited page of the extracted book."""
    book_id = next((book.id for book in generation.books.values() if book.source == citation.source), None)
    for page, text in generation.store.pages(book_id) if book_id else ():
        if page.start <= citation.start < page.end:
            same_page = page.number == citation.page
            return same_page and text[citation.start - page.start : citation.end - page.start] == citation.quote
    return False


class _Clock:
    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self._laps[name] = round((now - self._last) * 1000, 2)
        self._last = now

    def timings(self) -> dict[str, float]:
        return {**self._laps, "total": round((time.perf_counter() - self._start) * 1000, 2)}
