"""Query sets: a JSON Lines file of questions and where their answers stand.

    {"qid": "os-1", "query": "什么是死锁？", "lang": "zh", "doc": "os.md", "span": [1200, 1310]}

`query` and one form of gold are needed. The forms, strongest first; the first that a row has is used:

    gold_pids   list of passages: each the path, name or stem of a source file, or the id of a chunk
    doc + span  `[start, end)` in characters of Keben's text of that file, which is the file itself for Markdown and TXT
                (decoded, without invisible characters)
    doc         any passage of that file
    gold_text   the words of the answer, found again however the file was cut

`qid` defaults to the line's number, `lang` to the language of the question. Other fields are ignored.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from core.errors import ConfigError
from core.text import language_of

_Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
_FORMS = 'give it "gold_pids", "doc" (with "span" [start, end) if known) or "gold_text"'


@dataclass(frozen=True, slots=True)
class PidGold:
    """A source file by path, name or stem, or a chunk by its id."""

    pid: str

    def __str__(self) -> str:
        return self.pid


@dataclass(frozen=True, slots=True)
class SpanGold:
    """`[start, end)` in characters of the extracted text of `doc`."""

    doc: str
    start: int
    end: int

    def __str__(self) -> str:
        return f"{self.doc} [{self.start}, {self.end})"


@dataclass(frozen=True, slots=True)
class DocGold:
    """All of one source file."""

    doc: str

    def __str__(self) -> str:
        return self.doc


@dataclass(frozen=True, slots=True)
class TextGold:
    """The words of the answer."""

    text: str

    def __str__(self) -> str:
        return self.text


Gold = PidGold | SpanGold | DocGold | TextGold


@dataclass(frozen=True, slots=True)
class Query:
    """One question. gold: what has to be found, at least one item."""

    qid: str
    text: str
    language: str
    gold: tuple[Gold, ...]

    @property
    def key(self) -> str:
        """The same for the same id, question and gold: 16 hex digits. Results are compared by it."""
        return hashlib.sha256(repr((self.qid, self.text, self.gold)).encode("utf-8", "surrogatepass")).hexdigest()[:16]


class _Row(BaseModel):
    """A line as it is written; whole numbers and words only, nothing is converted."""

    model_config = ConfigDict(strict=True, extra="ignore")

    query: _Words
    qid: _Words | None = None
    lang: _Words | None = None
    gold_pids: list[_Words] | None = None
    doc: _Words | None = None
    span: Annotated[list[int], Field(min_length=2, max_length=2)] | None = None
    gold_text: _Words | None = None


def read_queries(path: Path) -> list[Query]:
    """The queries of a file, in order; blank lines are skipped.

    Raises ConfigError naming the file and the line for a row that cannot be used: malformed JSON, no question, no
    usable gold, an id that occurs twice. A row is never left out in silence: the measures would look better than they
    are.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", mend="name the query set with --set") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8: {error}", mend="save the query set as UTF-8") from error
    queries: list[Query] = []
    lines: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        query = _query(_row(line, f"{path}, line {number}"), f"{path}, line {number}", number)
        if query.qid in lines:
            raise ConfigError(
                f'{path}, line {number}: "qid" {query.qid!r} is that of line {lines[query.qid]} too',
                mend="give each row an id of its own",
            )
        lines[query.qid] = number
        queries.append(query)
    if not queries:
        raise ConfigError(f"{path} holds no queries", mend=f"write one JSON object a line; {_FORMS}")
    return queries


def _row(line: str, where: str) -> _Row:
    try:
        data: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: not JSON: {error}", mend="write one JSON object a line") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{where}: {line.strip()[:60]} is not a JSON object", mend="write one JSON object a line")
    try:
        return _Row.model_validate(data)
    except ValidationError as error:
        fault = error.errors()[0]
        name = ".".join(map(str, fault["loc"]))
        said = "it is missing" if fault["type"] == "missing" else f"{fault['input']!r}: {fault['msg']}"
        raise ConfigError(f'{where}: "{name}": {said}', mend=f'correct "{name}", or leave the row out') from error


def _query(row: _Row, where: str, number: int) -> Query:
    return Query(
        qid=row.qid or f"line {number}",
        text=row.query,
        language=row.lang or language_of(row.query),
        gold=_gold(row, where),
    )


def _gold(row: _Row, where: str) -> tuple[Gold, ...]:
    """The row's gold; raises ConfigError when it has none that can be used."""
    if row.span is not None:
        start, end = row.span
        if row.doc is None and not row.gold_pids:
            raise ConfigError(f'{where}: "span" without "doc"', mend='name the file in "doc"')
        if not 0 <= start < end:
            raise ConfigError(
                f'{where}: "span" {row.span} is not a stretch of text', mend="write [start, end) with 0 <= start < end"
            )
    if row.gold_pids:
        return tuple(PidGold(pid) for pid in dict.fromkeys(row.gold_pids))
    if row.doc is not None:
        return (SpanGold(row.doc, *row.span) if row.span else DocGold(row.doc),)
    if row.gold_text is not None:
        return (TextGold(row.gold_text),)
    raise ConfigError(f"{where}: no usable gold", mend=_FORMS)
