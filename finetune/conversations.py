"""Conversations to train on, in the form that XTuner reads: the one type that dataset, audit and training share.

A file holds one JSON object a line: `{"conversation": [{"system", "input", "output"}, …], "kind", "source",
"passage"}`. XTuner takes the conversation and leaves the rest.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from core.errors import DatasetError

# text: running text for continued pre-training, one turn with an empty input.
Kind = Literal["question", "identity", "text", "agent", "synthetic", "feedback"]
KINDS: tuple[Kind, ...] = ("question", "identity", "text", "agent", "synthetic", "feedback")


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is asked and what the model shall answer. system: the system prompt in force, empty for none."""

    input: str
    output: str
    system: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """source: where it was read, such as `bank.xlsx, row 7`. passage: the text of a book that it is tied to."""

    exchanges: tuple[Exchange, ...]
    kind: Kind = "question"
    source: str = ""
    passage: str = ""

    def to_json(self) -> dict[str, Any]:
        """A line of the file."""
        return {
            "conversation": [asdict(exchange) for exchange in self.exchanges],
            "kind": self.kind,
            "source": self.source,
            "passage": self.passage,
        }


def write_conversations(path: Path, conversations: Iterable[Conversation]) -> None:
    """One line each; the file is whole or absent. Raises DatasetError."""
    unfinished = path.with_name(f"{path.name}.tmp")
    try:
        with unfinished.open("w", encoding="utf-8") as lines:
            lines.writelines(map(line_of, conversations))
            lines.flush()
            os.fsync(lines.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise DatasetError(f"{path} cannot be written: {error.strerror}", mend="free space, or name another") from error


def line_of(conversation: Conversation) -> str:
    """A line of the file, with its end."""
    return json.dumps(conversation.to_json(), ensure_ascii=False) + "\n"


def read_conversations(path: Path) -> list[Conversation]:
    """What `write_conversations` wrote. Raises DatasetError, which names the line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}", mend="run `keben finetune dataset`") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8: {error}", mend="save the file as UTF-8") from error
    return [
        _conversation(line, f"{path}, line {number}") for number, line in enumerate(text.split("\n"), 1) if line.strip()
    ]


def _conversation(line: str, where: str) -> Conversation:
    mend = "make the file with `keben finetune dataset`"
    try:
        data = json.loads(line)
        exchanges = tuple(
            Exchange(_text(each, "input"), _text(each, "output"), _text(each, "system"))
            for each in data["conversation"]
        )
        kind = data.get("kind", "question")
        source, passage = _text(data, "source") or where, _text(data, "passage")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DatasetError(f"{where}: not a conversation: {error}", mend=mend) from error
    if kind not in KINDS or not exchanges:
        raise DatasetError(f"{where}: kind {kind!r} with {len(exchanges)} exchanges", mend=mend)
    return Conversation(exchanges, kind, source, passage)


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name, "")
    if not isinstance(value, str):
        raise TypeError(f'"{name}" is {value!r}, not text')
    return value
