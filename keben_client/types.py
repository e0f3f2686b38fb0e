"""What the service answers with. Fields that it adds later are left in `raw`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

T = TypeVar("T")
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a part of an answer stands. quote: the book's text at `[start, end)`."""

    id: int
    book: str
    source: str
    heading_path: list[str]
    page: int | None
    page_label: str | None
    quote: str
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage that was found. relevance: 0 to 1."""

    book: str
    source: str
    heading_path: list[str]
    page: int | None
    page_label: str | None
    text: str
    score: float
    relevance: float
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, or a refusal with its reason and the closest passages. raw: all that the service said."""

    id: str
    answer: str
    citations: list[Citation]
    refused: bool
    reason: str | None
    closest: list[Passage]
    model: str
    kb: str
    generation: str
    cached: bool
    search_query: str | None
    timings_ms: dict[str, float]
    raw: Json = field(repr=False, compare=False, default_factory=dict)

    @classmethod
    def of(cls, body: Json) -> "Answer":
        """From the body of a response."""
        nested = {
            "citations": [made(Citation, each) for each in body["citations"]],
            "closest": [made(Passage, each) for each in body["closest"]],
        }
        return made(cls, {**body, **nested, "raw": body})


@dataclass(frozen=True, slots=True)
class KnowledgeBase:
    """A knowledge base as it is served. books: as the service describes them."""

    name: str
    generation: str
    created_at: str
    chunks: int
    books: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Job:
    """A rebuild. status: running, done, failed, cancelled or interrupted."""

    id: str
    kb: str
    status: str
    started_at: str
    finished_at: str | None
    progress: dict[str, Any]
    problem: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The first event of a stream."""

    passages: list[Passage]
    search_query: str | None


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Restart:
    """The pieces so far do not count."""

    reason: str


@dataclass(frozen=True, slots=True)
class Done:
    """The last event: the whole answer, which replaces the pieces."""

    answer: Answer


Event = Retrieved | Token | Restart | Done


def made(kind: type[T], body: Json) -> T:
    """A value from the fields that it knows."""
    names = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in body.items() if name in names})


def event_of(name: str, body: Json) -> Event | None:
    """An event of a stream; None for one that this client does not know."""
    match name:
        case "retrieval":
            return Retrieved([made(Passage, each) for each in body["passages"]], body.get("search_query"))
        case "token":
            return Token(body["text"])
        case "restart":
            return Restart(body["reason"])
        case "done":
            return Done(Answer.of(body))
    return None
