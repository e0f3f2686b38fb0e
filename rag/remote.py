"""A model that other machines serve: any OpenAI-compatible server, or several, behind one LangChain chat model."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import httpx
import openai
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI
from pydantic import ConfigDict, PrivateAttr

from core.errors import KebenError, ModelError, Overloaded
from core.settings import LlmSettings
from rag.context import estimated_tokens
from rag.llm import whole_result

_CONNECT_SECONDS = 5.0
# A server that failed is left out for so long, twice as long each time, until it has answered.
_SHORTEST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
# Of our options, those that OpenAI's own interface does not have: vLLM, SGLang and LMDeploy take them so.
_EXTRA = ("top_k", "repetition_penalty")
_PLAIN = {"max_new_tokens": "max_tokens", "temperature": "temperature", "top_p": "top_p", "seed": "seed"}


@dataclass(eq=False, slots=True)
class _Replica:
    """One server. resting_until: by the monotonic clock. plain: it refuses options that OpenAI does not have."""

    url: str
    chat: ChatOpenAI
    running: int = 0
    failures: int = 0
    resting_until: float = 0.0
    fault: str | None = None
    plain: bool = False


class RemoteChat(BaseChatModel):
    """Shares requests out over the servers of `settings.urls`.

    The one with the fewest answers under way writes the next. One that fails is left out for a while, and until the
    first token the next one is asked instead, `settings.retries` times. Options as of `InternLM2Chat`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    settings: LlmSettings

    _replicas: list[_Replica] = PrivateAttr()
    _guard: Lock = PrivateAttr(default_factory=Lock)

    def model_post_init(self, context: Any, /) -> None:
        """Ask the servers for the model's name where the settings have none. Raises ModelError when none answers."""
        name = self.settings.served_name or served_name(self.settings)
        self._replicas = [_Replica(url, _client(url, name, self.settings)) for url in self.settings.urls]

    @property
    def name_there(self) -> str:
        """The model's name at the servers."""
        return str(self._replicas[0].chat.model_name)

    def faults(self) -> tuple[bool, dict[str, str]]:
        """Whether any server can be asked now, and what is wrong with the others, by URL."""
        with self._guard:
            faults = {replica.url: replica.fault for replica in self._replicas if replica.fault}
        return len(faults) < len(self._replicas), faults

    def get_num_tokens(self, text: str) -> int:
        """An upper estimate: the tokenizer is elsewhere."""
        return estimated_tokens(text)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """An upper estimate, with what a chat template puts around each message."""
        return sum(estimated_tokens(str(message.text)) + 8 for message in messages)

    @property
    def _llm_type(self) -> str:
        return "openai-compatible"

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
        attempt = _Attempt(self)
        while replica := attempt.next():
            try:
                for chunk in replica.chat._stream(messages, stop, run_manager, **_options(replica, kwargs)):
                    attempt.told = True
                    yield chunk
                attempt.succeeded()
                return
            except (openai.OpenAIError, httpx.HTTPError) as error:
                time.sleep(attempt.failed(error))
            finally:
                attempt.left()
        raise attempt.fault()

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        attempt = _Attempt(self)
        while replica := attempt.next():
            try:
                async for chunk in replica.chat._astream(messages, stop, run_manager, **_options(replica, kwargs)):
                    attempt.told = True
                    yield chunk
                attempt.succeeded()
                return
            except (openai.OpenAIError, httpx.HTTPError) as error:
                await _pause(attempt.failed(error))
            finally:
                attempt.left()
        raise attempt.fault()

    def _least_loaded(self, tried: set[str]) -> _Replica | None:
        """The server that is to write, counted as running; those that rest come last, the longest rested first."""
        now = time.monotonic()
        with self._guard:
            left = [replica for replica in self._replicas if replica.url not in tried]
            if not left:
                return None
            chosen = min(left, key=lambda one: (one.resting_until if one.resting_until > now else 0.0, one.running))
            chosen.running += 1
            return chosen


