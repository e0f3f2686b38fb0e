"""The texts that the bundled embedder is trained on: a folder of JSON Lines files, one kind of row a file or mixed.

    {"lang": "zh", "text": …}                    a document with Markdown, LaTeX or reStructuredText headings
    {"query": …, "passage": …}                   a question and the passage that answers it
    {"zh": …, "en": …, "zh_heading"?: …, "en_heading"?: …}     a paragraph in two languages

A fifth of the documents and passages is held out by a hash of their content, the same ones in every run: the weights
of the retriever are fitted on them, so the embedder must not have seen them. A held-out document is told by its first
200 characters, a passage by all, a translated paragraph by its Chinese side. (Where a book is given both as documents
and as translated paragraphs, the two are held out apart.)
"""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from core.errors import ConfigError

_BEGINNING = 200
_HELD_OUT_OF = 5
_MEND = "each row needs lang and text, or query and passage, or zh and en"


@dataclass(frozen=True, slots=True)
class Document:
    """A document in one language, as it was written."""

    language: Literal["zh", "en"]
    text: str


@dataclass(frozen=True, slots=True)
class Translation:
    """The same paragraph twice, and its heading twice where it has one."""

    chinese: str
    english: str
    headings: tuple[str, str] | None


@dataclass(slots=True)
class TrainingData:
    """What may be trained on. questions: (question, passage). held_out: rows that were left out."""

    documents: list[Document] = field(default_factory=list)
    questions: list[tuple[str, str]] = field(default_factory=list)
    translations: list[Translation] = field(default_factory=list)
    held_out: int = 0


def is_held_out(text: str) -> bool:
    """Whether a passage of this text belongs to the fifth that is never trained on."""
    return zlib.crc32(text.encode("utf-8", "surrogatepass")) % _HELD_OUT_OF == 0


def is_held_out_document(text: str) -> bool:
    """As `is_held_out`, for a document."""
    return is_held_out(text[:_BEGINNING])


def read_training_data(folder: Path) -> TrainingData:
    """All rows of all `*.jsonl` in `folder`, less those held out. Raises ConfigError naming the line at fault."""
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise ConfigError(f"{folder} holds no *.jsonl", mend="name the folder of the training texts with --data")
    data = TrainingData()
    for path in files:
        for where, row in _rows(path):
            _add(data, row, where)
    if not (data.documents or data.questions or data.translations):
        raise ConfigError(f"{folder} holds no texts to train on ({data.held_out} are held out)", mend=_MEND)
    return data


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", mend="training texts are JSON Lines in UTF-8") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ConfigError(f"{where}: not JSON: {error}", mend="write one JSON object a line") from error
        if not isinstance(row, dict):
            raise ConfigError(f"{where}: {line[:60]} is not a JSON object", mend=_MEND)
        yield where, row


def _add(data: TrainingData, row: dict[str, Any], where: str) -> None:
    def words(*names: str) -> bool:
        return all(isinstance(row.get(name), str) and row[name].strip() for name in names)

    if words("text") and row.get("lang") in ("zh", "en"):
        if is_held_out_document(row["text"]):
            data.held_out += 1
        else:
            data.documents.append(Document(row["lang"], row["text"]))
    elif words("query", "passage"):
        if is_held_out(row["passage"]):
            data.held_out += 1
        else:
            data.questions.append((row["query"], row["passage"]))
    elif words("zh", "en"):
        if is_held_out(row["zh"]):
            data.held_out += 1
        else:
            headings = (row["zh_heading"], row["en_heading"]) if words("zh_heading", "en_heading") else None
            data.translations.append(Translation(row["zh"], row["en"], headings))
    else:
        raise ConfigError(f"{where}: a row with {', '.join(row) or 'nothing'} is of no known kind", mend=_MEND)
