"""Answers for every route that gives any: one place where they are counted and kept."""

from collections.abc import AsyncIterator

from core.types import Answer, Passage
from rag.answer import Done, Event, Piece, Question, Retrieved
from rag.context import estimated_tokens
from server import logs
from server.access import Principal
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
    passages: tuple[Passage, ...] = ()
    written: list[str] = []
    events = service.answerer.stream(base, question)
    try:
        while (event := await service.drain.bounded(anext(events, None))) is not None:
            if isinstance(event, Retrieved):
                passages = event.passages
            elif isinstance(event, Piece):
                written.append(event.text)
            elif isinstance(event, Done):
                written.clear()
                usage = event.answer.usage
                service.usage.spend(principal, usage.input_tokens + usage.output_tokens if usage else 0)
                service.log.record(question.text, passages, event.answer)
                service.metrics.answer(event.answer)
                note = logs.current()
                note.answers.append(event.answer)
                note.question = question.text
            yield event
    finally:
        llm = service.settings.llm
        # Who leaves before the end has had a model read and write all the same; it has not told how much.
        if written and question.writer == "auto" and (llm.model or llm.urls):
            texts = (question.text, *(passage.chunk.reading for passage in passages), *written)
            service.usage.spend(principal, sum(map(estimated_tokens, texts)))
