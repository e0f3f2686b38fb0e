"""Rows as the model will see their questions when it serves: training and serving show it the same."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from core.types import Course, Passage
from finetune.conversations import Conversation, Exchange
from rag.context import estimated_tokens
from rag.messages import Asked, messages

# Finds passages for a question, best first.
Find = Callable[[str], Sequence[Passage]]


def with_system(conversations: Sequence[Conversation], system: str) -> list[Conversation]:
    """`system` in the first exchange of each conversation that has none; running text has no turns."""
    if not system:
        return list(conversations)
    return [
        row if row.kind == "text" or row.exchanges[0].system else replace(row, exchanges=_led(row.exchanges, system))
        for row in conversations
    ]


def with_passages(
    conversations: Sequence[Conversation], find: Find, course: Course, max_length: int
) -> list[Conversation]:
    """Each single question with the passages that the service would show; other rows as they are.

    max_length: tokens of question and answer together.
    """
    return [_open_book(row, find, course, max_length) for row in conversations]


def _open_book(row: Conversation, find: Find, course: Course, max_length: int) -> Conversation:
    if row.kind in ("text", "identity", "agent") or len(row.exchanges) > 1:
        return row
    exchange = row.exchanges[0]
    passages = find(exchange.input)
    if not passages:
        return row
    room = max(max_length - estimated_tokens(exchange.output), max_length // 2)
    sent, _ = messages(Asked(exchange.input, passages, course=course), estimated_tokens, room)
    return replace(row, exchanges=(Exchange(str(sent[-1].content), exchange.output, str(sent[0].content)),))


def _led(exchanges: tuple[Exchange, ...], system: str) -> tuple[Exchange, ...]:
    return (replace(exchanges[0], system=system), *exchanges[1:])
