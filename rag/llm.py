"""A merged InternLM2 (or any chat model that transformers reads natively) as a LangChain chat model."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, PrivateAttr

from core.errors import ConfigError, KebenError, ModelError
from core.settings import LlmSettings
from rag.engine.engine import Engine, EngineState
from rag.engine.folder import inspect_folder
from rag.engine.messages import Written
from rag.engine.options import Options, options_of
from rag.engine.text import TextStream

_ROLES = {"human": "user", "ai": "assistant", "system": "system"}
# The engine notices a model that hangs by itself; this is for who waits in the queue.
_GRACE_SECONDS = 2.0


class InternLM2Chat(BaseChatModel):
    """Loads a folder with safetensors weights and a chat template; never runs code from it.

    All calls, from any thread or task, share one model and are written together. Options that may be bound or passed
    with a call: max_new_tokens, temperature (0: greedy), top_p, top_k, repetition_penalty, seed, stop; client, a name
    by which callers take turns. A conversation longer than the model reads loses its oldest turns; the response's
    metadata tells how many messages (`dropped_messages`), and of an answer that was cut at max_new_tokens that its
    `finish_reason` is "length".
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    folder: Path
    settings: LlmSettings

    _engine: Engine = PrivateAttr()
    _tokenizer: Any = PrivateAttr()
    _ends: frozenset[int] = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Load the model in a process of its own. Raises ModelError naming the folder and the fault."""
        from transformers import AutoTokenizer

        described = inspect_folder(self.folder, self.settings)
        self._tokenizer = AutoTokenizer.from_pretrained(self.folder, local_files_only=True, trust_remote_code=False)
        self._tokenizer.chat_template = described.chat_template
        self._ends = frozenset(self._tokenizer.all_special_ids)
        self._engine = Engine(self.folder, self.settings)

    @property
    def limit(self) -> int:
        """Longest prompt and answer together, in tokens."""
        return self._engine.limit

    def state(self) -> EngineState:
        """Whether the model can write now, and how busy it is."""
        return self._engine.state()

    def load(self) -> dict[str, int]:
        """How many requests run and wait."""
        state = self.state()
        return {"running": state.running, "waiting": state.waiting}

    def check(self) -> None:
        """Raises Overloaded when no more requests are taken."""
        self._engine.check()

    def faults(self) -> tuple[bool, dict[str, str]]:
        """Whether the model can write now, and if not, why."""
        state = self.state()
        return state.status == "ready", {str(self.folder): state.fault} if state.fault else {}

    def close(self) -> None:
        """End the model's process."""
        self._engine.close()

    def get_num_tokens(self, text: str) -> int:
        """Length of `text`, as it stands inside a message."""
        return len(self._tokenizer.encode(text, add_special_tokens=False))

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """Length of the prompt that the chat template makes of `messages`."""
        return len(self._encode(messages))

    @property
    def _llm_type(self) -> str:
        return "internlm2-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"folder": str(self.folder)}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return whole_result([chunk.message for chunk in self._stream(messages, stop, run_manager, **kwargs)])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return whole_result([chunk.message async for chunk in self._astream(messages, stop, run_manager, **kwargs)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        came: SimpleQueue[Written | KebenError] = SimpleQueue()
        reply = self._reply(messages, stop, kwargs)
        name = self._engine.submit(reply.prompt, reply.options, came.put)
        try:
            while not reply.finished:
                try:
                    piece = reply.feed(came.get(timeout=self.settings.timeout_seconds + _GRACE_SECONDS))
                except Empty:
                    raise self._silence() from None
                if piece:
                    if run_manager:
                        run_manager.on_llm_new_token(piece)
                    yield _chunk(piece)
        finally:
            self._engine.cancel(name)
        yield reply.last()

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        came: asyncio.Queue[Written | KebenError] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        reply = await asyncio.to_thread(self._reply, messages, stop, kwargs)
        name = self._engine.submit(reply.prompt, reply.options, lambda event: _hand_over(loop, came, event))
        try:
            while not reply.finished:
                try:
                    async with asyncio.timeout(self.settings.timeout_seconds + _GRACE_SECONDS):
                        event = await came.get()
                except TimeoutError:
                    raise self._silence() from None
                piece = reply.feed(event)
                if piece:
                    if run_manager:
                        await run_manager.on_llm_new_token(piece)
                    yield _chunk(piece)
        finally:
            self._engine.cancel(name)
        yield reply.last()

    def _reply(self, messages: Sequence[BaseMessage], stop: Sequence[str] | None, given: dict[str, Any]) -> "_Reply":
        options = options_of(self.settings, given, stop)
        kept, prompt, room = list(messages), self._encode(messages), self.limit
        while len(prompt) + options.max_new_tokens > room and (oldest := _oldest_turn(kept)):
            del kept[oldest]
            prompt = self._encode(kept)
        if len(prompt) >= room:
            raise ConfigError(
                f"the prompt has {len(prompt)} tokens, and the model takes {self.limit} with its answer",
                mend="ask a shorter question, or with a smaller top_k",
            )
        options = options.at_most(room - len(prompt))
        text = TextStream(self._tokenizer.backend_tokenizer, options.stop)
        return _Reply(prompt, options, text, len(messages) - len(kept), self._ends)

    def _encode(self, messages: Sequence[BaseMessage]) -> list[int]:
        turns = [{"role": _ROLES[message.type], "content": str(message.text)} for message in messages]
        encoded = self._tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)
        tokens: list[int] = encoded["input_ids"]
        return tokens

    def _silence(self) -> ModelError:
        return ModelError(
            f"the model wrote nothing for {self.settings.timeout_seconds:g} seconds",
            mend="ask again when fewer ask, or raise KEBEN_LLM__TIMEOUT_SECONDS",
        )


