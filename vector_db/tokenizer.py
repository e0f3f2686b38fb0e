"""Words for the keyword index: the same function for books and questions."""

import logging
import re
import threading
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import Any

from core.text import compatible
from vector_db.stopwords import ENGLISH, QUESTION_WORDS_ZH

# Raised whenever the tokens of a text change: older keyword indexes are then rebuilt.
VERSION = 3

_RUN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+|[a-z0-9_]+(?:[+#]+)?|[^\W\u3400-\u9fff]+")
# CO₂, but not log₂8.
_SUBSCRIPT = re.compile("(?<=[a-z])[₀-₉]+(?![0-9])")
_DIGITS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_TRADITIONAL_HINT = re.compile("[\u3400-\u9fff]")
_of_thread = threading.local()


def normalise(text: str) -> str:
    """Compatible characters in lower case, Traditional ones folded to Simplified, CO₂ to co2. For search only."""
    text = _SUBSCRIPT.sub(lambda match: match.group().translate(_DIGITS), compatible(text).lower())
    return str(_converter().convert(text)) if _TRADITIONAL_HINT.search(text) else text


class Words:
    """Chinese terms that a dictionary lacks, each of two characters or more, found wherever they stand."""

    def __init__(self, terms: Iterable[str] = ()) -> None:
        self._by_start: dict[str, list[str]] = {}
        for term in sorted(set(terms)):
            self._by_start.setdefault(term[:2], []).append(term)

    def within(self, run: str) -> Iterator[str]:
        """Those that stand in `run`, in order."""
        if self._by_start:
            for start in range(len(run) - 1):
                for term in self._by_start.get(run[start : start + 2], ()):
                    if run.startswith(term, start):
                        yield term


_NO_WORDS = Words()


def tokens(text: str, words: Words = _NO_WORDS) -> list[str]:
    """Search terms of `text` in order, question and function words left out.

    Chinese runs are cut by jieba in search mode, to which `words` are added. Characters side by side that no word of
    the dictionary takes in give their pairs too. Latin words are stemmed (Porter 2).
    """
    terms: list[str] = []
    for run in _RUN.findall(normalise(text)):
        if is_chinese(run):
            terms += _chinese(run)
            terms += words.within(run)
        elif run not in ENGLISH:
            terms.append(_stem(run) if run.isascii() else run)
    return terms


def written_forms(text: str) -> dict[str, str]:
    """By term, how the Latin words of `text` are written: properti → properties."""
    return {_stem(run): run for run in _RUN.findall(normalise(text)) if run.isascii() and run not in ENGLISH}


def content_words(text: str) -> list[str]:
    """The words of `text` in order as they stand, without question and function words."""
    words: list[str] = []
    for run in _RUN.findall(normalise(text)):
        words += cut(run) if is_chinese(run) else [run]
    return [word for word in words if word not in QUESTION_WORDS_ZH and word not in ENGLISH]


def is_chinese(run: str) -> bool:
    """Whether a run of one script is Chinese."""
    return "\u3400" <= run[0] <= "\u9fff"


def cut(run: str) -> list[str]:
    """The words of a Chinese run in order, none left out. Words that are not in the dictionary are not guessed at."""
    return list(_jieba().cut(run, HMM=False))


def cut_all(run: str) -> list[str]:
    """As `cut`, with the shorter words inside longer ones."""
    return list(_jieba().cut_for_search(run, HMM=False))


def word_frequencies() -> dict[str, int]:
    """How often jieba's own texts say each word of its dictionary."""
    return {word: count for word, count in _jieba().FREQ.items() if count}


def _chinese(run: str) -> list[str]:
    terms: list[str] = []
    alone = ""
    # A guessed word (jieba's hidden Markov model) hides its parts, and is guessed otherwise in another sentence.
    for word in _jieba().cut_for_search(run, HMM=False):
        kept = word not in QUESTION_WORDS_ZH
        if kept and len(word) == 1:
            alone += word
        else:
            terms += _pairs(alone)
            alone = ""
        if kept:
            terms.append(word)
    return terms + _pairs(alone)


def _pairs(characters: str) -> list[str]:
    pairs = (characters[at : at + 2] for at in range(len(characters) - 1))
    return [pair for pair in pairs if pair not in QUESTION_WORDS_ZH]


def warm_up() -> None:
    """Load the dictionaries (about a second) before the first question needs them."""
    tokens("预热 warm up")


@cache
def _converter() -> Any:
    import opencc

    return opencc.OpenCC("t2s")


@cache
def _jieba() -> Any:
    import jieba

    jieba.setLogLevel(logging.WARNING)
    cutter = jieba.Tokenizer()
    cutter.initialize()
    return cutter


@lru_cache(maxsize=100_000)
def _stem(word: str) -> str:
    """Kept, since a book says the same words again and again and the stemmer is written in Python."""
    return str(_stemmer().stemWord(word))


def _stemmer() -> Any:
    """One for each thread: a stemmer keeps the word that it works on in itself."""
    if not hasattr(_of_thread, "stemmer"):
        import snowballstemmer

        _of_thread.stemmer = snowballstemmer.stemmer("english")
    return _of_thread.stemmer
