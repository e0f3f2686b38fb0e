"""Passages whose text goes on in the next chunk are read together with it."""

from collections.abc import Sequence
from dataclasses import replace

from core.types import BlockKind, Chunk, Passage, Span
from vector_db.reader import Generation

_FIRST = 2  # passages that are looked at: the answer stands in one of the best
_UNFINISHED = ("：", ":", "；", ";", "，", ",", "、")
_LISTED = {BlockKind.list, BlockKind.code, BlockKind.table}


def with_neighbours(passages: Sequence[Passage], generation: Generation) -> list[Passage]:
    """The passages, where the text of one of the best runs over its end together with the chunk that goes on from it.

    A chunk that was joined to another passage is no passage of its own.
    """
    joined: list[Passage] = []
    taken: set[str] = set()
    for place, passage in enumerate(passages):
        if passage.chunk.id in taken:
            continue
        following = _following(passage.chunk, generation) if place < _FIRST else None
        if following is None or following.id in {other.chunk.id for other in joined}:
            joined.append(passage)
            continue
        taken.add(following.id)
        joined.append(replace(passage, chunk=_together(passage.chunk, following, generation)))
    return joined


def _following(chunk: Chunk, generation: Generation) -> Chunk | None:
    """The next chunk of the same section, if this one is not finished without it."""
    following = generation.store.at(chunk.book_id, chunk.ordinal + 1)
    if following is None or following.part != chunk.part + 1 or following.heading_path != chunk.heading_path:
        return None
    return following if runs_on(chunk, following) else None


def runs_on(chunk: Chunk, following: Chunk) -> bool:
    """Whether the text goes on: in the middle of a paragraph, list, program or table, or after a colon or comma."""
    if chunk.text.rstrip().endswith(_UNFINISHED):
        return True
    if not chunk.spans or not following.spans:
        return False
    last, first = chunk.spans[-1], following.spans[0]
    return first.continues or bool(first.lead) or (last.kind == first.kind and first.kind in _LISTED)


def _together(chunk: Chunk, following: Chunk, generation: Generation) -> Chunk:
    shift = following.start - chunk.start
    between = generation.store.text(chunk.book_id, chunk.end, following.start)
    spans = tuple(_shifted(span, shift) for span in following.spans)
    text = f"{chunk.text}{between}{following.text}"
    return replace(chunk, end=following.end, text=text, spans=chunk.spans + spans)


def _shifted(span: Span, shift: int) -> Span:
    # What is repeated before a later part of a table stands just above it now.
    return replace(span, start=span.start + shift, end=span.end + shift, lead="")
