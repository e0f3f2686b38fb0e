"""Sentences with a passage that supports them and passages that do not, in two languages.

    statements  XQuAD: a reader's question with its answer put behind it says, in other words, what the paragraph says
    sentences   XQuAD: a sentence of a paragraph and the paragraph in the other language
    summaries   hello-algo: a sentence of a chapter's summary, and the sections of the chapter (one of them supports it)

Passages that do not support are other paragraphs of the same article, and the sections of another chapter. Articles
and chapters fall into two halves.
"""

import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.text import length, plain, sentences
from core.types import Language
from vector_db.tokenizer import tokens

LANGUAGES: tuple[Language, ...] = ("zh", "en")
_LONG = 200  # words of a section that is one passage
_OTHERS = 2  # paragraphs of the same article
_LEAST = 4  # terms of a sentence
_CHAPTERS_ASIDE = ("index", "exercises")


@dataclass(frozen=True, slots=True)
class Pair:
    """text, in `said`, rests on one of `right`, in `read`, and on none of `wrong`. half: 0 or 1."""

    kind: str
    said: Language
    read: Language
    half: int
    text: str
    right: tuple[str, ...]
    wrong: tuple[tuple[str, ...], ...]


def pairs(data: Path, limit: int) -> list[Pair]:
    """Up to `limit` of each kind, pair of languages and half, drawn by chance. data: holds xquad_zh and others."""
    chance = random.Random(1)
    found = [*_xquad(data, chance), *_hello_algo(data, chance)]
    chance.shuffle(found)
    groups: dict[tuple[str, str, str, int], list[Pair]] = defaultdict(list)
    for pair in found:
        groups[pair.kind, pair.said, pair.read, pair.half].append(pair)
    return [pair for group in sorted(groups) for pair in groups[group][:limit]]


def paragraphs(data: Path, language: Language) -> list[dict[str, Any]]:
    """The paragraphs of XQuAD; those of one number say the same in both languages."""
    return _lines(data / f"xquad_{language}" / "corpus.jsonl")


def sentences_of(text: str) -> list[str]:
    """Those with something to compare."""
    parts = (plain(line[start:end]) for line in text.split("\n") for start, end in sentences(line))
    return [part for part in parts if len(set(tokens(part))) >= _LEAST]


def _xquad(data: Path, chance: random.Random) -> Iterator[Pair]:
    texts = {language: [row["text"] for row in paragraphs(data, language)] for language in LANGUAGES}
    titles = [str(row["title"]) for row in paragraphs(data, "en")]
    halves = _halves(titles)
    for said in LANGUAGES:
        stated = [(at, text) for at, text, _ in statements(data, said)]
        written = [(at, part) for at, text in enumerate(texts[said]) for part in sentences_of(text)]
        for read in LANGUAGES:
            for kind, those in (("statements", stated), ("sentences", written if said != read else [])):
                for at, text in those:
                    near = [other for other, title in enumerate(titles) if title == titles[at] and other != at]
                    wrong = tuple((texts[read][other],) for other in chance.sample(near, min(_OTHERS, len(near))))
                    yield Pair(kind, said, read, halves[titles[at]], text, (texts[read][at],), wrong)


def statements(data: Path, language: Language) -> list[tuple[int, str, int]]:
    """What readers' questions say once they are answered: number of the paragraph, text and half of each."""
    titles = [str(row["title"]) for row in paragraphs(data, "en")]
    halves = _halves(titles)
    rows = _lines(data / f"xquad_{language}" / "queries.jsonl")
    places = [int(row["gold_pids"][0].rsplit("-", 1)[1]) for row in rows]
    return [(at, _statement(row, language), halves[titles[at]]) for at, row in zip(places, rows, strict=True)]


def _halves(titles: list[str]) -> dict[str, int]:
    return {title: at % 2 for at, title in enumerate(sorted(set(titles)))}


def _statement(row: dict[str, Any], language: Language) -> str:
    return str(row["query"]).rstrip("？? ") + (" " if language == "en" else "") + str(row["answers"][0])


def _hello_algo(data: Path, chance: random.Random) -> Iterator[Pair]:
    books = {language: _chapters(data / f"hello_algo_qa_{language}" / "docs") for language in LANGUAGES}
    names = sorted(set.intersection(*(set(chapters) for chapters in books.values())))
    for said in LANGUAGES:
        for read in LANGUAGES:
            for at, name in enumerate(names):
                for text in books[said][name][0]:
                    other = chance.choice([one for one in names if one != name])
                    right, wrong = books[read][name][1], books[read][other][1]
                    yield Pair("summaries", said, read, at % 2, text, right, (wrong,))


def _chapters(docs: Path) -> dict[str, tuple[list[str], tuple[str, ...]]]:
    """By chapter the sentences of its summary, and its sections."""
    summaries: dict[str, list[str]] = {}
    sections: dict[str, list[str]] = defaultdict(list)
    for path in sorted(docs.glob("*.md")):
        chapter, _, name = path.stem.partition("__")
        text = path.read_text(encoding="utf-8")
        if name == "summary":
            points = [line[2:] for line in text.split("\n") if line.startswith("- ")]
            summaries[chapter] = [part for point in points for part in sentences_of(point)]
        elif name not in _CHAPTERS_ASIDE:
            sections[chapter] += _sections(text)
    return {name: (some, tuple(sections[name])) for name, some in summaries.items() if some and sections[name]}


def _sections(text: str) -> Iterator[str]:
    part = ""
    for paragraph in re.sub(r"```.*?```", "", text, flags=re.DOTALL).split("\n\n"):
        part += paragraph + "\n\n"
        if length(part) > _LONG:
            yield part
            part = ""
    if part.strip():
        yield part


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
