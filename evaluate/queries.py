"""Query sets: a JSON Lines file of questions and where their answers stand.

    {"qid": "os-1", "query": "什么是死锁？", "lang": "zh", "doc": "os.md", "span": [1200, 1310]}

`query` and one form of gold are needed. The forms, strongest first; the first that a row has is used:

    gold_pids   list of passages: each the path, name or stem of a source file, or the id of a chunk
    doc + span  `[start, end)` in characters of Keben's text of that file, which is the file itself for Markdown and TXT
                (decoded, without invisible characters)
    doc         any passage of that file
    gold_text   the words of the answer, found again however the file was cut

`answers` is a list of short answers, any of which is right; where the words of answers are compared, `gold_text` is
one too. `qid` defaults to the line's number, `lang` to the language of the question. Other fields are ignored.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from core.errors import ConfigError
from core.text import language_of
from evaluate.rows import Names, Words, read_rows

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
    """One question. gold: what has to be found. answers: right answers in words, any of which will do.

    One of the two may be empty.
    """

    qid: str
    text: str
    language: str
    gold: tuple[Gold, ...]
    answers: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The same for the same id, question and gold: 16 hex digits. Results are compared by it."""
        return hashlib.sha256(repr((self.qid, self.text, self.gold)).encode("utf-8", "surrogatepass")).hexdigest()[:16]


class _Row(BaseModel):
    """A line as it is written; whole numbers and words only, nothing is converted."""

    model_config = ConfigDict(strict=True, extra="ignore")

    query: Words
    qid: Words | None = None
    lang: Words | None = None
    gold_pids: list[Words] | None = None
    doc: Words | None = None
    span: Annotated[list[int], Field(min_length=2, max_length=2)] | None = None
    gold_text: Words | None = None
    answers: list[Words] | None = None


def read_queries(path: Path, *, need_gold: bool = True) -> list[Query]:
    """The queries of a file, in order; blank lines are skipped.

    need_gold: whether each must have gold; else `answers` will do. Raises ConfigError naming the file and the line for
    a row that cannot be used: malformed JSON, no question, no usable gold, an id that occurs twice.
    """
    names, queries = Names(), []
    for number, where, row in read_rows(path, _Row):
        qid = names.take(row.qid or f"line {number}", number, where, "qid")
        answers = (*(row.answers or ()), *([row.gold_text] if row.gold_text else ()))
        gold = _gold(row, where, need_gold=need_gold)
        queries.append(Query(qid, row.query, row.lang or language_of(row.query), gold, answers))
    if not queries:
        raise ConfigError(f"{path} holds no queries", mend=f"write one JSON object a line; {_FORMS}")
    return queries


def _gold(row: _Row, where: str, *, need_gold: bool) -> tuple[Gold, ...]:
    """The row's gold; raises ConfigError when it has none that can be used, and cannot do without."""
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
    if row.answers and not need_gold:
        return ()
    raise ConfigError(f"{where}: no usable gold", mend=_FORMS)
