"""Several servers of one model: who is asked next, who rests, and what to say when nobody answers."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

import httpx
import openai
from langchain_openai import ChatOpenAI

from core.errors import KebenError, ModelError, Overloaded

# A server that failed is left out for so long, twice as long each time, until it has answered.
_SHORTEST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_LONGEST_WAIT = 2.0  # for the next try, where no other server is left


@dataclass(eq=False, slots=True)
class Replica:
    """One server. resting_until: by the monotonic clock. plain: it refuses options that OpenAI does not have."""

    url: str
    http: httpx.Client
    chat: ChatOpenAI
    running: int = 0
    failures: int = 0
    resting_until: float = 0.0
    fault: str | None = None
    plain: bool = False


class Replicas:
    """The servers. Safe between threads."""

    def __init__(self, servers: Sequence[Replica]) -> None:
        self.servers = tuple(servers)
        self.guard = Lock()

    def faults(self) -> tuple[bool, dict[str, str]]:
        """Whether any server can be asked now, and what is wrong with the others, by URL."""
        with self.guard:
            faults = {replica.url: replica.fault for replica in self.servers if replica.fault}
        return len(faults) < len(self.servers), faults

    def least_loaded(self, tried: set[str]) -> Replica | None:
        """The server that is to write, counted as running; those that rest come last, the longest rested first."""
        now = time.monotonic()
        with self.guard:
            left = [replica for replica in self.servers if replica.url not in tried]
            if not left:
                return None
            chosen = min(left, key=lambda one: (one.resting_until if one.resting_until > now else 0.0, one.running))
            chosen.running += 1
            return chosen


class Attempt:
    """One request, from server to server. told: a token has been given out, so no other server can go on."""

    def __init__(self, replicas: Replicas, retries: int) -> None:
        self._replicas = replicas
        self._left = retries + 1
        self._tried: set[str] = set()
        self._replica: Replica | None = None
        self._faults: dict[str, Exception] = {}
        self.told = False

    def next(self) -> Replica | None:
        """The next server to ask; None when there is nobody, or no try, left."""
        if self._left == 0 or self.told:
            return None
        self._left -= 1
        self._replica = self._replicas.least_loaded(self._tried)
        if self._replica is None and self._faults and _may_pass(self._faults):
            self._tried.clear()
            self._replica = self._replicas.least_loaded(self._tried)
        return self._replica

    def ended(self) -> None:
        """The server that was asked has said all. Raises ValueError if that was nothing, as of a page to log in."""
        assert self._replica
        if not self.told:
            raise ValueError("an empty response")
        with self._replicas.guard:
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
        with self._replicas.guard:
            replica.failures += 1
            pause = min(_LONGEST_PAUSE, _SHORTEST_PAUSE * 2 ** (replica.failures - 1))
            replica.resting_until = time.monotonic() + pause
            replica.fault = said(error)
        others = len(self._tried) < len(self._replicas.servers)
        return 0.0 if others or self.told or not self._left else min(pause, _LONGEST_WAIT)

    def left(self) -> None:
        """The server that was asked has one answer less under way."""
        assert self._replica
        with self._replicas.guard:
            self._replica.running -= 1

    def fault(self) -> KebenError:
        """Why there is no answer."""
        faults = "; ".join(f"{url}: {said(error)}" for url, error in self._faults.items())
        if self.told:
            return ModelError(f"the answer broke off: {faults}", mend="ask again")
        if self._faults and all(isinstance(error, openai.RateLimitError) for error in self._faults.values()):
            return Overloaded(f"the model's servers are full: {faults}", mend="ask again in a moment", retry_after=5)
        return ModelError(
            f"no server of the model answers: {faults}", mend="start one of them, or correct KEBEN_LLM__URLS"
        )


def _may_pass(faults: dict[str, Exception]) -> bool:
    return any(
        isinstance(
            error, openai.APIConnectionError | openai.InternalServerError | openai.RateLimitError | httpx.HTTPError
        )
        for error in faults.values()
    )


def _refused(replica: Replica, error: openai.APIStatusError) -> ModelError:
    mend = {
        401: "set KEBEN_LLM__API_KEY",
        403: "set KEBEN_LLM__API_KEY to a key that may use the model",
        404: f"set KEBEN_LLM__SERVED_NAME to a model that {replica.url}/models lists",
    }.get(error.status_code, "see what the server says; a shorter question or a smaller top_k may help")
    return ModelError(f"{replica.url} refuses: {said(error)}", mend=mend)


def said(error: Exception) -> str:
    """What an error says to people."""
    if isinstance(error, openai.APITimeoutError):
        return "no answer in time"
    if isinstance(error, openai.APIConnectionError) and error.__cause__ is not None:
        return str(error.__cause__) or type(error.__cause__).__name__
    text = (str(error) or type(error).__name__)[:300]
    return text if isinstance(error, openai.OpenAIError | httpx.HTTPError) else f"it sends no chat: {text}"
