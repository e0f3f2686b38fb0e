"""What students think of answers, and what they ask in vain."""

import time
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from server.gaps import MARGIN, gaps_of
from server.routes.problems import problems
from server.schemas.base import KnowledgeBaseName
from server.schemas.feedback import (
    AnswerId,
    FeedbackAccepted,
    FeedbackBody,
    FeedbackRequest,
    FeedbackResponse,
    GapBody,
    GapsResponse,
    ReviewRequest,
)
from server.service import PrincipalDep, ServiceDep

router = APIRouter()
_MOST_QUESTIONS = 20_000
Limit = Annotated[int, Query(ge=1, le=1000)]


@router.post("/feedback", status_code=201, responses=problems(404, 422, 503), summary="Say what you think of an answer")
def give(body: FeedbackRequest, service: ServiceDep, principal: PrincipalDep) -> FeedbackAccepted:
    """A thumb, a comment, a corrected answer, tied to the `id` of an answer; said again, it replaces what was said
    before. Who said it is not kept."""
    service.log.give_feedback(body.answer_id, principal.sees, body.thumb, body.comment, body.corrected_answer)
    return FeedbackAccepted(answer_id=body.answer_id)


@router.get("/kbs/{kb}/feedback", responses=problems(404, 422, 503), summary="Read the feedback")
def read(
    kb: KnowledgeBaseName,
    service: ServiceDep,
    principal: PrincipalDep,
    state: Annotated[Literal["new", "accepted", "rejected"] | None, Query(description="null: all.")] = None,
    limit: Limit = 100,
    offset: Annotated[int, Query(ge=0, le=10**7)] = 0,
) -> FeedbackResponse:
    """Feedback on the answers of a knowledge base, the newest first."""
    name = service.knowledge_base(principal, kb).name
    return FeedbackResponse(
        feedback=[FeedbackBody.of(record) for record in service.log.feedback(name, state, limit, offset)]
    )


@router.post("/kbs/{kb}/feedback/{id}", responses=problems(404, 422, 503), summary="Review feedback")
def review(
    kb: KnowledgeBaseName, id: AnswerId, body: ReviewRequest, service: ServiceDep, principal: PrincipalDep
) -> FeedbackBody:
    """Accept or reject feedback; `keben feedback export` makes training conversations of what is accepted."""
    name = service.knowledge_base(principal, kb).name
    return FeedbackBody.of(service.log.review(name, id, body.state))


@router.get("/kbs/{kb}/gaps", responses=problems(404, 422, 503), summary="See what the books do not answer")
def gaps(
    kb: KnowledgeBaseName,
    service: ServiceDep,
    principal: PrincipalDep,
    days: Annotated[int, Query(ge=1, le=3650, description="Look back so far.")] = 30,
    limit: Limit = 50,
) -> GapsResponse:
    """Questions that were refused, or answered from a passage hardly above the threshold, by the section that comes
    nearest. Who asked is not kept."""
    base = service.knowledge_base(principal, kb)
    with base.generation() as generation:
        below = service.answerer.threshold(generation) + MARGIN
    asked = service.log.asked(base.name, time.time() - days * 86400, below, _MOST_QUESTIONS)
    return GapsResponse(days=days, gaps=[GapBody.of(gap) for gap in gaps_of(asked)[:limit]])
