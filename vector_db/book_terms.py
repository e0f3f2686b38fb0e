"""The terms of a book itself: words of its headings that no dictionary has, and English names beside Chinese ones.

Pure functions; the terms are kept with the keyword index.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from core.text import compatible
from vector_db.stopwords import QUESTION_WORDS_ZH
from vector_db.tokenizer import cut, normalise

_CHINESE = re.compile("[\u3400-\u9fff]+")
_LONGEST = 8
# 死锁（deadlock）, 进程控制块（Process Control Block，PCB）
_ENGLISH = r"[A-Za-z][A-Za-z0-9+#'’/ -]{1,60}?"
_BRACKET = re.compile(
    rf"(?P<zh>[\u3400-\u9fff]{{2,16}})[*_」”\"]{{0,3}}\s?[（(]\s*(?:英[文语][:：]?\s*)?(?P<en>{_ENGLISH})"
    rf"\s*(?:[,，;；、]\s*(?:简称|缩写为?|即)?\s*(?P<short>[A-Za-z][A-Za-z0-9+-]{{1,11}})\s*)?[)）]"
)
# deadlock（死锁）
_TURNED = re.compile(
    r"(?<![A-Za-z])(?P<en>[A-Za-z][A-Za-z0-9+#'’-]*(?: [A-Za-z0-9+#'’-]+){0,3})"
    r"\s?[（(]\s*(?P<zh>[\u3400-\u9fff]{2,10})\s*[)）]"
)
# Words that lead to a term and are no part of it: 这种现象称为死锁（deadlock）.
_LEADING = """
    称为 称作 称之为 叫做 叫作 就是 即 名为 作为 成为 使用 采用 利用 通过 根据 基于 进行 实现 分别 包括 例如 比如
"""
_BEFORE = QUESTION_WORDS_ZH | frozenset(_LEADING.split())


@dataclass(frozen=True, slots=True)
class BookTerms:
    """words: Chinese terms that jieba does not know. glossary: Chinese terms with their English names."""

    words: tuple[str, ...] = ()
    glossary: tuple[tuple[str, str], ...] = ()


def book_terms(headings: Iterable[str], texts: Sequence[str]) -> BookTerms:
    """The terms of one book from its headings and the texts of its chunks."""
    glossary = tuple(sorted(set(_glossary(texts))))
    words = {word for heading in set(headings) for word in _heading_words(heading)}
    words |= {chinese for chinese, _ in glossary if _is_unknown(chinese)}
    return BookTerms(tuple(sorted(words)), glossary)


def _heading_words(heading: str) -> Iterator[str]:
    """Runs of a heading between function words, 2 to 8 characters long: 死锁的资源分配图 → 资源分配图."""
    for run in _CHINESE.findall(normalise(heading)):
        piece = ""
        for word in [*cut(run), ""]:
            if word and word not in QUESTION_WORDS_ZH:
                piece += word
                continue
            if 2 <= len(piece) <= _LONGEST and _is_unknown(piece):
                yield piece
            piece = ""


def _is_unknown(word: str) -> bool:
    """Whether jieba makes single characters of it. Where it finds parts these are terms already: a term for the whole
    beside them counts the same thing twice, and finds less."""
    return all(len(part) == 1 for part in cut(word))


def _glossary(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    found = [match for text in texts for match in _BRACKET.finditer(compatible(text))]
    runs = Counter(normalise(match["zh"]) for match in found)
    for match in found:
        chinese = _term_at_end(normalise(match["zh"]), runs)
        if chinese:
            yield from ((chinese, name) for name in _names(match["en"], match["short"]))
    for text in texts:
        for match in _TURNED.finditer(compatible(text)):
            yield normalise(match["zh"]), " ".join(match["en"].lower().split())


def _names(english: str, short: str | None) -> Iterator[str]:
    for name in (english, short):
        if name and len(name.split()) <= 6:
            yield " ".join(name.lower().split())


def _term_at_end(run: str, runs: Counter[str]) -> str:
    """Which end of `run` the bracket explains: what stands after the last word that leads to a term.

    Of a long end that the book sets no bracket after elsewhere, only the last words.
    """
    term: list[str] = []
    for word in reversed(cut(run)):
        if word in _BEFORE:
            break
        term.insert(0, word)
    while len(term) > 2 and len("".join(term)) > _LONGEST - 2 and runs["".join(term)] < 2:
        term.pop(0)
    text = "".join(term)
    return text if len(text) > 1 else ""
