"""The seam behind which an answer is written: from sentences of the books, or by a language model."""

from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Protocol

from core.errors import ModelError, Overloaded
from core.types import Citation, Course, GenerationOptions, Mode, Passage, Trimmed, Turn, Unsupported, Usage
from rag.draft import answer_text, segments_of
from rag.extractive import select_units
from rag.threads import run_in
from vector_db.glossary import Glossary


@dataclass(frozen=True, slots=True)
class Task:
    """One question to write an answer to, such that it can be understood without `history`.

    weights: importance of the question's terms. client: who asks. course, glossary: of the knowledge base.
    """

    question: str
    passages: Sequence[Passage]
    weights: Mapping[str, float]
    history: Sequence[Turn]
    options: GenerationOptions
    mode: Mode = "grounded"
    client: str = ""
    course: Course = field(default_factory=Course)
    glossary: Glossary | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A written answer. Empty text: no passage answers the question.

    model: who wrote it, where that is not the writer that was asked; fallback: why. unsupported: sentences that no
    passage supports. trimmed: what the model's context had no room for. cut_short: as in `Answer`.
    """

    text: str
    citations: tuple[Citation, ...]
    model: str | None = None
    fallback: str | None = None
    usage: Usage | None = None
    unsupported: tuple[Unsupported, ...] = ()
    trimmed: Trimmed | None = None
    cut_short: bool = False


@dataclass(frozen=True, slots=True)
class Abandoned:
    """The pieces so far do not count: another writer begins anew. reason: what the model failed at."""

    reason: str


class Writer(Protocol):
    """Writes an answer from passages. `model` names it in the response."""

    model: str

    def check(self) -> None:
        """Raises Overloaded when no question can be taken now."""

    def stream(self, task: Task) -> AsyncIterator[str | Abandoned | Draft]:
        """Pieces of text as they come, then one Draft with the whole."""


class ExtractiveWriter:
    """Answers with sentences of the books: needs no model, and cannot invent anything."""

    model = "extractive"

    def __init__(self, threads: Executor | None = None) -> None:
        """threads: those that choose the sentences; None: those of the event loop."""
        self._threads = threads

    def check(self) -> None:
        """It always can."""

    async def stream(self, task: Task) -> AsyncIterator[str | Abandoned | Draft]:
        """One piece for each cited stretch of a book."""
        units = await run_in(self._threads, select_units, task.question, task.weights, task.passages)
        segments = segments_of(units, task.passages)
        for number, segment in enumerate(segments):
            yield ("\n\n" if number else "") + segment.text
        yield Draft(answer_text(segments), tuple(segment.citation for segment in segments))


class WithFallback:
    """Has `second` write where the model of `first` fails, and says so."""

    def __init__(self, first: Writer, second: Writer) -> None:
        self._first, self._second = first, second
        self.model = first.model

    def check(self) -> None:
        """There is always the second."""

    async def stream(self, task: Task) -> AsyncIterator[str | Abandoned | Draft]:
        """The pieces of `first`; or those up to its failure, Abandoned, and all of `second`."""
        try:
            async for piece in self._first.stream(task):
                yield piece
            return
        except (ModelError, Overloaded) as error:
            fault = error.message
        yield Abandoned(fault)
        async for piece in self._second.stream(task):
            yield replace(piece, model=self._second.model, fallback=fault) if isinstance(piece, Draft) else piece
