"""Structured logs: one JSON object a line on stderr, without what was asked, what was answered, and keys.

A note belongs to each request: what is learnt on the way (key id, knowledge base, answer) is written down there, and
told in one line when the request has ended.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from core.types import Answer

Level = Literal["debug", "info", "warning"]
# Line ends of Unicode, and marks that turn the direction of what stands around them on a terminal.
_TRICKY = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
# Only the id of a key may be told. A key gets here in a message of a library, or in that of an error.
_KEY = re.compile(r"(keben_[0-9a-f]{8}_)[\w-]{43}")
REQUESTS = logging.getLogger("keben.request")


@dataclass(frozen=True, slots=True)
class Given:
    """An answer that a request was given. passages: how many were found. at: when it was whole, ns since 1970."""

    answer: Answer
    passages: int
    at: int


@dataclass(slots=True)
class Note:
    """What is known of a request. route: the template of its path. key: id of the API key. code: of its error.

    reason: which limit of a key it has met. kb: the knowledge base that was asked last. frank: the log may have what
    was asked.
    """

    request_id: str = ""
    route: str = "unknown"
    key: str = ""
    code: str = ""
    reason: str = ""
    kb: str = ""
    answers: list[Given] = field(default_factory=list)
    question: str = ""
    frank: bool = False


_NOTE: ContextVar[Note | None] = ContextVar("note", default=None)


def begin(frank: bool = False) -> Note:
    """A new note, for the request that begins here. frank: as in `Note`."""
    note = Note(frank=frank)
    _NOTE.set(note)
    return note


def current() -> Note:
    """The note of the request at hand; outside of one, a note that nobody reads."""
    return _NOTE.get() or Note()


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON. Chinese stays readable; what could break the line is escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """time (UTC), level, logger, message, the request's id, and what the record has besides."""
        note = _NOTE.get()
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if note:
            line["request_id"] = note.request_id
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["traceback"] = _traceback(record.exc_info[1], frank=note is None or note.frank)
        text = _KEY.sub(r"\1…", json.dumps(line, ensure_ascii=False, default=str))
        return _TRICKY.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _traceback(error: BaseException | None, *, frank: bool) -> str:
    """Where an error was raised, and those before it; what they say, which may quote a question, only if `frank`."""
    return "".join(traceback.format_exception(error) if frank else _silent(error))


def _silent(error: BaseException | None) -> Iterator[str]:
    if error is None:
        return
    origin = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if origin:
        yield from _silent(origin)
        yield "\nafter which:\n\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__qualname__} (what it says may quote a question: KEBEN_SERVER__LOG_QUESTIONS shows it)\n"
    for part in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield "\nof which:\n\n"
        yield from _silent(part)


def set_up(level: Level) -> None:
    """Log to stderr in this form, from now on and for the whole process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(True)
    for name in ("keben", "server", "rag", "vector_db", "ingest"):
        logging.getLogger(name).setLevel(level.upper())
