"""The books of a knowledge base as sections, some of them held out, and the pairs that a model is adapted on."""

import json
import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

from core.errors import ConfigError
from core.text import plain
from finetune.embedder.data import is_held_out
from finetune.embedder.pairs import cloze
from ingest.previous import Previous
from vector_db.layout import KnowledgeBaseFolder
from vector_db.writer import BookContent

Kind = Literal["heading", "sentence", "question"]
_FEWEST_SECTIONS = 8
_SHORTEST = 20  # characters of a passage that a heading can lead to
_RECOGNISED = 60  # characters by which a passage is found in the books
_QUESTION, _PASSAGE = ("query", "question"), ("passage", "gold_text")


@dataclass(frozen=True, slots=True)
class Section:
    """All that stands under one heading. rows: of its chunks. bodies: their texts without headings and markup."""

    number: int
    path: tuple[str, ...]
    language: str
    rows: tuple[int, ...]
    bodies: tuple[str, ...]

    @property
    def held_out(self) -> bool:
        """Whether it is measured on, and so not trained on."""
        return is_held_out("\n".join(self.bodies))


@dataclass(frozen=True, slots=True)
class Example:
    """A pair. section: whose passages are no counterexamples; below 0: of none."""

    kind: Kind
    query: str
    passage: str
    section: int


@dataclass(frozen=True, slots=True)
class Books:
    """A generation's content. bodies: of all chunks, by row; section_of: the section of each."""

    folder: Path
    contents: tuple[BookContent, ...]
    sections: tuple[Section, ...]
    bodies: tuple[str, ...]
    section_of: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Examples:
    """Pairs to train on, and those of held-out sections and passages."""

    train: tuple[Example, ...]
    held_out: tuple[Example, ...]


def read_books(data_dir: Path, kb: str) -> Books:
    """The served generation of `kb`. Raises KnowledgeBaseError, or ConfigError when it has too few sections."""
    folder = KnowledgeBaseFolder(data_dir, kb).current()
    previous = Previous(folder)
    contents = tuple(previous.content(record) for record in previous.books())
    sections: dict[tuple[str, ...], list[tuple[int, str]]] = {}
    languages: dict[tuple[str, ...], str] = {}
    row = 0
    for content in contents:
        for chunk in content.chunks:
            key = (content.record.id, content.record.title, *chunk.heading_path)
            sections.setdefault(key, []).append((row, plain(chunk.reading)))
            languages[key] = content.record.language
            row += 1
    if len(sections) < _FEWEST_SECTIONS:
        raise ConfigError(
            f"the knowledge base '{kb}' has {len(sections)} sections, too few to learn from and to measure on",
            mend=f"name one with at least {_FEWEST_SECTIONS}",
        )
    made = tuple(
        Section(number, tuple(dict.fromkeys(key[1:])), languages[key], *zip(*members, strict=True))
        for number, (key, members) in enumerate(sections.items())
    )
    by_row = sorted((row, body, one.number) for one in made for row, body in zip(one.rows, one.bodies, strict=True))
    _, bodies, section_of = zip(*by_row, strict=True)
    return Books(folder, contents, made, bodies, section_of)


def make_examples(books: Books, questions: Sequence[tuple[str, str]], seed: int) -> Examples:
    """Pairs from the books and from questions with their passages; the same arguments give the same pairs.

    Raises ConfigError when nothing is left to train on, or to measure on.
    """
    draw = random.Random(seed)
    train, held_out = list[Example](), list[Example]()
    for section in books.sections:
        (held_out if section.held_out else train).extend(_of_section(section, draw))
    find = _Finder(books.bodies)
    for question, passage in questions:
        row = find.row(passage)
        number = -1 if row is None else books.section_of[row]
        unseen = is_held_out(passage) if row is None else books.sections[number].held_out
        (held_out if unseen else train).append(Example("question", question, plain(passage), number))
    for examples, use in ((train, "train"), (held_out, "measure")):
        if len(examples) < 2:
            raise ConfigError(f"the books give {len(examples)} pairs to {use} on", mend="add books to it")
    return Examples(tuple(train), tuple(held_out))


def read_questions(path: Path) -> list[tuple[str, str]]:
    """(question, passage) of each row: "query" or "question", and "passage" or "gold_text". Raises ConfigError."""
    mend = 'write {"query": …, "passage": …}, one a line'
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", mend="name the pairs with --pairs") from error
    found: list[tuple[str, str]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ConfigError(f"{path}, line {number}: not JSON: {error}", mend=mend) from error
        question, passage = (_words(row, names) for names in (_QUESTION, _PASSAGE))
        if question is None or passage is None:
            raise ConfigError(f"{path}, line {number}: no question with a passage in {line.strip()[:60]}", mend=mend)
        found.append((question, passage))
    return found


def _words(row: Any, names: Sequence[str]) -> str | None:
    values = (row.get(name) for name in names) if isinstance(row, dict) else ()
    return next((value for value in values if isinstance(value, str) and value.strip()), None)


def _of_section(section: Section, draw: random.Random) -> Iterator[Example]:
    queries = dict.fromkeys((" ".join(section.path), section.path[-1]))
    for body in section.bodies:
        if len(section.path) > 1 and len(body) >= _SHORTEST:
            yield from (Example("heading", query, body, section.number) for query in queries)
        language = "zh" if section.language == "zh" else "en"
        for sentence, rest in cloze(body, section.path, language, draw):
            yield Example("sentence", sentence, rest, section.number)


class _Finder:
    """Finds the chunk that holds a passage, whatever the blanks."""

    def __init__(self, bodies: Sequence[str]) -> None:
        squeezed = ["".join(body.split()) for body in bodies]
        self._text = "\n".join(squeezed)
        self._starts = [0, *accumulate(len(body) + 1 for body in squeezed)]

    def row(self, passage: str) -> int | None:
        """The first chunk with the beginning of `passage`."""
        at = self._text.find("".join(plain(passage).split())[:_RECOGNISED])
        return None if at < 0 else bisect_right(self._starts, at) - 1
