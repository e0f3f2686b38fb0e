"""Who answers in `keben chat`: a language model with its system prompt and what has been said so far."""

import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage

from rag import prompts


@dataclass(frozen=True, slots=True)
class Said:
    """An answer. tokens: that were written, None where the model does not tell. stopped: by the user, unfinished.

    dropped: messages of the conversation that were left out because it had become too long for the model.
    """

    model: str
    answer: str
    tokens: int | None
    seconds: float
    stopped: bool = False
    dropped: int = 0

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        tokens = {"tokens": self.tokens, "seconds": round(self.seconds, 3)}
        return {"model": self.model, "answer": self.answer, **tokens, "stopped": self.stopped}


@dataclass(slots=True)
class Speaker:
    """One side of the screen. options: of the engine, by name. last: the answer that was given last."""

    name: str
    chat: BaseChatModel
    system: str
    options: dict[str, Any] = field(default_factory=dict)
    last: Said | None = None
    _history: list[BaseMessage] = field(default_factory=list)

    def ask(self, question: str) -> Iterator[str]:
        """The pieces of the answer as they come. What has come is remembered, also when the iterator is closed."""
        self.last = None
        asked = HumanMessage(prompts.bare(question))
        rules = [SystemMessage(self.system)] if self.system else []
        pieces: list[str] = []
        tokens, dropped, stopped, begun = None, 0, True, time.perf_counter()
        stream = self.chat.stream([*rules, *self._history, asked], **self.options)
        try:
            for chunk in stream:
                if isinstance(chunk, AIMessageChunk) and chunk.usage_metadata:
                    tokens = chunk.usage_metadata["output_tokens"]
                dropped = max(dropped, chunk.response_metadata.get("dropped_messages", 0))
                if piece := printable(str(chunk.text)):
                    pieces.append(piece)
                    yield piece
            stopped = False
        finally:
            # The engine goes on writing for a stream that nobody closes.
            if close := getattr(stream, "close", None):
                close()
            answer = "".join(pieces)
            if answer or not stopped:
                self._history += [asked, AIMessage(answer)]
            self.last = Said(self.name, answer, tokens, time.perf_counter() - begun, stopped, dropped)

    def forget(self) -> None:
        """Begin a new conversation."""
        self._history.clear()


def printable(text: str) -> str:
    """`text` without characters that steer a terminal: a model may write anything."""
    return "".join(letter for letter in text if letter in "\n\t" or unicodedata.category(letter) != "Cc")
