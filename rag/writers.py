"""The seam behind which an answer is written: from sentences of the books, or by a language model."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from core.errors import ModelError, Overloaded
from core.text import language_of, plain
from core.types import Citation, GenerationOptions, Mode, Passage, Turn, Usage
from rag import prompts
from rag.draft import answer_text, cite, segments_of
from rag.extractive import select_units
from rag.retrieve import coverage
from rag.units import units_of
from vector_db.tokenizer import tokens

_MARKER = re.compile(r"\[(\d{1,2})\]")


@dataclass(frozen=True, slots=True)
class Task:
    """One question to write an answer to, such that it can be understood without `history`.

    weights: importance of the question's terms.
    """

    question: str
    passages: Sequence[Passage]
    weights: Mapping[str, float]
    history: Sequence[Turn]
    options: GenerationOptions
    mode: Mode = "grounded"
    client: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A written answer. Empty text: no passage answers the question.

    model: who wrote it, where that is not the writer that was asked; fallback: why.
    """

    text: str
    citations: tuple[Citation, ...]
    model: str | None = None
    fallback: str | None = None
    usage: Usage | None = None


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

    def check(self) -> None:
        """It always can."""

    async def stream(self, task: Task) -> AsyncIterator[str | Abandoned | Draft]:
        """One piece for each cited stretch of a book."""
        units = await asyncio.to_thread(select_units, task.question, task.weights, task.passages)
        segments = segments_of(units, task.passages)
        for number, segment in enumerate(segments):
            yield ("\n\n" if number else "") + segment.text
        yield Draft(answer_text(segments), tuple(segment.citation for segment in segments))


class ModelWriter:
    """Has a LangChain chat model write from the numbered passages."""

    def __init__(self, chat: BaseChatModel, name: str, check: Callable[[], None] = lambda: None) -> None:
        self._chat, self._check = chat, check
        self.model = name

    def check(self) -> None:
        """Raises what the model raises when it is full."""
        self._check()

    async def stream(self, task: Task) -> AsyncIterator[str | Abandoned | Draft]:
        """Tokens as the model gives them; markers to passages that do not exist are dropped at the end."""
        pieces: list[str] = []
        usage: Usage | None = None
        options = _bound(task.options) | ({"client": task.client} if task.client else {})
        async for chunk in self._chat.astream(messages_of(task), **options):
            if chunk.usage_metadata:
                usage = Usage(chunk.usage_metadata["input_tokens"], chunk.usage_metadata["output_tokens"])
            piece = str(chunk.text)
            if piece:
                pieces.append(piece)
                yield piece
        text = _valid_markers("".join(pieces).strip(), len(task.passages))
        numbers = sorted({int(number) for number in _MARKER.findall(text)})
        quotes = tuple(_best_quote(number, text, task.passages[number - 1]) for number in numbers)
        yield Draft(text, quotes, usage=usage)


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


def messages_of(task: Task) -> list[BaseMessage]:
    """What the model is sent."""
    language = language_of(task.question)
    history: list[BaseMessage] = [
        (HumanMessage if turn.role == "user" else AIMessage)(prompts.without_turn_markers(turn.content))
        for turn in task.history
    ]
    prompt = prompts.grounded(task.question, task.passages, language)
    return [SystemMessage(prompts.SYSTEM[language]), *history, HumanMessage(prompt)]


def _bound(options: GenerationOptions) -> dict[str, Any]:
    names = ("max_new_tokens", "temperature", "top_p", "top_k", "repetition_penalty", "seed")
    values = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    return {**values, "stop": list(options.stop)} if options.stop else values


def _valid_markers(text: str, count: int) -> str:
    return _MARKER.sub(lambda match: match.group() if 1 <= int(match.group(1)) <= count else "", text)


def _best_quote(number: int, text: str, passage: Passage) -> Citation:
    """The unit of the cited passage that shares most with the sentences that cite it."""
    # A marker belongs to the sentence before it, whether it stands before or after the full stop.
    parts = re.split(r"(?<=[。！？.!?\]])(?!\s*\[\d)", text)
    citing = {term for part in parts if f"[{number}]" in part for term in tokens(_MARKER.sub("", part))}
    weights = dict.fromkeys(citing, 1.0)
    units = units_of(passage, number - 1)
    best = max(units, key=lambda unit: (coverage(weights, tokens(plain(unit.text(passage)))), -unit.order))
    return cite(number, passage, best.start, best.end)
