"""The rows of a data set as the checks see them. Pure functions."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from core.text import compatible
from finetune.conversations import Conversation, Exchange

Split = Literal["train", "test"]
# What a copy may differ in and still be one: blanks, and the punctuation at its end.
_BLANKS = re.compile(r"\s+")
_BESIDE_CHINESE = re.compile(r"(?<=[\u3000-\u9fff]) | (?=[\u3000-\u9fff])")
_END = " .。!！?？:：;；,，"


@dataclass(frozen=True, slots=True)
class Row:
    """A conversation and where it belongs. number: its place in its part, from 0."""

    conversation: Conversation
    split: Split
    number: int

    @property
    def turns(self) -> tuple[Exchange, ...]:
        return self.conversation.exchanges

    @property
    def source(self) -> str:
        """Where it was read; its place in the data set where that is not known."""
        return self.conversation.source or f"{self.split}, row {self.number + 1}"

    @property
    def question(self) -> str:
        """All that is asked."""
        return "\n".join(turn.input for turn in self.turns)

    @property
    def answer(self) -> str:
        """All that is answered."""
        return "\n".join(turn.output for turn in self.turns)

    @property
    def is_text(self) -> bool:
        """Whether it is running text, which has no question."""
        return self.conversation.kind == "text"

    @property
    def texts(self) -> tuple[str, ...]:
        """Questions, answers and the system prompt, each once."""
        every = (text for turn in self.turns for text in (turn.system, turn.input, turn.output))
        return tuple(dict.fromkeys(text for text in every if text))


def rows_of(conversations: Iterable[Conversation], split: Split) -> tuple[Row, ...]:
    """In order."""
    return tuple(Row(conversation, split, number) for number, conversation in enumerate(conversations))


def same(text: str) -> str:
    """The form in which copies of a text are equal."""
    one_line = _BLANKS.sub(" ", compatible(text)).strip().lower()
    return _BESIDE_CHINESE.sub("", one_line).rstrip(_END)