class _Attempt:
    """One request, from server to server. told: a token has been given out, so no other server can go on."""

    def __init__(self, chat: RemoteChat) -> None:
        self._chat = chat
        self._left = chat.settings.retries + 1
        self._tried: set[str] = set()
        self._replica: _Replica | None = None
        self._faults: dict[str, Exception] = {}
        self.told = False

    def next(self) -> _Replica | None:
        """The next server to ask; None when there is nobody, or no try, left."""
        if self._left == 0 or self.told:
            return None
        self._left -= 1
        self._replica = self._chat._least_loaded(self._tried)
        if self._replica is None and self._faults and _may_pass(self._faults):
            self._tried.clear()
            self._replica = self._chat._least_loaded(self._tried)
        return self._replica

    def succeeded(self) -> None:
        """The server that was asked is well."""
        assert self._replica
        with self._chat._guard:
            self._replica.failures, self._replica.resting_until, self._replica.fault = 0, 0.0, None

    def failed(self, error: Exception) -> float:
        """Have the server rest; seconds to wait before the next try. Raises ModelError where no other try can help."""
        replica = self._replica
        assert replica
        if not replica.plain and isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError):
            # Perhaps it was one of the options that OpenAI does not have.
            replica.plain = True
            self._left += 1
            return 0.0
        if isinstance(error, openai.APIStatusError) and error.status_code < 500 and error.status_code not in {408, 429}:
            raise _refused(replica, error) from error
        self._faults[replica.url] = error
        self._tried.add(replica.url)
        with self._chat._guard:
            replica.failures += 1
            pause = min(_LONGEST_PAUSE, _SHORTEST_PAUSE * 2 ** (replica.failures - 1))
            replica.resting_until = time.monotonic() + pause
            replica.fault = _said(error)
        others = len(self._tried) < len(self._chat._replicas)
        return 0.0 if others or self.told or not self._left else min(pause, 2.0)

    def left(self) -> None:
        """The server that was asked has one answer less under way."""
        assert self._replica
        with self._chat._guard:
            self._replica.running -= 1

    def fault(self) -> KebenError:
        """Why there is no answer."""
        said = "; ".join(f"{url}: {_said(error)}" for url, error in self._faults.items())
        if self.told:
            return ModelError(f"the answer broke off: {said}", mend="ask again")
        if self._faults and all(isinstance(error, openai.RateLimitError) for error in self._faults.values()):
            return Overloaded(f"the model's servers are full: {said}", mend="ask again in a moment", retry_after=5)
        return ModelError(
            f"no server of the model answers: {said}", mend="start one of them, or correct KEBEN_LLM__URLS"
        )


def served_name(settings: LlmSettings) -> str:
    """The first model that one of the servers lists. Raises ModelError naming each server and its fault."""
    faults: list[str] = []
    for url in settings.urls:
        try:
            listed = httpx.get(
                f"{url.rstrip('/')}/models",
                headers={"Authorization": f"Bearer {_key(settings)}"},
                timeout=_CONNECT_SECONDS,
                trust_env=False,
            )
            listed.raise_for_status()
            return str(listed.json()["data"][0]["id"])
        except (httpx.HTTPError, ValueError, KeyError, IndexError, TypeError) as error:
            faults.append(f"{url}: {_said(error)}")
    raise ModelError(
        f"no server tells which model it has: {'; '.join(faults)}",
        mend="start one of them, or name the model: KEBEN_LLM__SERVED_NAME",
    )


def _client(url: str, name: str, settings: LlmSettings) -> ChatOpenAI:
    timeout = httpx.Timeout(settings.timeout_seconds, connect=_CONNECT_SECONDS)
    # Retries are ours, from server to server; proxies of the environment are for the world outside.
    options: dict[str, Any] = {
        "model": name,
        "base_url": url,
        "api_key": _key(settings),
        "timeout": timeout,
        "max_retries": 0,
        "stream_usage": True,
        "max_tokens": settings.max_new_tokens,
        "temperature": settings.temperature,
        "http_client": httpx.Client(timeout=timeout, trust_env=False),
        "http_async_client": httpx.AsyncClient(timeout=timeout, trust_env=False),
    }
    if settings.temperature > 0:
        options["top_p"] = settings.top_p
    return ChatOpenAI(**options)


def _key(settings: LlmSettings) -> str:
    return settings.api_key.get_secret_value() if settings.api_key else "none"


def _options(replica: _Replica, given: dict[str, Any]) -> dict[str, Any]:
    options = {_PLAIN[name]: value for name, value in given.items() if name in _PLAIN}
    extra = {name: given[name] for name in _EXTRA if name in given}
    return options | ({"extra_body": extra} if extra and not replica.plain else {})


def _may_pass(faults: dict[str, Exception]) -> bool:
    return any(
        isinstance(
            error, openai.APIConnectionError | openai.InternalServerError | openai.RateLimitError | httpx.HTTPError
        )
        for error in faults.values()
    )


def _refused(replica: _Replica, error: openai.APIStatusError) -> ModelError:
    mend = {
        401: "set KEBEN_LLM__API_KEY",
        403: "set KEBEN_LLM__API_KEY to a key that may use the model",
        404: f"set KEBEN_LLM__SERVED_NAME to a model that {replica.url}/models lists",
    }.get(error.status_code, "see what the server says; a shorter question or a smaller top_k may help")
    return ModelError(f"{replica.url} refuses: {_said(error)}", mend=mend)


def _said(error: Exception) -> str:
    if isinstance(error, openai.APITimeoutError):
        return "no answer in time"
    if isinstance(error, openai.APIConnectionError) and error.__cause__ is not None:
        return str(error.__cause__) or type(error.__cause__).__name__
    return (str(error) or type(error).__name__)[:300]


async def _pause(seconds: float) -> None:
    if seconds:
        await asyncio.sleep(seconds)
