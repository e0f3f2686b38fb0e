"""What programs made for OpenAI's chat send: what Keben heeds, what it leaves unused, and what it refuses.

A field that would change what the answer means, and that Keben cannot heed, is refused rather than passed over.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError

from core.types import GenerationOptions, Scope, Turn
from rag.answer import Question
from server.schemas.answers import QUESTION_LENGTH, Books, HowAnswered, Subjects, TopK
from server.schemas.base import RequestBody, Visible

_LONGEST_MESSAGE = 65_536  # characters; the body as a whole has a bound of its own
_STOP = Annotated[str, Field(min_length=1, max_length=64)]


def _fault(message: str) -> PydanticCustomError:
    # The message is a template there.
    return PydanticCustomError("unsupported", "{message}", {"message": message})


def _text(content: object) -> object:
    """The text of a message: a string, null, or an array of parts that are texts."""
    if content is None:
        return ""
    if not isinstance(content, list):
        return content
    texts: list[str] = []
    for number, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        text = part.get(kind) if isinstance(part, dict) and kind in ("text", "refusal") else None
        if not isinstance(text, str):
            raise _fault(f"part {number} is no text but {str(kind or part)[:40]!r}: Keben reads text, leave it out")
        texts.append(text)
    return "\n".join(texts)


def _refused(mend: str, *harmless: object) -> BeforeValidator:
    def check(value: object) -> object:
        if value not in harmless:
            raise _fault(f"{str(value)[:80]} is not supported: {mend}")
        return value

    return BeforeValidator(check)


_SCHEMA = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "object"}}, {"type": "null"}],
    "description": 'Text, or parts of the form {"type": "text", "text": …}.',
}
_Unused = Annotated[Any, Field(description="Taken, and not used.")]
_REFUSED = Field(description="Refused, but for values that ask for nothing.")
_NoTools = Annotated[Any, _refused("Keben calls no tools, leave it out", None, [], {}), _REFUSED]
_NoAudio = Annotated[Any, _refused("questions and answers are text, leave it out", None), _REFUSED]


class ChatMessage(BaseModel):
    """One message. Further fields that clients send along, as those of an answer sent back, are not looked at."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[
        str, BeforeValidator(_text), Visible, Field(max_length=_LONGEST_MESSAGE), WithJsonSchema(_SCHEMA)
    ] = Field("", validate_default=False)
    tool_calls: _NoTools = None
    function_call: _NoTools = None
    audio: _NoAudio = None


class StreamOptions(BaseModel):
    """include_usage: a last chunk tells the tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    include_usage: bool | None = None
    include_obfuscation: _Unused = None


class ChatRequest(RequestBody):
    """A conversation whose last message is the question."""

    model: str = Field(min_length=1, max_length=200, description="A knowledge base.", examples=["default"])
    messages: list[ChatMessage] = Field(
        min_length=1,
        max_length=200,
        description="The last one is the question, of the role 'user' and up to 2000 characters; those before it are "
        "the conversation so far. Messages of the roles 'system' and 'developer' are taken and not used: Keben's rules "
        "and the course's own prompt hold.",
        examples=[[{"role": "user", "content": "死锁的四个必要条件是什么？"}]],
    )
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    max_tokens: int | None = Field(None, ge=1, le=8192, description="The older name of max_completion_tokens.")
    max_completion_tokens: int | None = Field(None, ge=1, le=8192)
    seed: int | None = Field(None, ge=0, le=2**31 - 1)
    stop: _STOP | Annotated[list[_STOP], Field(max_length=8)] | None = None
    # Keben's own.
    top_k: TopK = None
    books: Books = Field(default_factory=list)
    subjects: Subjects = Field(default_factory=list)
    mode: HowAnswered = "grounded"
    # OpenAI's that are about its service, or about style alone.
    frequency_penalty: _Unused = None
    metadata: _Unused = None
    parallel_tool_calls: _Unused = None
    prediction: _Unused = None
    presence_penalty: _Unused = None
    prompt_cache_key: _Unused = None
    prompt_cache_options: _Unused = None
    prompt_cache_retention: _Unused = None
    reasoning_effort: _Unused = None
    safety_identifier: _Unused = None
    service_tier: _Unused = None
    store: _Unused = None
    user: _Unused = None
    verbosity: _Unused = None
    # OpenAI's that ask for something that Keben does not do.
    audio: _NoAudio = None
    functions: _NoTools = None
    function_call: Annotated[
        Any, _refused("Keben calls no functions, leave it out", None, "none", "auto"), _REFUSED
    ] = None
    logit_bias: Annotated[Any, _refused("no token is favoured, leave it out", None, {}), _REFUSED] = None
    logprobs: Annotated[Any, _refused("no probabilities are told, leave it out", None, False), _REFUSED] = None
    modalities: Annotated[
        Any, _refused('answers are text, send ["text"] or leave it out', None, ["text"]), _REFUSED
    ] = None
    moderation: Annotated[Any, _refused("nothing is moderated, leave it out", None), _REFUSED] = None
    n: Annotated[Any, _refused("one answer is written, send 1 or leave it out", None, 1), _REFUSED] = None
    response_format: Annotated[
        Any, _refused('answers are text, send {"type": "text"} or leave it out', None, {"type": "text"}), _REFUSED
    ] = None
    tool_choice: Annotated[Any, _refused("Keben calls no tools, leave it out", None, "none", "auto"), _REFUSED] = None
    tools: _NoTools = None
    top_logprobs: Annotated[Any, _refused("no probabilities are told, leave it out", None, 0), _REFUSED] = None
    web_search_options: Annotated[Any, _refused("the books alone are searched, leave it out", None), _REFUSED] = None

    @field_validator("messages")
    @classmethod
    def _ends_with_a_question(cls, messages: list[ChatMessage]) -> list[ChatMessage]:
        last = messages[-1]
        if last.role != "user":
            raise _fault(f"the last message is of the role '{last.role}': send the question last, with the role 'user'")
        if len(last.content) > QUESTION_LENGTH:
            raise _fault(f"the question has {len(last.content)} characters, of at most {QUESTION_LENGTH}: ask for less")
        return messages

    def texts(self) -> list[str]:
        """What the messages say."""
        return [message.content for message in self.messages]

    def asked(self, client: str) -> Question:
        """The domain's form. client: who asks."""
        *before, last = self.messages
        history = tuple(
            Turn("user" if message.role == "user" else "assistant", message.content)
            for message in before
            if message.role in ("user", "assistant") and message.content
        )
        scope = Scope(tuple(self.books), tuple(self.subjects))
        return Question(last.content, self.top_k, history, self._options(), scope, self.mode, client)

    def _options(self) -> GenerationOptions:
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        return GenerationOptions(
            max_new_tokens=self.max_completion_tokens or self.max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
            stop=stop,
        )
