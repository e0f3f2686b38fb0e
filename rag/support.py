"""How far passages say what a sentence says. Pure functions, given what embeds texts.

For each term of the sentence the most similar term of a stretch of the passage counts, as in `rag.matching`, so that
a Chinese sentence can rest on an English passage; in the same language the terms themselves count as much. The
sentence as a whole is compared with sentences of the passage.
The thresholds are those of `benchmarks/citations.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from core.text import compatible, language_of, plain, sentences
from core.types import Language, Passage
from rag.facts import formula_form, values_in
from vector_db.glossary import Glossary
from vector_db.tokenizer import tokens, written_forms

Matrix = NDArray[np.float32]
# Unit vectors of texts, shape (texts, dimension), alike for words and sentences of both languages.
Embed = Callable[[Sequence[str]], Matrix]

_STRETCH, _STEP = 40, 10  # terms
_WHOLE = 0.3  # what the cosine of the whole sentence counts beside the terms
# 链 is a part of many words.
_SINGLE_CHARACTER = 0.6


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Scores from which on a passage supports a sentence, and supports it so clearly that a marker is added."""

    supports: float
    clear: float


SAME_LANGUAGE = Thresholds(0.54, 0.635)
ACROSS_LANGUAGES = Thresholds(0.30, 0.365)


@dataclass(frozen=True, slots=True)
class Scores:
    """What the passages say of a sentence.

    near, exact: how near each term comes anywhere in each passage, and whether it stands there, shape (terms,
    passages). weights: of the terms, their sum 1. stretches: how near all terms come in one stretch; cosines: of the
    whole sentence; own: whether a passage is in its language, shape (passages,).
    """

    near: Matrix
    exact: Matrix
    weights: Matrix
    stretches: Matrix
    cosines: Matrix
    own: NDArray[np.bool_]

    @property
    def total(self) -> Matrix:
        """0 to 1, shape (passages,)."""
        terms = np.where(self.own, (self.stretches + self.weights @ self.exact) / 2, self.stretches)
        return np.asarray((terms + _WHOLE * self.cosines) / (1 + _WHOLE), dtype=np.float32)

    @property
    def thresholds(self) -> list[Thresholds]:
        """Those of each passage, by whether it is in the language of the sentence."""
        return [SAME_LANGUAGE if own else ACROSS_LANGUAGES for own in self.own]

    def together(self, passages: Sequence[int]) -> float:
        """The same for some passages read as one."""
        rows = list(passages)
        near, exact = (float(self.weights @ some[:, rows].max(axis=1)) for some in (self.near, self.exact))
        terms = (near + exact) / 2 if self.own[rows].all() else near
        return (terms + _WHOLE * float(self.cosines[rows].max())) / (1 + _WHOLE)


class Evidence:
    """The passages of an answer, read once. Immutable; its methods are pure.

    passages: their texts as a model was shown them. question: its numbers and formulas need no passage.
    """

    def __init__(self, passages: Sequence[str], question: str, embed: Embed, glossary: Glossary | None = None) -> None:
        self.count = len(passages)
        self._embed, self._glossary = embed, glossary or Glossary()
        texts = [plain(compatible(text)) for text in passages]
        self.languages: tuple[Language, ...] = tuple(language_of(text) for text in texts)
        self.values = tuple(map(values_in, texts))
        self.formulas = tuple(map(formula_form, texts))
        self.asked_values, self.asked_formula = values_in(question), formula_form(question)
        terms = [tokens(text) for text in texts]
        self._vocabulary = {term: at for at, term in enumerate(dict.fromkeys(t for some in terms for t in some))}
        self._present = tuple(map(frozenset, terms))
        forms = {stem: form for text in texts for stem, form in written_forms(text).items()}
        words = [forms.get(term, term) for term in self._vocabulary]
        pieces = [_pieces(text) for text in texts]
        vectors = embed([*words, *(piece for some in pieces for piece in some)])
        self._words, self._pieces = vectors[: len(words)], vectors[len(words) :]
        self._piece_owner = np.repeat(np.arange(self.count), [len(some) for some in pieces])
        self._stretches, self._owner = _stretches([[self._vocabulary[t] for t in some] for some in terms])

    def scores(self, sentence: str, *, code: bool = False) -> Scores | None:
        """How far each passage says what `sentence` says; None for a sentence without terms.

        code: whether it is a program, which is in the language of every passage.
        """
        text = plain(compatible(sentence))
        found = tokens(text)
        terms = list(dict.fromkeys(found))
        if not terms or not self.count:
            return None
        forms = written_forms(text)
        vectors = self._embed([*(forms.get(term, term) for term in terms), text])
        alike = np.clip(vectors[:-1] @ self._words.T, 0, 1)
        for row, names in enumerate(self._names(found, terms)):
            alike[row, [self._vocabulary[name] for name in names if name in self._vocabulary]] = 1
        near = np.zeros((len(terms), len(self._owner)), dtype=np.float32)
        if len(self._vocabulary):
            near = alike[:, self._stretches].max(axis=2)
        weights = np.array([_weight(term) for term in terms], dtype=np.float32)
        weights /= weights.sum()
        anywhere = np.zeros((self.count, len(terms)), dtype=np.float32)
        stretches, cosines = (np.zeros(self.count, dtype=np.float32) for _ in range(2))
        np.maximum.at(stretches, self._owner, weights @ near)
        np.maximum.at(anywhere, self._owner, near.T)
        np.maximum.at(cosines, self._piece_owner, np.clip(self._pieces @ vectors[-1], 0, 1))
        exact = np.array([[term in some for some in self._present] for term in terms], dtype=np.float32)
        own = np.array([code or language == language_of(text) for language in self.languages])
        return Scores(anywhere.T, exact, weights, stretches, cosines, own)

    def _names(self, found: Sequence[str], terms: Sequence[str]) -> list[list[str]]:
        """Each term under all its names."""
        names = {term: [term] for term in terms}
        for (start, end), others in self._glossary.translations(found).items():
            for term in found[start:end]:
                names[term] += others
        return [names[term] for term in terms]


def evidence_of(passages: Sequence[Passage], question: str, embed: Embed, glossary: Glossary | None = None) -> Evidence:
    """The passages that a model was given, with their headings."""
    texts = [" > ".join(one.chunk.heading_path) + "\n\n" + one.chunk.reading for one in passages]
    return Evidence(texts, question, embed, glossary)


def _weight(term: str) -> float:
    return _SINGLE_CHARACTER if len(term) == 1 and not term.isascii() else 1.0


def _pieces(text: str) -> list[str]:
    """The sentences of a passage, and each two in a row."""
    found = [part[start:end] for part in text.split("\n") for start, end in sentences(part)]
    return [*found, *(f"{one} {other}" for one, other in pairwise(found))]


def _stretches(passages: Sequence[Sequence[int]]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Stretches of the passages as numbers of terms, shape (stretches, length), and whose each is."""
    rows: list[list[int]] = []
    owner: list[int] = []
    for number, terms in enumerate(passages):
        for start in range(0, max(len(terms) - _STRETCH + _STEP, 1) if terms else 0, _STEP):
            part = list(terms[start : start + _STRETCH])
            rows.append(part + part[-1:] * (_STRETCH - len(part)))
            owner.append(number)
    shape = (len(rows), _STRETCH)
    return np.array(rows, dtype=np.intp).reshape(shape), np.array(owner, dtype=np.intp)
