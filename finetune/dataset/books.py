"""The books of a knowledge base as running text for continued pre-training: pieces that end where sections do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from core.errors import DatasetError
from core.text import heading_title
from core.types import Chunk
from finetune.conversations import Conversation, Exchange
from finetune.dataset.found import Found
from finetune.dataset.settings import BooksSettings
from finetune.near_duplicates import normalised
from ingest.previous import Previous
from vector_db.layout import KnowledgeBaseFolder
from vector_db.writer import BookContent

_SHORTEST = 10  # characters by which a passage is told


@dataclass(frozen=True, slots=True)
class Section:
    """What stands under one heading of a book. path: the headings over it, from the chapter down."""

    book: str
    path: tuple[str, ...]
    pages: tuple[str, ...]
    texts: tuple[str, ...]

    @property
    def place(self) -> str:
        """As `Operating Systems, 死锁 > 必要条件, p. 12`."""
        pages = dict.fromkeys((self.pages[0], self.pages[-1])) if self.pages else {}
        named = [self.book, " > ".join(self.path), f"p. {'–'.join(pages)}" if pages else ""]
        return ", ".join(filter(None, named))

    @property
    def head(self) -> str:
        """The titles over it as Markdown headings."""
        titles = enumerate((self.book, *self.path), 1)
        return "\n".join(f"{'#' * min(level, 6)} {title}" for level, title in titles)

    def pieces(self, most: int) -> Iterator[str]:
        """Its text in pieces of at most `most` characters with the head, unless a single passage is longer."""
        piece: list[str] = []
        length = len(self.head)
        for text in self.texts:
            if piece and length + 2 + len(text) > most:
                yield "\n\n".join(piece)
                piece, length = [], len(self.head)
            piece.append(text)
            length += 2 + len(text)
        yield "\n\n".join(piece)


@dataclass(frozen=True, slots=True)
class Running:
    """sources: of the pieces that are held back. text: all that these say, normalised."""

    found: Found
    sources: frozenset[str] = frozenset()
    text: str = ""

    def holds_back(self, conversation: Conversation) -> bool:
        """Whether it is such a piece, or a question tied to a passage that stands in one."""
        passage = normalised(conversation.passage)
        return conversation.source in self.sources or (len(passage) >= _SHORTEST and passage in self.text)


def read_sections(data_dir: Path, settings: BooksSettings) -> list[Section]:
    """The sections of the books in reading order. Raises KnowledgeBaseError, or DatasetError for an unknown book."""
    previous = Previous(KnowledgeBaseFolder(data_dir, settings.name).current())
    records = previous.books()
    wanted = {normalised(name) for name in settings.books}
    known = {normalised(name) for record in records for name in (record.title, record.source)}
    if missing := [name for name in settings.books if normalised(name) not in known]:
        raise DatasetError(
            f"the knowledge base '{settings.name}' has no book {missing[0]!r}",
            mend=f"its books are {', '.join(record.title for record in records)}",
        )
    chosen = [one for one in records if not wanted or {normalised(one.title), normalised(one.source)} & wanted]
    return [section for record in chosen for section in _sections(previous.content(record))]


def running_text(data_dir: Path, settings: BooksSettings) -> Running:
    """Pieces of at most `max_characters`, unless a single passage is longer; a piece never spans two sections.

    Raises DatasetError for a title to hold back that no heading has.
    """
    sections = read_sections(data_dir, settings)
    titles = {normalised(heading_title(title)): title for title in settings.hold_back}
    named = {name for section in sections for name in _names(section)}
    if missing := [title for name, title in titles.items() if name not in named]:
        chapters = dict.fromkeys(section.path[0] for section in sections if section.path)
        raise DatasetError(
            f"no book and no heading is called {missing[0]!r}", mend=f"the chapters are {', '.join(chapters)[:500]}"
        )
    found, sources, texts = Found(f"knowledge base {settings.name}"), set[str](), list[str]()
    for section in sections:
        for number, body in enumerate(section.pieces(settings.max_characters), 1):
            source = f"{section.place}, piece {number}"
            found.add(Conversation((Exchange("", f"{section.head}\n\n{body}"),), "text", source))
            if _names(section) & titles.keys():
                sources.add(source)
                texts.append(normalised(body))
    return Running(found, frozenset(sources), "\n".join(texts))


def _sections(content: BookContent) -> Iterator[Section]:
    title = content.record.title
    for path, group in groupby(content.chunks, key=lambda chunk: chunk.heading_path):
        chunks: Sequence[Chunk] = list(group)
        pages = tuple(chunk.page_label or str(chunk.page) for chunk in chunks if chunk.page is not None)
        # A book's only first heading is often its title.
        headings = path[1:] if path and normalised(path[0]) == normalised(title) else path
        yield Section(title, headings, pages, tuple(chunk.text.strip() for chunk in chunks))


def _names(section: Section) -> frozenset[str]:
    return frozenset(normalised(heading_title(name)) for name in (section.book, *section.path))
