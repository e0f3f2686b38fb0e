"""Questions to begin with, made from headings of the books."""

import re
import threading
from collections.abc import Iterator
from itertools import chain, zip_longest

from core.text import cjk_count
from core.types import Book, Language
from rag.answer import Answerer
from vector_db.reader import Generation, LiveKnowledgeBase

_COUNT = 6
_BOOKS = 6
# Places of a book that are looked at, spread over it.
_PLACES = 24
_NUMBER = re.compile(
    r"^\s*(?:第\s*[\d一二三四五六七八九十百]+\s*[章节篇讲课部]|(?:chapter|section|part|lecture)\s+\d+\b|[（(]?[\d一二三四五六七八九十]+"
    r"(?:[.．]\d+)*\s*[)）、.．：:]?(?=[\s\W]|(?<=[)）、.．\d])))[\s.．、：:]*",
    re.I,
)
_WRAPPED = re.compile(r"(?:的?(?:定义|概念|基本概念)$)|^(?:(?:the )?(?:definition|concept) of )(?:an? |the )?", re.I)
_NO_TERM = re.compile(
    r"[\d$\\`*_|<>?？!！:：;；,，、。…“”\"'/=+]|与|和|及|或|习题|练习|思考|小结|总结|概述|简介|引言|绪论|前言|附录|参考|"
    r"目录|例题|其他|应用|\b(?:and|or|vs|exercises?|problems?|summary|introduction|overview|preface|appendix|"
    r"references?|contents|index|further|example|how|why|what)\b",
    re.I,
)
_ASKED: dict[Language, str] = {"zh": "什么是{}？", "en": "Explain {}."}


class Examples:
    """Makes the questions of a generation once."""

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer
        self._guard = threading.Lock()
        self._made: dict[str, tuple[str, tuple[str, ...]]] = {}

    def of(self, base: LiveKnowledgeBase) -> tuple[str, ...]:
        """Up to six questions, the books taking turns; each one finds the section that it was made from."""
        # One at a time: whoever else waits finds them made.
        with self._guard, base.generation() as generation:
            known = self._made.get(base.name)
            if known is None or known[0] != generation.manifest.id:
                known = generation.manifest.id, tuple(self._make(base, generation))
                self._made[base.name] = known
            return known[1]

    def _make(self, base: LiveKnowledgeBase, generation: Generation) -> Iterator[str]:
        threshold = self._answerer.threshold(generation)
        books = sorted(generation.books.values(), key=lambda book: book.source)[:_BOOKS]
        turns = zip_longest(*(self._of_book(base, generation, book, threshold) for book in books))
        questions = dict.fromkeys(question for question in chain.from_iterable(turns) if question)
        yield from list(questions)[:_COUNT]

    def _of_book(self, base: LiveKnowledgeBase, generation: Generation, book: Book, threshold: float) -> Iterator[str]:
        for heading_path in _headings(generation, book):
            term = term_of(heading_path[-1], book.language)
            if term is None:
                continue
            question = _ASKED[book.language].format(term)
            passages = self._answerer.search(base, question)
            found = [passage.chunk.heading_path for passage in passages[:2] if passage.relevance >= threshold]
            if heading_path in found:
                yield question


def _headings(generation: Generation, book: Book) -> Iterator[tuple[str, ...]]:
    """Heading paths at places all over the book, those of its middle first: it begins with generalities."""
    chunks = next(record.chunks for record in generation.manifest.books if record.id == book.id)
    places = sorted({chunks * place // _PLACES for place in range(_PLACES)}, key=lambda at: abs(at - chunks // 2))
    seen: set[tuple[str, ...]] = set()
    for ordinal in places:
        chunk = generation.store.at(book.id, ordinal)
        if chunk and chunk.heading_path and chunk.heading_path not in seen:
            seen.add(chunk.heading_path)
            yield chunk.heading_path


def term_of(heading: str, language: Language) -> str | None:
    """The term that a heading names; None where it names none that a question could be about."""
    name = _WRAPPED.sub("", _NUMBER.sub("", heading)).strip()
    if not name or _NO_TERM.search(name):
        return None
    if language == "zh":
        return name if 2 <= cjk_count(name) <= 12 and len(name) <= 16 else None
    words = name.split()
    if not 1 <= len(words) <= 4 or cjk_count(name) or len(name) < 4:
        return None
    # A sentence has its words in small letters, but for names such as ACID.
    return " ".join(word if any(map(str.isupper, word[1:])) else word.lower() for word in words)
