"""How well a model foretells a file: its mean loss, by which forgetting shows.

    {"conversation": [{"system": "…", "input": "什么是死锁？", "output": "死锁是……"}]}
    {"conversation": [{"input": "", "output": "running text"}]}

Only outputs are foretold, after what stands before them in the model's own chat template; the mark that ends a turn is
not among them. An output after an empty input, alone in its conversation, is plain text. Other fields are ignored.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from pydantic import BaseModel, ConfigDict, Field

from core.errors import ConfigError
from core.settings import LlmSettings
from evaluate.exam.scorer import Scorer, Tokens
from evaluate.loss_results import LossResult, LossRow, loss_result
from evaluate.rows import Words, read_rows


class Exchange(Protocol):
    """What is asked and what is to be foretold. system: the system prompt in force, empty for none."""

    @property
    def input(self) -> str: ...
    @property
    def output(self) -> str: ...
    @property
    def system(self) -> str: ...


class LossExchange(BaseModel):
    """An `Exchange` of a file."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    input: str = ""
    output: Words
    system: str = ""


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore")

    conversation: list[LossExchange] = Field(min_length=1)


Talk = Sequence[Exchange]
# Wraps the conversations to draw progress; gives them back in order.
Track = Callable[[Sequence[Talk]], Iterable[Talk]]


def read_loss_set(path: Path) -> list[list[LossExchange]]:
    """The conversations of a file. Raises ConfigError with file and line."""
    conversations = [row.conversation for _, _, row in read_rows(path, _Row)]
    if not conversations:
        raise ConfigError(f"{path} holds no conversations", mend='write one {"conversation": […]} a line')
    return conversations


def mean_loss(
    folder: Path, conversations: Sequence[Talk], settings: LlmSettings | None = None, *, track: Track = iter
) -> LossResult:
    """The mean negative log-likelihood of a token of the outputs, in nats, by the chat model in `folder`.

    What is longer than the model reads is foretold in pieces, a conversation without its beginning. The same folder
    and settings give the same result. Raises ModelError for a folder that cannot be loaded, and ConfigError when there
    is nothing to foretell.
    """
    with closing(Scorer(folder, settings or LlmSettings())) as scorer:
        return loss_of(scorer, str(folder), conversations, track=track)


def loss_of(scorer: Scorer, name: str, conversations: Sequence[Talk], *, track: Track = iter) -> LossResult:
    """As `mean_loss`, of a model that is loaded already. name: of the model in the result."""
    rows: list[LossRow] = []
    for conversation in track(conversations):
        pairs = [pair for pair in _pairs(scorer, conversation) if pair[1]]
        if not pairs:
            continue
        loss = -sum(scorer.log_likelihoods(pairs))
        rows.append(LossRow(key=_key(conversation), tokens=sum(len(pair[1]) for pair in pairs), loss=loss))
    return loss_result(name, tuple(rows))


def _pairs(scorer: Scorer, conversation: Talk) -> Iterator[tuple[Tokens, Tokens]]:
    """What stands before, and what is to be foretold, in pieces that fit."""
    if len(conversation) == 1 and not conversation[0].input.strip():
        yield from _pieces(scorer.beginning(), scorer.plain(conversation[0].output), scorer.limit)
        return
    said: list[BaseMessage] = []
    for exchange in conversation:
        if exchange.system and not said:
            said.append(SystemMessage(exchange.system))
        said.append(HumanMessage(exchange.input))
        yield from _pieces(*scorer.split(scorer.prompt(said), exchange.output), scorer.limit)
        said.append(AIMessage(exchange.output))


def _pieces(before: Tokens, told: Tokens, limit: int) -> Iterator[tuple[Tokens, Tokens]]:
    """The first token of a text with nothing before it cannot be foretold."""
    if not before:
        before, told = told[:1], told[1:]
    while told:
        kept = before[-(limit // 2) :] if len(before) + len(told) > limit else before
        room = limit - len(kept)
        yield kept, told[:room]
        before, told = before + told[:room], told[room:]


def _key(conversation: Talk) -> str:
    words = repr([(exchange.system, exchange.input, exchange.output) for exchange in conversation])
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()[:16]
