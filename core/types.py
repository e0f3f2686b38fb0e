"""Value types that cross package borders. Plain dataclasses; offsets count Python characters."""

import secrets
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

Language = Literal["zh", "en"]


class BlockKind(StrEnum):
    """What a stretch of a book is; everything but `paragraph` is kept in one piece.

    `contents` is a table of contents: it names everything and answers nothing, so it is not indexed.
    """

    heading = "heading"
    paragraph = "paragraph"
    list = "list"
    table = "table"
    code = "code"
    formula = "formula"
    caption = "caption"
    contents = "contents"


@dataclass(frozen=True, slots=True)
class Block:
    """`[start, end)` of the book's text. `level` is 1 to 6 for headings, else 0.

    `continues` marks a paragraph that goes on from the block before it (over a page break).
    """

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    continues: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One page (PDF), slide (PPTX) or, in formats without pages, the whole text.

    number: 1-based index in the file, None in formats without pages.
    label: the number printed on the page, where the file or the page tells it.
    """

    number: int | None
    label: str | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class OcrPage:
    """A page read by optical character recognition. confidence: mean of its lines, 0 to 1.

    image: hash of the page's image, under which the cache of recognised pages keeps it.
    """

    number: int
    engine: str
    confidence: float
    image: str = ""


@dataclass(frozen=True, slots=True)
class ExtractedBook:
    """What a reader makes of one file. `pages` and `blocks` are in reading order."""

    text: str
    pages: tuple[Page, ...]
    blocks: tuple[Block, ...]
    title: str | None = None
    ocr: tuple[OcrPage, ...] = ()
    notes: tuple[str, ...] = ()

    def page_at(self, offset: int) -> Page:
        """The page that holds `offset`; text between two pages belongs to the earlier one."""
        return self.pages[max(bisect_right(self.pages, offset, key=lambda page: page.start) - 1, 0)]


@dataclass(frozen=True, slots=True)
class Book:
    """A textbook as the catalogue names it. `source` is the path below the source folder."""

    id: str
    source: str
    title: str
    subject: str
    language: Language
    edition: str = ""


@dataclass(frozen=True, slots=True)
class Course:
    """What the catalogue says of all its books together; empty where it says nothing.

    system_prompt: what the teacher tells a language model besides Keben's own rules.
    """

    title: str = ""
    system_prompt: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """A block inside a chunk, `[start, end)` in characters of the chunk's text.

    page, label: where the span stands, as in `Page`. lead: what a later part of a long table repeats, its caption and
    header row; it stands elsewhere in the book, so it is read before the span and never quoted.
    """

    kind: BlockKind
    start: int
    end: int
    page: int | None
    label: str | None
    continues: bool = False
    lead: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """The unit of retrieval: `text == book.text[start:end]`, inside one section.

    ordinal: place in the book. part: place in its section; both from 0.
    """

    id: str
    book_id: str
    ordinal: int
    part: int
    heading_path: tuple[str, ...]
    page: int | None
    page_label: str | None
    start: int
    end: int
    text: str
    spans: tuple[Span, ...]

    @property
    def reading(self) -> str:
        """The text with the lead of each span before it: what is embedded, searched and shown to a model."""
        return with_leads(self.text, self.spans)


def with_leads(text: str, spans: Iterable[Span], start: int = 0, end: int | None = None) -> str:
    """`[start, end)` of a chunk's text, the lead of each span that begins in it put before the span."""
    end, parts = len(text) if end is None else end, []
    for span in spans:
        if span.lead and start <= span.start < end:
            parts += [text[start : span.start], span.lead]
            start = span.start
    return "".join((*parts, text[start:end]))


@dataclass(frozen=True, slots=True)
class Passage:
    """A retrieved chunk. score: fused rank score, comparable within one question only.

    relevance: 0 to 1, how much of the question the passage covers; refusal looks at this.
    """

    chunk: Chunk
    book: Book
    score: float
    relevance: float


@dataclass(frozen=True, slots=True)
class Citation:
    """`quote` is a substring of the cited page of the extracted text, at `[start, end)`."""

    id: int
    book: str
    source: str
    heading_path: tuple[str, ...]
    page: int | None
    page_label: str | None
    quote: str
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Scope:
    """The books to search: those that `books` names by title or source and whose subject is among `subjects`.

    Upper and lower case are the same; an empty tuple sets no bound.
    """

    books: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the conversation so far."""

    role: Literal["user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a language model has read and written."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What a language model was not given, for want of room in its context.

    history: turns, the oldest. passages: those that rank lowest. cut: the one passage left was cut short.
    """

    history: int = 0
    passages: int = 0
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A sentence of the model that no passage supports: `[start, end)` of the answer, None where it was left out.

    reason: no passage says it, or the numbers or formulas in `values` stand in none.
    """

    text: str
    start: int | None
    end: int | None
    reason: str
    values: tuple[str, ...]


def answer_id() -> str:
    """A new id, that nobody can guess."""
    return f"a{secrets.token_hex(16)}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What `/ask` gives back. A refusal is a value: `refused` with a `reason`.

    fallback: what the language model failed at, where the books' own sentences answer instead. unsupported: sentences
    that no passage supports. trimmed: what the model's context had no room for. cut_short: the model had written as
    many tokens as it may before it came to its end.

    id: of this answer alone, also where the same was answered before (cached). search_query: the question as it was
    searched for, where the conversation had to complete it; else None. closest: of a refusal, up to three passages
    that come nearest to the question, the most relevant first.
    """

    answer: str
    citations: tuple[Citation, ...]
    refused: bool
    reason: str | None
    model: str
    kb: str
    generation: str
    timings_ms: dict[str, float] = field(default_factory=dict)
    search_query: str | None = None
    closest: tuple[Passage, ...] = ()
    usage: Usage | None = None
    fallback: str | None = None
    unsupported: tuple[Unsupported, ...] = ()
    trimmed: Trimmed | None = None
    cut_short: bool = False
    id: str = field(default_factory=answer_id)
    cached: bool = False


Mode = Literal["grounded", "tutor", "exam"]
WriterChoice = Literal["auto", "extractive"]


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """How a language model writes. None leaves a value to the settings; the extractive writer needs none.

    max_new_tokens: tokens. temperature: 0 picks the likeliest token. stop: strings that end the answer.
    """

    max_new_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
