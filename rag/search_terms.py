"""The terms of a question, how much each says, and what the books call them in the other language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from vector_db.lexical import LexicalIndex
from vector_db.stopwords import ASPECTS
from vector_db.tokenizer import tokens, written_forms

# 链 is a part of many words: finding it is weak evidence beside finding 链表.
_SINGLE_CHARACTER = 0.6
_ASPECT = 0.2


@dataclass(frozen=True, slots=True)
class SearchTerms:
    """names[i]: what else `terms[i]` is called. weights: inverse document frequencies, shape (terms,).

    written: by term, how the question writes it, for those that are stems.
    """

    terms: tuple[str, ...]
    weights: NDArray[np.float64]
    names: tuple[tuple[str, ...], ...]
    written: Mapping[str, str] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """The weight of all terms."""
        return float(self.weights.sum())

    @property
    def all_names(self) -> list[str]:
        """Every term and every other name of one, each once."""
        return list(dict.fromkeys((*self.terms, *(name for names in self.names for name in names))))

    def by_term(self) -> dict[str, float]:
        """The weight of each term."""
        return dict(zip(self.terms, map(float, self.weights), strict=True))


def search_terms(question: str, lexical: LexicalIndex) -> SearchTerms:
    """The terms of `question` as the books of `lexical` use them."""
    found = tokens(question, lexical.words)
    names: dict[str, list[str]] = {term: [] for term in found}
    for (start, end), others in lexical.glossary.translations(found).items():
        for term in found[start:end]:
            names[term] += [other for other in others if _says_less(other, found[start:end], lexical)]
    terms = tuple(names)
    weights = np.array([lexical.idf(term) * _weight(term) for term in terms])
    other_names = tuple(tuple(dict.fromkeys(names[term])) for term in terms)
    return SearchTerms(terms, weights, other_names, written_forms(question))


def _says_less(other: str, terms: Sequence[str], lexical: LexicalIndex) -> bool:
    """Whether the books use the other name more: theirs is the language of that name."""
    return lexical.idf(other) < min(map(lexical.idf, terms))


def _weight(term: str) -> float:
    if term in _aspects():
        return _ASPECT
    return _SINGLE_CHARACTER if len(term) == 1 and not term.isascii() else 1.0


@cache
def _aspects() -> frozenset[str]:
    return frozenset(tokens(ASPECTS))
