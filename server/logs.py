"""Structured logs: one JSON object a line on stderr. What was asked and by which key is never among it.

A note belongs to each request: what is learnt on the way (key id, knowledge base, answer) is written down there, and
told in one line when the request has ended.
"""

import json
import logging
import re
import sys
import traceback
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from core.types import Answer

Level = Literal["debug", "info", "warning"]
# Line ends of Unicode, and marks that turn the direction of what stands around them on a terminal.
_TRICKY = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
REQUESTS = logging.getLogger("keben.request")


@dataclass(slots=True)
class Note:
    """What is known of a request. route: the template of its path. key: id of the API key. code: of its error."""

    request_id: str = ""
    route: str = "unknown"
    key: str = ""
    code: str = ""
    answers: list[Answer] = field(default_factory=list)
    question: str = ""


_NOTE: ContextVar[Note | None] = ContextVar("note", default=None)


def begin() -> Note:
    """A new note, for the request that begins here."""
    note = Note()
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
            line["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        return _TRICKY.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(line, ensure_ascii=False, default=str))


def set_up(level: Level) -> None:
    """Log to stderr in this form, from now on and for the whole process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("keben", "server", "rag", "vector_db", "ingest"):
        logging.getLogger(name).setLevel(level.upper())
