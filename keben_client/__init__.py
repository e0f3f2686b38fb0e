"""A client of Keben's HTTP service, sync and async. Needs httpx alone."""

from keben_client.asynchronous import AsyncKeben
from keben_client.errors import (
    Conflict,
    ConnectionFailed,
    Forbidden,
    Invalid,
    KebenError,
    NotFound,
    RateLimited,
    Unauthorised,
    Unavailable,
)
from keben_client.synchronous import Keben
from keben_client.types import (
    Answer,
    Citation,
    Done,
    Event,
    Job,
    KnowledgeBase,
    Passage,
    Restart,
    Retrieved,
    Token,
)

__all__ = [
    "Answer",
    "AsyncKeben",
    "Citation",
    "Conflict",
    "ConnectionFailed",
    "Done",
    "Event",
    "Forbidden",
    "Invalid",
    "Job",
    "Keben",
    "KebenError",
    "KnowledgeBase",
    "NotFound",
    "Passage",
    "RateLimited",
    "Restart",
    "Retrieved",
    "Token",
    "Unauthorised",
    "Unavailable",
]
