"""What each call sends and how its response is read: described once, for the sync and the async client."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx

from keben_client.errors import KebenError, error_of
from keben_client.types import Answer, Citation, Job, Json, KnowledgeBase, Passage, made

T = TypeVar("T")
# After these the same request may be sent again; a POST that was perhaps carried out is not.
_AGAIN = {429, 503}


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request, and what its response becomes. read: from the response. files: to be uploaded."""

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    json: Any = None
    params: Mapping[str, Any] = field(default_factory=dict)
    files: Sequence[Path] = ()


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a busy service is asked again, and how long is waited at most, in seconds."""

    count: int = 2
    longest: float = 30.0

    def wait(self, response: httpx.Response, tried: int) -> float | None:
        """Seconds to wait before the next try; None to give up."""
        if response.status_code not in _AGAIN or tried >= self.count:
            return None
        seconds = error_of(response.status_code, {}, response.headers.get("retry-after")).retry_after
        seconds = 0.5 * 2**tried if seconds is None else seconds
        return seconds if seconds <= self.longest else None


def opened(files: Sequence[Path], stack: ExitStack) -> list[tuple[str, Any]] | None:
    """A form of files, which `stack` closes."""
    return [("file", (path.name, stack.enter_context(path.open("rb")))) for path in files] or None


def checked(response: httpx.Response) -> httpx.Response:
    """The response, unless it tells an error."""
    if response.is_success:
        return response
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    problem = problem if isinstance(problem, dict) else {}
    raise error_of(response.status_code, problem, response.headers.get("retry-after"))


def events(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Names and data of server-sent events."""
    reader = EventReader()
    for line in lines:
        if event := reader.feed(line):
            yield event


class EventReader:
    """Puts the lines of server-sent events together."""

    def __init__(self) -> None:
        self._name, self._data = "message", list[str]()

    def feed(self, line: str) -> tuple[str, str] | None:
        """An event, once its last line is there."""
        if not line:
            event = (self._name, "\n".join(self._data)) if self._data else None
            self._name, self._data = "message", []
            return event
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._name = value
        elif name == "data":
            self._data.append(value)
        return None


def question(text: str, more: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a question; what is None is left to the service."""
    return {"question": text, **{name: value for name, value in more.items() if value is not None}}


def ask(text: str, **more: Any) -> Call[Answer]:
    return Call("POST", "/ask", lambda response: Answer.of(response.json()), question(text, more))


def _batch(response: httpx.Response) -> list[Answer | KebenError]:
    results = response.json()["results"]
    return [
        Answer.of(each["answer"]) if each["answer"] else error_of(each["problem"]["status"], each["problem"])
        for each in results
    ]


def ask_batch(questions: Sequence[str | Json]) -> Call[list[Answer | KebenError]]:
    bodies = [{"question": each} if isinstance(each, str) else dict(each) for each in questions]
    return Call("POST", "/ask/batch", _batch, {"questions": bodies})


def search(text: str, **more: Any) -> Call[list[Passage]]:
    return Call(
        "POST",
        "/search",
        lambda response: [made(Passage, each) for each in response.json()["passages"]],
        question(text, more),
    )


def kbs() -> Call[list[KnowledgeBase]]:
    return Call("GET", "/kbs", lambda response: [made(KnowledgeBase, each) for each in response.json()["kbs"]])


def kb(name: str) -> Call[KnowledgeBase]:
    return Call("GET", f"/kbs/{_part(name)}", lambda response: made(KnowledgeBase, response.json()))


def create_kb(name: str) -> Call[None]:
    return Call("POST", "/kbs", _nothing, {"name": name})


def delete_kb(name: str) -> Call[None]:
    return Call("DELETE", f"/kbs/{_part(name)}", _nothing)


def files(name: str) -> Call[list[dict[str, Any]]]:
    return Call("GET", f"/kbs/{_part(name)}/files", lambda response: list(response.json()["files"]))


def upload(name: str, paths: Sequence[str | Path]) -> Call[list[dict[str, Any]]]:
    return Call(
        "POST",
        f"/kbs/{_part(name)}/files",
        lambda response: list(response.json()["files"]),
        files=[Path(path) for path in paths],
    )


def rebuild(name: str, **options: Any) -> Call[Job]:
    return Call("POST", f"/kbs/{_part(name)}/rebuild", _job, options)


def job(id_: str) -> Call[Job]:
    return Call("GET", f"/jobs/{_part(id_)}", _job)


def cancel(id_: str) -> Call[Job]:
    return Call("DELETE", f"/jobs/{_part(id_)}", _job)


def report(id_: str) -> Call[dict[str, Any]]:
    return Call("GET", f"/jobs/{_part(id_)}/report", lambda response: dict(response.json()))


def rollback(name: str, to: str | None) -> Call[str]:
    return Call("POST", f"/kbs/{_part(name)}/rollback", lambda response: str(response.json()["generation"]), {"to": to})


def page(name: str, citation: Citation) -> Call[bytes]:
    path = f"/kbs/{_part(name)}/books/{quote(citation.source)}/pages/{citation.page}.png"
    where = {"start": citation.start, "end": citation.end}
    return Call("GET", path, lambda response: response.content, params=where)


def feedback(answer: Answer | str, thumb: str, comment: str, corrected_answer: str) -> Call[None]:
    id_ = answer.id if isinstance(answer, Answer) else answer
    body = {"answer_id": id_, "thumb": thumb, "comment": comment, "corrected_answer": corrected_answer}
    return Call("POST", "/feedback", _nothing, body)


def gaps(name: str, days: int) -> Call[list[dict[str, Any]]]:
    path = f"/kbs/{_part(name)}/gaps"
    return Call("GET", path, lambda response: list(response.json()["gaps"]), params={"days": days})


def _part(text: str) -> str:
    return quote(text, safe="")


def _job(response: httpx.Response) -> Job:
    return made(Job, response.json())


def _nothing(response: httpx.Response) -> None:
    return None
