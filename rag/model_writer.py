"""Answers that a language model writes from passages, checked against them."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from core.text import plain, without_invisible
from core.types import Citation, GenerationOptions, Passage, Trimmed, Unsupported, Usage
from rag import prompts
from rag.citation_check import Checked, CheckedStream, Statement, check
from rag.draft import cite
from rag.markers import MarkerStream, numbers_in, without_markers
from rag.messages import Asked, bare_messages, messages
from rag.retrieve import coverage
from rag.support import Embed, evidence_of
from rag.threads import run_in
from rag.trained_prompt import KEBENS_OWN, TrainedPrompt
from rag.units import units_of
from rag.writers import Abandoned, Draft, Task
from vector_db.tokenizer import tokens

_OPTIONS = ("max_new_tokens", "temperature", "top_p", "top_k", "repetition_penalty", "seed")


@dataclass(frozen=True, slots=True)
class Limits:
    """Tokens. context: longest prompt and answer together. answer: longest answer, where the request does not say."""

    context: int
    answer: int


class ModelWriter:
    """Has a LangChain chat model write from the numbered passages, and holds each sentence against them.

    embed: for what is said in other words, or in another language. unsupported: what becomes of a sentence that no
    passage supports. check: raises Overloaded when the model takes no more. threads: those that check; None: those of
    the event loop.
    """

    def __init__(
        self,
        chat: BaseChatModel,
        name: str,
        embed: Embed,
        limits: Limits,
        *,
        unsupported: Literal["flag", "drop"] = "flag",
        check: Callable[[], None] = lambda: None,
        prompt: TrainedPrompt = KEBENS_OWN,
        threads: Executor | None = None,
    ) -> None:
        self._chat, self._embed, self._limits = chat, embed, limits
        self._drop = unsupported == "drop"
        self._check = check
        self._prompt = prompt
        self._threads = threads
        self.model = name

    def check(self) -> None:
        """Raises what the model raises when it is full."""
        self._check()

    async def stream(self, task: Task) -> AsyncIterator[str | Abandoned | Draft]:
        """Tokens as the model gives them, markers whole; with "drop", sentences when they have been checked.

        The draft holds the checked answer, with markers where passages support it and nowhere else. Raises
        ConfigError for a question that the model's context cannot hold, and what the model raises.
        """
        answer = task.options.max_new_tokens or self._limits.answer
        room = max(1, self._limits.context - min(answer, self._limits.context // 2))
        asked = Asked(task.question, task.passages, task.history, task.mode, task.course)
        sent, trimmed = await run_in(self._threads, self._messages, asked, room)
        passages = task.passages[: len(task.passages) - trimmed.passages]
        evidence = await run_in(self._threads, evidence_of, passages, task.question, self._embed, task.glossary)
        shown = CheckedStream(evidence, "drop") if self._drop else MarkerStream(len(passages))
        written: list[str] = []
        usage: Usage | None = None
        cut_short = False
        async for chunk in self._chat.astream(sent, **bound(task.options, task.client)):
            if chunk.usage_metadata:
                usage = Usage(chunk.usage_metadata["input_tokens"], chunk.usage_metadata["output_tokens"])
            cut_short = cut_short or chunk.response_metadata.get("finish_reason") == "length"
            text = without_invisible(str(chunk.text))
            written.append(text)
            if piece := shown.feed(text):
                yield piece
        if piece := shown.finish():
            yield piece
        if isinstance(shown, CheckedStream):
            checked = shown.checked
        else:
            checked = await run_in(self._threads, check, "".join(written).strip(), evidence)
        if prompts.says_nothing(checked.text):
            checked = Checked("", ())
        yield Draft(
            checked.text.strip(),
            _citations(checked, passages),
            usage=usage,
            unsupported=_unsupported(checked),
            trimmed=None if trimmed == Trimmed() else trimmed,
            cut_short=cut_short,
        )

    def _messages(self, asked: Asked, room: int) -> tuple[list[BaseMessage], Trimmed]:
        if self._prompt.form == "question" and asked.mode == "grounded":
            return bare_messages(asked, self._prompt.system, self._chat.get_num_tokens, room)
        return messages(asked, self._chat.get_num_tokens, room)


def bound(options: GenerationOptions, client: str) -> dict[str, Any]:
    """The options of a request as a chat model takes them."""
    values = {name: getattr(options, name) for name in _OPTIONS if getattr(options, name) is not None}
    return values | ({"stop": list(options.stop)} if options.stop else {}) | ({"client": client} if client else {})


def _citations(checked: Checked, passages: Sequence[Passage]) -> tuple[Citation, ...]:
    citing: dict[int, str] = {}
    for statement in checked.statements:
        sentence = checked.text[statement.start : statement.end]
        for number in numbers_in(sentence, len(passages)):
            citing[number] = citing.get(number, "") + " " + without_markers(sentence)
    return tuple(_best_quote(number, said, passages[number - 1]) for number, said in sorted(citing.items()))


def _best_quote(number: int, said: str, passage: Passage) -> Citation:
    """The unit of the cited passage that shares most with the sentences that cite it."""
    weights: Mapping[str, float] = dict.fromkeys(tokens(said), 1.0)
    units = units_of(passage, number - 1)
    best = max(units, key=lambda unit: (coverage(weights, tokens(plain(unit.text(passage)))), -unit.order))
    return cite(number, passage, best.start, best.end)


def _unsupported(checked: Checked) -> tuple[Unsupported, ...]:
    found = [_told(checked, statement) for statement in checked.statements if not statement.supported]
    return (*found, *(Unsupported(text, None, None, "dropped", ()) for text in checked.dropped))


def _told(checked: Checked, statement: Statement) -> Unsupported:
    text = checked.text[statement.start : statement.end]
    return Unsupported(text, statement.start, statement.end, statement.reason or "no-passage", statement.values)
