"""An answer, while it is written, as OpenAI's clients read a stream: chunks of a completion.

What was sent cannot be taken back there. So pieces are sent as they come, and the last chunk has the whole answer as it
stands after its sentences were checked; where a model failed, a line says that what stands above does not count.
"""

import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from core.errors import KebenError
from core.text import language_of
from core.types import Answer
from rag import prompts
from rag.answer import Done, Event, Piece, Restart
from server.problems import problem_of
from server.schemas.answers import AnswerBody
from server.schemas.openai import ChatCompletion, CompletionChoice, CompletionMessage, TokensBody, finish_reason
from server.schemas.problems import OpenAIError

Count = Callable[[Answer], Awaitable[TokensBody]]


@dataclass(frozen=True, slots=True)
class Completion:
    """What all parts of one completion share. model: the knowledge base, as it was named. question: as it was asked.

    count: tells the tokens of an answer.
    """

    model: str
    question: str
    count: Count
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    async def whole(self, answer: Answer) -> ChatCompletion:
        """In one piece."""
        body = AnswerBody.of(answer)
        message = CompletionMessage(content=answer.answer, citations=body.citations)
        return ChatCompletion(
            id=self.id,
            created=self.created,
            model=self.model,
            choices=[CompletionChoice(message=message, finish_reason=finish_reason(answer))],
            usage=await self.count(answer),
            keben=body,
        )

    async def chunks(self, events: AsyncIterator[Event], include_usage: bool) -> AsyncIterator[str]:
        """The data of each server-sent event. An error ends them, in the form that OpenAI's clients raise."""
        yield self._chunk({"role": "assistant", "content": ""})
        shown = False
        try:
            async for event in events:
                match event:
                    case Piece(text):
                        shown = True
                        yield self._chunk({"content": text})
                    case Restart() if shown:
                        yield self._chunk({"content": prompts.ABANDONED[language_of(self.question)]})
                    case Done(answer):
                        if not shown:
                            yield self._chunk({"content": answer.answer})
                        async for last in self._end(answer, include_usage):
                            yield last
        except KebenError as error:
            # The status line is long gone.
            yield json.dumps({"error": OpenAIError.of(problem_of(error)).model_dump()}, ensure_ascii=False)

    async def _end(self, answer: Answer, include_usage: bool) -> AsyncIterator[str]:
        body = AnswerBody.of(answer).model_dump()
        yield self._chunk({"citations": body["citations"]}, finish_reason(answer), keben=body)
        if include_usage:
            yield self._dumped([], usage=(await self.count(answer)).model_dump())
        yield "[DONE]"

    def _chunk(self, delta: dict[str, Any], reason: str | None = None, **more: Any) -> str:
        return self._dumped([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}], **more)

    def _dumped(self, choices: list[dict[str, Any]], **more: Any) -> str:
        chunk = {"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model}
        return json.dumps({**chunk, "choices": choices, **more}, ensure_ascii=False)
