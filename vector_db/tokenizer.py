"""Words for the keyword index: the same function for books and questions."""

import logging
import re
import threading
from functools import cache, lru_cache
from typing import Any

from core.text import compatible
from vector_db.stopwords import ENGLISH, QUESTION_WORDS_ZH

# Raised whenever the tokens of a text change: older keyword indexes are then rebuilt.
VERSION = 2

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


def tokens(text: str) -> list[str]:
    """Search terms of `text` in order, question and function words left out.

    Chinese runs are cut by jieba in search mode; Latin words are stemmed (Porter 2).
    """
    terms: list[str] = []
    for run in _RUN.findall(normalise(text)):
        if "\u3400" <= run[0] <= "\u9fff":
            terms += [word for word in _jieba().cut_for_search(run) if word not in QUESTION_WORDS_ZH]
        elif run not in ENGLISH:
            terms.append(_stem(run) if run.isascii() else run)
    return terms


def cut_words(run: str) -> list[str]:
    """The words of a run of Chinese characters that jieba's dictionary has, and those inside longer ones."""
    return list(_jieba().cut_for_search(run, HMM=False))


def word_frequencies() -> dict[str, int]:
    """How often jieba's texts say each word of its dictionary."""
    return {word: count for word, count in _jieba().FREQ.items() if count}


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
