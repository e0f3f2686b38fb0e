"""One answer, and what somebody thinks of it, as they are kept. Neither says who that was."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.types import Answer, Passage

Thumb = Literal["up", "down"]
State = Literal["new", "accepted", "rejected"]


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """One answer. at: seconds since 1970. relevance: of the best passage, 0 to 1; book, heading, page: where it stands,
    heading as its parts with ' › ' between; empty where nothing was found."""

    id: str
    kb: str
    generation: str
    at: float
    question: str
    answer: str
    refused: bool
    relevance: float
    model: str
    book: str
    heading: str
    page: int | None

    @classmethod
    def of(cls, question: str, passages: Sequence[Passage], answer: Answer, at: float) -> "AnswerRecord":
        """The record of an answer that was written from these passages."""
        best = max(passages, key=lambda passage: passage.relevance, default=None)
        return cls(
            id=answer.id,
            kb=answer.kb,
            generation=answer.generation,
            at=at,
            question=question,
            answer=answer.answer,
            refused=answer.refused,
            relevance=best.relevance if best else 0.0,
            model=answer.model,
            book=best.book.title if best else "",
            heading=" › ".join(best.chunk.heading_path) if best else "",
            page=best.chunk.page if best else None,
        )


@dataclass(frozen=True, slots=True)
class FeedbackRecord:
    """What somebody thinks of an answer, with the question and the answer, which are kept as long as it is.

    corrected: what the answer should have been, or empty. state: whether a teacher took it.
    """

    id: str
    kb: str
    at: float
    question: str
    answer: str
    refused: bool
    thumb: Thumb
    comment: str
    corrected: str
    state: State
