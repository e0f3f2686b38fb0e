"""The usual ways to cut a text into words for BM25. Latin words are lower-cased, not stemmed."""

import re
from collections.abc import Callable

import jieba

from vector_db.stopwords import ENGLISH, QUESTION_WORDS_ZH

_RUN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+|[^\W\u3400-\u4dbf\u4e00-\u9fff]+")


def bigrams(text: str) -> list[str]:
    """Character bigrams of Chinese runs, and the words of others."""
    terms: list[str] = []
    for run in _RUN.findall(text.lower()):
        chinese = "\u3400" <= run[0] <= "\u9fff" and len(run) > 1
        terms += [run[i : i + 2] for i in range(len(run) - 1)] if chinese else [run]
    return terms


def jieba_words(text: str) -> list[str]:
    """jieba's search mode, without blanks and punctuation."""
    return [word for word in jieba.cut_for_search(text.lower()) if any(map(str.isalnum, word))]


def jieba_without_stop_words(text: str) -> list[str]:
    """`jieba_words` without the question and function words of both languages."""
    return [word for word in jieba_words(text) if word not in QUESTION_WORDS_ZH and word not in ENGLISH]


def bigrams_and_jieba(text: str) -> list[str]:
    """Both, a word that both give once more: it counts double."""
    return bigrams(text) + jieba_words(text)


TOKENIZERS: dict[str, Callable[[str], list[str]]] = {
    "BM25 bigrams": bigrams,
    "BM25 jieba": jieba_words,
    "BM25 jieba, stop words": jieba_without_stop_words,
    "BM25 bigrams + jieba": bigrams_and_jieba,
}
