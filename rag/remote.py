"""A model that other machines serve: any OpenAI-compatible server, or several, behind one LangChain chat model."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import httpx
import openai
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI
from pydantic import ConfigDict, PrivateAttr

from core.errors import ModelError
from core.settings import LlmSettings
from rag.context import estimated_tokens
from rag.llm import whole_result
from rag.replicas import Attempt, Replica, Replicas, said

_CONNECT_SECONDS = 5.0
_CONTEXT = 8192  # what every chat model that is served today reads
# Of our options, those that OpenAI's own interface does not have: vLLM, SGLang and LMDeploy take them so.
_EXTRA = ("top_k", "repetition_penalty")
# What langchain-openai raises for a server that fails, and for one that sends something else than a chat.
_FAULTS = (openai.OpenAIError, httpx.HTTPError, ValueError, TypeError, LookupError, AttributeError)
_PLAIN = {"max_new_tokens": "max_tokens", "temperature": "temperature", "top_p": "top_p", "seed": "seed"}


class RemoteChat(BaseChatModel):
    """Shares requests out over the servers of `settings.urls`.

    The one with the fewest answers under way writes the next. One that fails is left out for a while, and until the
    first token the next one is asked instead, `settings.retries` times. Options as of `InternLM2Chat`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    settings: LlmSettings

    _replicas: Replicas = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Ask the servers for the model's name where the settings have none. Raises ModelError when none answers."""
        name = self.settings.served_name or served_name(self.settings)
        timeout = httpx.Timeout(self.settings.timeout_seconds, connect=_CONNECT_SECONDS)
        servers = []
        for url in self.settings.urls:
            # Proxies of the environment are for the world outside.
            http = httpx.Client(timeout=timeout, trust_env=False)
            servers.append(Replica(url, http, _client(url, name, self.settings, timeout, http)))
        self._replicas = Replicas(servers)

    @property
    def name_there(self) -> str:
        """The model's name at the servers."""
        return str(self._replicas.servers[0].chat.model_name)

    @property
    def limit(self) -> int:
        """Longest prompt and answer together, in tokens."""
        return self.settings.context_tokens or _CONTEXT

    def faults(self) -> tuple[bool, dict[str, str]]:
        """As `Replicas.faults`."""
        return self._replicas.faults()

    def close(self) -> None:
        """Close the connections."""
        for replica in self._replicas.servers:
            replica.http.close()

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
        attempt = Attempt(self._replicas, self.settings.retries)
        while replica := attempt.next():
            try:
                for chunk in replica.chat._stream(messages, stop, run_manager, **_options(replica, kwargs)):
                    attempt.told = True
                    yield chunk
                attempt.ended()
                return
            except _FAULTS as error:
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
        attempt = Attempt(self._replicas, self.settings.retries)
        while replica := attempt.next():
            try:
                async for chunk in replica.chat._astream(messages, stop, run_manager, **_options(replica, kwargs)):
                    attempt.told = True
                    yield chunk
                attempt.ended()
                return
            except _FAULTS as error:
                await _pause(attempt.failed(error))
            finally:
                attempt.left()
        raise attempt.fault()


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
            faults.append(f"{url}: {said(error)}")
    raise ModelError(
        f"no server tells which model it has: {'; '.join(faults)}",
        mend="start one of them, or name the model: KEBEN_LLM__SERVED_NAME",
    )


def _client(url: str, name: str, settings: LlmSettings, timeout: httpx.Timeout, http: httpx.Client) -> ChatOpenAI:
    # Retries are ours, from server to server.
    options: dict[str, Any] = {
        "model": name,
        "base_url": url,
        "api_key": _key(settings),
        "timeout": timeout,
        "max_retries": 0,
        "stream_usage": True,
        "max_tokens": settings.max_new_tokens,
        "temperature": settings.temperature,
        "http_client": http,
        # Variables of the environment that langchain-openai reads are meant for OpenAI's own service.
        "openai_proxy": None,
        "output_version": "v0",
        # No connection is kept: the next request may come from another event loop.
        "http_async_client": httpx.AsyncClient(
            timeout=timeout, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
        ),
    }
    if settings.temperature > 0:
        options["top_p"] = settings.top_p
    return ChatOpenAI(**options)


def _key(settings: LlmSettings) -> str:
    return settings.api_key.get_secret_value() if settings.api_key else "none"


def _options(replica: Replica, given: dict[str, Any]) -> dict[str, Any]:
    options = {_PLAIN[name]: value for name, value in given.items() if name in _PLAIN}
    extra = {name: given[name] for name in _EXTRA if name in given}
    return options | ({"extra_body": extra} if extra and not replica.plain else {})


async def _pause(seconds: float) -> None:
    if seconds:
        await asyncio.sleep(seconds)
