"""The seam behind which an answer is written: from sentences of the books, or by a language model."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from core.text import language_of, plain
from core.types import Citation, GenerationOptions, Passage, Turn
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


@dataclass(frozen=True, slots=True)
class Draft:
    """A written answer. Empty text: no passage answers the question."""

    text: str
    citations: tuple[Citation, ...]


class Writer(Protocol):
    """Writes an answer from passages. `model` names it in the response."""

    model: str

    def stream(self, task: Task) -> Iterator[str | Draft]:
        """Pieces of text as they come, then one Draft with the whole."""


class ExtractiveWriter:
    """Answers with sentences of the books: needs no model, and cannot invent anything."""

    model = "extractive"

    def stream(self, task: Task) -> Iterator[str | Draft]:
        """One piece for each cited stretch of a book."""
        units = select_units(task.question, task.weights, task.passages)
        segments = segments_of(units, task.passages)
        for number, segment in enumerate(segments):
            yield ("\n\n" if number else "") + segment.text
        yield Draft(answer_text(segments), tuple(segment.citation for segment in segments))


class ModelWriter:
    """Has a LangChain chat model write from the numbered passages."""

    def __init__(self, chat: BaseChatModel, name: str) -> None:
        self._chat = chat
        self.model = name

    def stream(self, task: Task) -> Iterator[str | Draft]:
        """Tokens as the model gives them; markers to passages that do not exist are dropped at the end."""
        pieces: list[str] = []
        for chunk in self._chat.stream(_messages(task), **_bound(task.options)):
            piece = str(chunk.text)
            if piece:
                pieces.append(piece)
                yield piece
        text = _valid_markers("".join(pieces).strip(), len(task.passages))
        numbers = sorted({int(number) for number in _MARKER.findall(text)})
        yield Draft(text, tuple(_best_quote(number, text, task.passages[number - 1]) for number in numbers))


def _messages(task: Task) -> list[BaseMessage]:
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
