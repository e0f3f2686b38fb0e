"""Questions whose answer a knowledge base is known to hold, or known not to: what refusals are measured with, unasked.

No teacher has to write them. A question that the books answer is made from a sentence of theirs, in part in other
words. One near the subject is such a question while the whole section that answers it is kept out of sight, or words of
many sections that nobody puts together. One far from it is about everyday life, or about another subject of the same
library, whose books are kept out of sight.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.text import language_of, plain, sentences
from core.types import Chunk, Language
from vector_db.embedder import Embedder
from vector_db.reader import Generation
from vector_db.tokenizer import content_words

Kind = Literal["own", "near", "far"]
_EVERYDAY = Path(__file__).with_name("everyday_questions.json")
_WORDS = (4, 24)  # of a sentence that a question is made from
_KEPT = 0.6  # of its words
_REPLACED = 0.25  # of these by words of like meaning
_STREWN = 5  # words of a question that makes no sense
_PERHAPS = 0.3  # weight of a question that another section may answer all the same
_HIDDEN = 0.8  # where more of the library would have to be hidden, nothing is learnt
Numbers = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Probe:
    """A question, what it should find, and the rows that are kept out of sight while it is asked.

    weight: what it counts in the fit, 0 to 1: less where the label is not sure.
    """

    text: str
    kind: Kind
    without: Numbers | None = None
    weight: float = 1.0


def make_probes(generation: Generation, words: Embedder, each: int, seed: int = 0) -> list[Probe]:
    """Up to `each` questions that the books answer, and as many near and far ones; none from an empty library.

    words: embeds single words. The same generation and seed give the same questions.
    """
    draw = np.random.default_rng(seed)
    made = list(_from_sentences(generation, words, each, draw))
    texts = [text for text, _ in made]
    probes = [Probe(text, "own") for text in texts]
    hidden = [(text, _section(generation, row)) for text, row in made]
    near = [Probe(text, "near", rows, _PERHAPS) for text, rows in hidden if len(rows) < _HIDDEN * len(generation.ids)]
    near += [Probe(text, "near", None, _PERHAPS) for text in _strewn(texts, draw)]
    far = [Probe(text, "far", rows) for text, rows in _of_other_subjects(generation, made)]
    languages = sorted({book.language for book in generation.books.values()})
    everyday = [Probe(text, "far") for language in languages for text in everyday_questions()[language]]
    for kind in (near, far, everyday):
        draw.shuffle(kind)
    return probes + near[:each] + (far[: each // 2] + everyday)[:each]


@cache
def everyday_questions() -> dict[Language, list[str]]:
    """Questions of everyday life that a textbook hardly answers."""
    questions: dict[Language, list[str]] = json.loads(_EVERYDAY.read_text(encoding="utf-8"))
    return questions


def _from_sentences(
    generation: Generation, words: Embedder, count: int, draw: np.random.Generator
) -> Iterator[tuple[str, int]]:
    """Questions, each with the row of the chunk that it was made from, spread over the library."""
    alike = _Alike(generation, words)
    # A small library is asked about one passage several times.
    rows = np.concatenate([draw.permutation(len(generation.ids)) for _ in range(3)])[: 3 * count]
    made = 0
    for row, chunk in zip(map(int, rows), generation.store.get([generation.ids[row] for row in rows]), strict=True):
        if made < count and (text := _question(chunk, alike, draw)):
            made += 1
            yield text, row


def _question(chunk: Chunk, alike: "_Alike", draw: np.random.Generator) -> str | None:
    said = [plain(chunk.text[start:end]) for start, end in sentences(chunk.text)]
    fitting = [words for words in map(content_words, said) if _WORDS[0] <= len(words) <= _WORDS[1]]
    if not fitting:
        return None
    words = fitting[int(draw.integers(len(fitting)))]
    kept = sorted(draw.permutation(len(words))[: max(3, round(_KEPT * len(words)))])
    asked = [alike.replace(words[at]) if draw.random() < _REPLACED else words[at] for at in kept]
    return (" " if language_of(chunk.text) == "en" else "").join(asked)


class _Alike:
    """Finds a word of like meaning in the books' vocabulary."""

    def __init__(self, generation: Generation, words: Embedder) -> None:
        stored = generation.lexical.stored
        self._names = [word for word in stored.words if word]
        numbers = [number for number, word in enumerate(stored.words) if word]
        self._vectors = generation.lexical.word_vectors[numbers].astype(np.float32) / 127
        self._words = words

    def replace(self, word: str) -> str:
        """The most similar other word, or the word itself in an empty vocabulary."""
        if not self._names:
            return word
        cosines = self._vectors @ self._words.encode([word])[0]
        best = np.argsort(-cosines)[:8]
        others = (self._names[at] for at in best if self._names[at] not in word and word not in self._names[at])
        return next(others, word)


def _section(generation: Generation, row: int) -> Numbers:
    return np.flatnonzero(generation.sections == generation.sections[row])


def _strewn(texts: Sequence[str], draw: np.random.Generator) -> Iterator[str]:
    """Words of the subject, each of another question."""
    words = [content_words(text) for text in texts]
    if len(texts) < 2 * _STREWN:
        return
    for _ in texts[::2]:
        chosen = [words[at] for at in draw.permutation(len(words))[:_STREWN]]
        yield " ".join(some[int(draw.integers(len(some)))] for some in chosen if some)


def _of_other_subjects(generation: Generation, made: Sequence[tuple[str, int]]) -> Iterator[tuple[str, Numbers]]:
    """Questions whose answer is in the books of one subject, with all of these kept out of sight."""
    subjects: dict[str, set[str]] = {}
    for book in generation.books.values():
        subjects.setdefault(book.subject, set()).add(book.id)
    hidden = {subject: np.flatnonzero(generation.rows_of(books)) for subject, books in subjects.items()}
    for text, row in made:
        rows = next(rows for rows in hidden.values() if row in rows)
        if len(rows) < _HIDDEN * len(generation.ids):
            yield text, rows
