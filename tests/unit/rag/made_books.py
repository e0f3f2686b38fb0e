"""Books made by the real builder and cut by the real splitter, for tests of what is written from passages."""

from collections.abc import Iterable

from word_counter import count_words

from core.settings import ChunkSettings
from core.types import BlockKind, Book, ExtractedBook, Passage
from ingest.readers.text_builder import TextBuilder
from ingest.split import split_book
from rag.units import units_of
from vector_db.tokenizer import tokens


def passages_of(book: ExtractedBook, title: str = "教材", settings: ChunkSettings | None = None) -> list[Passage]:
    """All passages of a book in reading order, scored as if found in that order."""
    about = Book(id=title, source=f"{title}.md", title=title, subject="", language="zh")
    chunks = split_book(book, about.id, settings or ChunkSettings(), count_words)
    return [Passage(chunk, about, 1 / (61 + rank), 1.0) for rank, chunk in enumerate(chunks)]


def passage_of(*blocks: tuple[str, str], title: str = "教材") -> Passage:
    """The only passage of a book of (kind, text) blocks."""
    (passage,) = passages_of(book_of(blocks), title)
    return passage


def book_of(blocks: Iterable[tuple[str, str]]) -> ExtractedBook:
    """A book without pages of (kind, text) blocks; headings have level 2."""
    builder = TextBuilder()
    for kind, text in blocks:
        builder.add(BlockKind(kind), text, level=2 if kind == "heading" else 0)
    return builder.build(title="教材")


def unit_texts(passage: Passage) -> list[str]:
    """The words of each unit of a passage."""
    return [unit.text(passage) for unit in units_of(passage, 0)]


def even_weights(question: str) -> dict[str, float]:
    """Every term of the question counts the same."""
    return dict.fromkeys(tokens(question), 1.0)
