"""Answers for every route that gives any: one place where they are counted and kept."""

import time
from collections.abc import AsyncIterator
from http import HTTPStatus

from core.errors import KebenError
from core.types import Answer, Passage
from rag.answer import Done, Event, Piece, Question, Retrieved
from rag.context import estimated_tokens
from server import logs
from server.access import Principal
from server.problems import problem_of
from server.service import Service


async def answer_to(service: Service, principal: Principal, kb: str | None, question: Question) -> Answer:
    """The whole answer. Raises as `events_of`."""
    async for event in events_of(service, principal, kb, question):
        last = event
    assert isinstance(last, Done)
    return last.answer


async def events_of(service: Service, principal: Principal, kb: str | None, question: Question) -> AsyncIterator[Event]:
    """The events of `Answerer.stream`; what was read and written is counted for the key, the answer kept for feedback.

    Raises KnowledgeBaseMissing, also for a knowledge base that `principal` may not see, and as the answerer, with the
    first event; ServerError when the service stops and can wait no longer.
    """
    base = service.knowledge_base(principal, kb)
    note = logs.current()
    note.kb, note.question = base.name, question.text
    passages: tuple[Passage, ...] = ()
    written: list[str] = []
    try:
        events = service.answerer.stream(base, question)
        while (event := await service.drain.bounded(anext(events, None))) is not None:
            if isinstance(event, Retrieved):
                passages = event.passages
            elif isinstance(event, Piece):
                written.append(event.text)
            elif isinstance(event, Done):
                written.clear()
                _count(service, principal, question, passages, event.answer)
            yield event
    except KebenError as error:
        # Of a stream nobody else sees it: its status has long been sent.
        note.code = error.code
        if problem_of(error).status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            service.metrics.failed()
        raise
    finally:
        llm = service.settings.llm
        # Who leaves before the end has had a model read and write all the same; it has not told how much.
        if written and question.writer == "auto" and (llm.model or llm.urls):
            texts = (question.text, *(passage.chunk.reading for passage in passages), *written)
            service.usage.spend(principal, sum(map(estimated_tokens, texts)))


def _count(
    service: Service, principal: Principal, question: Question, passages: tuple[Passage, ...], answer: Answer
) -> None:
    service.usage.spend(principal, answer.usage.input_tokens + answer.usage.output_tokens if answer.usage else 0)
    service.log.record(question.text, passages, answer)
    service.metrics.answer(answer)
    logs.current().answers.append(logs.Given(answer, len(passages), time.time_ns()))