class _Reply:
    """An answer as it comes. prompt: tokens. dropped: messages that were left out of it. ends: tokens that end it."""

    def __init__(
        self, prompt: list[int], options: Options, text: TextStream, dropped: int, ends: frozenset[int]
    ) -> None:
        self.prompt, self.options, self._text, self._dropped, self._ends = prompt, options, text, dropped, ends
        self._written = 0
        self._cut_short = False
        self.finished = False

    def feed(self, event: Written | KebenError) -> str:
        """The text that came. Raises what went wrong."""
        if isinstance(event, KebenError):
            raise event
        self._written += len(event.tokens)
        piece = self._text.feed(event.tokens)
        self.finished = event.finished or self._text.ended
        ended = self._text.ended or bool(event.tokens and event.tokens[-1] in self._ends)
        self._cut_short = not ended and self._written >= self.options.max_new_tokens
        return piece + self._text.finish() if self.finished else piece

    def last(self) -> ChatGenerationChunk:
        """The closing chunk: what it has taken, and what was left out."""
        used = len(self.prompt)
        metadata: dict[str, Any] = {"dropped_messages": self._dropped} if self._dropped else {}
        if self._cut_short:
            metadata["finish_reason"] = "length"
        return ChatGenerationChunk(
            message=AIMessageChunk(
                content="",
                usage_metadata=UsageMetadata(
                    input_tokens=used, output_tokens=self._written, total_tokens=used + self._written
                ),
                response_metadata=metadata,
                chunk_position="last",
            )
        )


def _hand_over(
    loop: asyncio.AbstractEventLoop, queue: "asyncio.Queue[Written | KebenError]", event: Written | KebenError
) -> None:
    # A loop that has been closed has nobody left who waits.
    if not loop.is_closed():
        loop.call_soon_threadsafe(queue.put_nowait, event)


def _oldest_turn(messages: Sequence[BaseMessage]) -> slice | None:
    """The oldest question of the history with its answer; never the system's message, never the last question."""
    first = next((place for place, message in enumerate(messages) if message.type != "system"), len(messages))
    end = first + 1
    while end < len(messages) and messages[end].type == "ai":
        end += 1
    return slice(first, end) if end < len(messages) else None


def _chunk(piece: str) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=piece))


def whole_result(chunks: Sequence[BaseMessage]) -> ChatResult:
    """One message out of the streamed ones."""
    text = "".join(str(chunk.text) for chunk in chunks)
    usage = next(
        (one.usage_metadata for one in reversed(chunks) if isinstance(one, AIMessageChunk) and one.usage_metadata), None
    )
    metadata = {name: value for one in chunks for name, value in one.response_metadata.items()}
    message = AIMessage(content=text, usage_metadata=usage, response_metadata=metadata)
    return ChatResult(generations=[ChatGeneration(message=message)])
