"""What programs made for OpenAI's interface get, and what they send to have texts embedded."""

import base64
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from core.types import Answer
from server.schemas.answers import AnswerBody, CitationBody
from server.schemas.base import Body, RequestBody
from vector_db.embedder import Vectors

FinishReason = Literal["stop", "length"]
_MOST_TEXTS = 256


class TokensBody(Body):
    """Tokens: those of the language model that wrote; where none did, as the embedder counts them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int

    @classmethod
    def of(cls, prompt: int, completion: int) -> "TokensBody":
        """With their sum."""
        return cls(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)


class CompletionMessage(Body):
    """The answer. `citations` is Keben's own."""

    role: Literal["assistant"] = "assistant"
    content: str = Field(description="Markdown with markers [1], [2], …", examples=["死锁的产生有四个必要条件。[1]"])
    refusal: None = None
    citations: list[CitationBody]


class CompletionChoice(Body):
    """The one answer. finish_reason: length: the language model had written as many tokens as it may."""

    index: Literal[0] = 0
    message: CompletionMessage
    logprobs: None = None
    finish_reason: FinishReason


class ChatCompletion(Body):
    """An answer in OpenAI's form. `keben` is the same answer as `POST /ask` gives it."""

    id: str = Field(examples=["chatcmpl-6f1d2c"])
    object: Literal["chat.completion"] = "chat.completion"
    created: int = Field(description="Seconds since 1970.")
    model: str = Field(description="The knowledge base.", examples=["default"])
    choices: list[CompletionChoice]
    usage: TokensBody
    keben: AnswerBody


def finish_reason(answer: Answer) -> FinishReason:
    """Why the answer ends where it does."""
    return "length" if answer.cut_short else "stop"


class ModelBody(Body):
    """Something that can be named as a model: a knowledge base to ask, or the embedder."""

    id: str = Field(examples=["default"])
    object: Literal["model"] = "model"
    created: int = Field(description="When it was made, in seconds since 1970.")
    owned_by: Literal["keben"] = "keben"
    kind: Literal["knowledge-base", "embedder"] = Field(description="What it is for; Keben's own.")


class ModelsResponse(Body):
    """All that can be named as a model."""

    object: Literal["list"] = "list"
    data: list[ModelBody]


def _texts(value: object) -> object:
    """`input` as a list."""
    items = value if isinstance(value, list) else [value]
    if any(isinstance(item, int | list) for item in items):
        raise PydanticCustomError(
            "unsupported",
            "numbers of tokens are not taken, each embedder has its own: send text; in langchain-openai, set "
            "check_embedding_ctx_length=False",
        )
    for number, item in enumerate(items):
        if isinstance(item, str) and not item.strip():
            raise PydanticCustomError("blank", "text {number} is blank: leave it out", {"number": number})
    return items


_INPUT_SCHEMA = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1, "maxItems": _MOST_TEXTS},
    ],
    "examples": ["死锁是指进程互相等待。"],
}


class EmbeddingsRequest(RequestBody):
    """Texts to be embedded."""

    model: str = Field(min_length=1, max_length=4096, description="The embedder, as GET /v1/models lists it.")
    input: Annotated[
        list[str], Field(min_length=1, max_length=_MOST_TEXTS), BeforeValidator(_texts), WithJsonSchema(_INPUT_SCHEMA)
    ]
    encoding_format: Literal["float", "base64"] | None = Field(
        None, description="base64: 32-bit floats, little-endian; float if left out."
    )
    dimensions: int | None = Field(None, ge=1, le=65_536, description="The embedder's own, or left out.")
    input_type: Literal["passage", "query"] = Field(
        "passage",
        description="What the texts are; some embedders want to know. Keben's own: OpenAI has no such difference.",
    )
    user: str | None = Field(None, max_length=512, description="Taken, and not used.")


class EmbeddingBody(Body):
    """One vector, of unit length."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingTokens(Body):
    """Tokens as the embedder counts them."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsResponse(Body):
    """Vectors, in the order of the texts."""

    object: Literal["list"] = "list"
    data: list[EmbeddingBody]
    model: str
    usage: EmbeddingTokens

    @classmethod
    def of(cls, model: str, vectors: Vectors, form: str | None, counts: Sequence[int]) -> "EmbeddingsResponse":
        """The wire form. vectors: shape (texts, dimension). form: as `encoding_format`. counts: tokens of each text."""
        rows = vectors.astype("<f4")
        data = [
            EmbeddingBody(
                index=index,
                embedding=base64.b64encode(row.tobytes()).decode("ascii") if form == "base64" else row.tolist(),
            )
            for index, row in enumerate(rows)
        ]
        return cls(data=data, model=model, usage=EmbeddingTokens(prompt_tokens=sum(counts), total_tokens=sum(counts)))
