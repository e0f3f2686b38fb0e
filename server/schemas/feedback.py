"""Feedback, and what the books do not answer."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Path
from pydantic import Field

from server.answer_records import FeedbackRecord
from server.gaps import Gap
from server.schemas.base import Body, RequestBody, Visible

_ID = r"^a[0-9a-f]{32}$"
_EXAMPLE = "a3f1c09be57d2486a3f1c09be57d24860"
AnswerId = Annotated[str, Path(pattern=_ID, examples=[_EXAMPLE])]


class FeedbackRequest(RequestBody):
    """What somebody thinks of an answer."""

    answer_id: str = Field(
        pattern=_ID, description="`id` of the answer.", examples=["a3f1c09be57d2486a3f1c09be57d24860"]
    )
    thumb: Literal["up", "down"]
    comment: Annotated[str, Visible] = Field("", max_length=2000)
    corrected_answer: Annotated[str, Visible] = Field(
        "", max_length=8000, description="What the answer should have been."
    )


class FeedbackAccepted(Body):
    """That feedback was kept."""

    answer_id: str


class ReviewRequest(RequestBody):
    """What a teacher thinks of feedback."""

    state: Literal["accepted", "rejected", "new"]


class FeedbackBody(Body):
    """Feedback with the question and the answer; who gave it is not kept."""

    answer_id: str
    at: datetime
    question: str
    answer: str
    refused: bool
    thumb: Literal["up", "down"]
    comment: str
    corrected_answer: str
    state: Literal["new", "accepted", "rejected"]

    @classmethod
    def of(cls, record: FeedbackRecord) -> "FeedbackBody":
        """The wire form of a record."""
        return cls(
            answer_id=record.id,
            at=datetime.fromtimestamp(record.at, UTC),
            question=record.question,
            answer=record.answer,
            refused=record.refused,
            thumb=record.thumb,
            comment=record.comment,
            corrected_answer=record.corrected,
            state=record.state,
        )


class FeedbackResponse(Body):
    """Feedback, the newest first."""

    feedback: list[FeedbackBody]


class GapBody(Body):
    """Questions that the books answer badly or not at all, by the section that comes nearest."""

    book: str = Field(description="Empty where nothing comes near.", examples=["操作系统"])
    heading: str = Field(examples=["第5章 死锁 › 5.2 死锁的必要条件"])
    page: int | None
    refused: int = Field(description="Questions that were refused.")
    weak: int = Field(description="Questions that were answered from a passage hardly above the threshold.")
    last_asked: datetime
    examples: list[str] = Field(description="Up to five questions, the newest first.")

    @classmethod
    def of(cls, gap: Gap) -> "GapBody":
        """The wire form of a gap."""
        return cls(
            book=gap.book,
            heading=gap.heading,
            page=gap.page,
            refused=gap.refused,
            weak=gap.weak,
            last_asked=datetime.fromtimestamp(gap.last, UTC),
            examples=list(gap.examples),
        )


class GapsResponse(Body):
    """The gaps, the one that was asked for most first."""

    days: int
    gaps: list[GapBody]
