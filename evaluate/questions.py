"""Questions that should be answered, and questions that should be refused, as JSON Lines.

    {"id": "ood-1", "question": "谁写了《红楼梦》？", "lang": "zh", "kind": "far"}

`question` or `query` is needed, so that a query set will do. `kind` says of a question to refuse how far it lies from
the books: "near" (their field, not in them) or "far"; any other, or none, is "other". `id` (or `qid`) defaults to the
line's number, `lang` to the language of the question. Other fields are ignored.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from core.errors import ConfigError
from core.text import language_of
from evaluate.rows import Names, Words, read_rows

Kind = Literal["accept", "near", "far", "other"]
REJECT_KINDS: tuple[Kind, ...] = ("near", "far", "other")
KINDS: tuple[Kind, ...] = ("accept", *REJECT_KINDS)


@dataclass(frozen=True, slots=True)
class Labelled:
    """One question and what should become of it: `accept`, or the kind of a question to refuse."""

    id: str
    text: str
    language: str
    kind: Kind

    @property
    def key(self) -> str:
        """The same for the same id, question and kind: 16 hex digits. Runs are compared by it."""
        return hashlib.sha256(repr((self.id, self.text, self.kind)).encode("utf-8", "surrogatepass")).hexdigest()[:16]


class _Row(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    question: Words | None = None
    query: Words | None = None
    id: Words | int | None = None
    qid: Words | int | None = None
    lang: Words | None = None
    kind: str | None = None


def read_labelled(accept: Path, reject: Path) -> list[Labelled]:
    """The questions of both files, those to accept first.

    Raises ConfigError for a row that cannot be used, a file without questions, and a question that is in both.
    """
    wanted, unwanted = _read(accept, refuse=False), _read(reject, refuse=True)
    texts = {question.text for question in wanted}
    if both := [question for question in unwanted if question.text in texts]:
        raise ConfigError(
            f"{reject}: {both[0].id!r} ({both[0].text[:60]}) is in {accept} too",
            mend="a question is to be answered or to be refused: take it out of one of the files",
        )
    return wanted + unwanted


def _read(path: Path, *, refuse: bool) -> list[Labelled]:
    names, questions = Names(), []
    for number, where, row in read_rows(path, _Row):
        text = row.question or row.query
        if text is None:
            raise ConfigError(f'{where}: neither "question" nor "query"', mend='write the question as "question"')
        given = row.id if row.id is not None else row.qid
        name = names.take(f"line {number}" if given is None else str(given), number, where, "id")
        questions.append(Labelled(name, text, row.lang or language_of(text), _kind(row.kind) if refuse else "accept"))
    if not questions:
        raise ConfigError(f"{path} holds no questions", mend='write one JSON object a line, {"question": …}')
    return questions


def _kind(name: str | None) -> Kind:
    return next((kind for kind in REJECT_KINDS if kind == name), "other")
