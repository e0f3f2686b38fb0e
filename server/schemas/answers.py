"""Questions, passages and answers."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import Field

from core.types import Answer, Citation, GenerationOptions, Mode, Passage, Scope, Turn, WriterChoice
from rag.answer import Question
from server.schemas.base import Body, KnowledgeBaseName, RequestBody, Visible
from server.schemas.problems import Problem

DEFAULT_KB = "Knowledge base; if left out the default one, or the only one that the key may see."
_EXAMPLE = "死锁的四个必要条件是什么？"
SEARCH_QUERY: Any = Field(
    description="The question as it was searched for, where the conversation had to complete it; else null.",
    examples=["死锁的必要条件有哪些？"],
)
Name = Annotated[str, Field(min_length=1, max_length=500), Visible]
TopK = Annotated[int | None, Field(ge=1, le=50, description="Passages wanted.", examples=[5])]
Books = Annotated[
    list[Name],
    Field(
        max_length=100,
        description="Search these books alone, each by its title or source file; all if empty.",
        examples=[["操作系统"]],
    ),
]
Subjects = Annotated[
    list[Name],
    Field(
        max_length=100,
        description="Search the books of these subjects alone; all if empty.",
        examples=[["操作系统"]],
    ),
]
HowAnswered = Annotated[
    Mode,
    Field(
        description="How a language model answers: grounded: from the passages, with markers; tutor: hints, step by "
        "step, without the result; exam: the letter of the right option first, then why."
    ),
]
QUESTION_LENGTH = 2000  # characters


class TurnBody(RequestBody):
    """One message of the conversation so far."""

    role: Literal["user", "assistant"]
    content: Annotated[str, Visible] = Field(max_length=8000)


class OptionsBody(RequestBody):
    """How a language model writes; the extractive writer has no use for them."""

    max_new_tokens: int | None = Field(None, ge=1, le=8192)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=1, le=1000)
    repetition_penalty: float | None = Field(None, gt=0, le=5)
    seed: int | None = Field(None, ge=0, le=2**31 - 1)
    stop: list[Annotated[str, Field(min_length=1, max_length=64)]] = Field(default_factory=list, max_length=8)

    def options(self) -> GenerationOptions:
        """The domain's form."""
        return GenerationOptions(**{**self.model_dump(exclude={"stop"}), "stop": tuple(self.stop)})


class SearchRequest(RequestBody):
    """A question for passages alone."""

    question: Annotated[str, Visible] = Field(min_length=1, max_length=QUESTION_LENGTH, examples=[_EXAMPLE])
    kb: KnowledgeBaseName | None = Field(None, description=DEFAULT_KB)
    top_k: TopK = None
    books: Books = Field(default_factory=list)
    subjects: Subjects = Field(default_factory=list)

    def scope(self) -> Scope:
        """The domain's form of `books` and `subjects`."""
        return Scope(tuple(self.books), tuple(self.subjects))


class ConversationRequest(SearchRequest):
    """A question with the conversation before it."""

    history: list[TurnBody] = Field(
        default_factory=list,
        max_length=100,
        description="The conversation so far, oldest message first; a question that needs it is completed from it.",
    )
    mode: HowAnswered = "grounded"
    writer: WriterChoice = Field(
        "auto",
        description="extractive: sentences of the books answer, also where there is a language model.",
    )

    def asked(self, client: str, options: GenerationOptions) -> Question:
        """The domain's form. client: who asks."""
        history = tuple(Turn(turn.role, turn.content) for turn in self.history)
        return Question(self.question, self.top_k, history, options, self.scope(), self.mode, client, self.writer)


class QuestionRequest(ConversationRequest):
    """A question for a whole answer."""

    options: OptionsBody = Field(default_factory=OptionsBody)

    def question_for_rag(self, client: str) -> Question:
        """The domain's form. client: who asks."""
        return self.asked(client, self.options.options())


class AskRequest(QuestionRequest):
    """A question for an answer with citations."""

    stream: bool = Field(False, description="Answer with server-sent events: retrieval, token, done.")


class BatchRequest(RequestBody):
    """Questions that are answered together."""

    questions: list[QuestionRequest] = Field(min_length=1, max_length=32)


class CitationBody(Body):
    """Where a part of the answer stands. `quote` is the book's text at `[start, end)`."""

    id: int = Field(description="Number of the marker in the answer, as in [1].", examples=[1])
    book: str = Field(examples=["操作系统"])
    source: str = Field(description="File below the source folder.", examples=["operating-systems.pdf"])
    heading_path: list[str] = Field(examples=[["第5章 死锁", "5.2 死锁的必要条件"]])
    page: int | None = Field(description="1-based page of the file; null in formats without pages.", examples=[42])
    page_label: str | None = Field(description="The number printed on the page.", examples=["38"])
    quote: str = Field(examples=["死锁的产生有四个必要条件。"])
    start: int = Field(description="Offset in characters into the extracted text of the book.", examples=[18234])
    end: int = Field(examples=[18247])
    score: float = Field(description="Fused rank score; comparable within one question only.", examples=[0.0164])

    @classmethod
    def of(cls, citation: Citation) -> "CitationBody":
        """The wire form of a citation."""
        return cls.model_validate(citation, from_attributes=True)


class PassageBody(Body):
    """A retrieved passage: the book's text at `[start, end)`."""

    book: str
    source: str
    heading_path: list[str]
    page: int | None
    page_label: str | None
    text: str
    score: float = Field(description="Fused rank score; comparable within one question only.", examples=[0.0164])
    relevance: float = Field(description="How well the passage fits the question, 0 to 1.", examples=[0.83])
    start: int
    end: int

    @classmethod
    def of(cls, passage: Passage) -> "PassageBody":
        """The wire form of a passage."""
        chunk = passage.chunk
        return cls(
            book=passage.book.title,
            source=passage.book.source,
            heading_path=list(chunk.heading_path),
            page=chunk.page,
            page_label=chunk.page_label,
            text=chunk.text,
            score=passage.score,
            relevance=passage.relevance,
            start=chunk.start,
            end=chunk.end,
        )


class UsageBody(Body):
    """Tokens that a language model has read and written."""

    input_tokens: int
    output_tokens: int


class UnsupportedBody(Body):
    """A sentence of the model that no passage supports: `[start, end)` of the answer, null where it was left out."""

    text: str
    start: int | None
    end: int | None
    reason: Literal["no-passage", "number", "formula", "dropped"] = Field(
        description="no-passage: no passage says it; number, formula: `values` stand in none; dropped: left out."
    )
    values: list[str]


class TrimmedBody(Body):
    """What the model's context had no room for."""

    history: int = Field(description="Messages of the conversation that were left out, the oldest.")
    passages: int = Field(description="Passages that were left out, those that rank lowest.")
    cut: bool = Field(description="Whether the one passage left was cut short.")


class AnswerBody(Body):
    """An answer, or a refusal: then `answer` says so, `citations` is empty, and `reason` and `closest` say more."""

    id: str = Field(description="For /feedback.", examples=["a3f1c09be57d2486a3f1c09be57d2486a"])
    cached: bool = Field(description="Whether the same was answered before, and nothing was written now.")
    answer: str = Field(description="Markdown with markers [1], [2], …", examples=["死锁的产生有四个必要条件。[1]"])
    citations: list[CitationBody]
    refused: bool = Field(examples=[False])
    reason: str | None = Field(examples=[None])
    model: str = Field(description="'extractive', or the name of the language model.", examples=["extractive"])
    kb: str = Field(examples=["default"])
    generation: str = Field(description="The generation that answered.", examples=["20261123T064701965347Z-77cbcc"])
    timings_ms: dict[str, float] = Field(examples=[{"retrieve": 8.1, "write": 3.2, "total": 11.4}])
    search_query: str | None = SEARCH_QUERY
    usage: UsageBody | None = Field(description="Tokens of a language model; null where none has written.")
    fallback: str | None = Field(
        description="What the language model failed at, where sentences of the books answer instead; else null.",
        examples=[None],
    )
    unsupported: list[UnsupportedBody] = Field(
        description="Sentences of a language model that no passage supports; see the setting llm.unsupported.",
        examples=[[]],
    )
    trimmed: TrimmedBody | None = Field(
        description="What was left out because the model's context had no room for it; null if nothing.",
        examples=[None],
    )
    closest: list[PassageBody] = Field(
        description="Of a refusal, up to three passages that come nearest to the question; else empty.", examples=[[]]
    )

    @classmethod
    def of(cls, answer: Answer) -> "AnswerBody":
        """The wire form of an answer."""
        return cls.model_validate(
            {
                **{name: getattr(answer, name) for name in cls.model_fields},
                "citations": [CitationBody.of(citation) for citation in answer.citations],
                "closest": [PassageBody.of(passage) for passage in answer.closest],
                "usage": answer.usage and asdict(answer.usage),
                "unsupported": [asdict(one) for one in answer.unsupported],
                "trimmed": answer.trimmed and asdict(answer.trimmed),
            }
        )


class BatchItem(Body):
    """What became of one question: an answer, or a problem."""

    answer: AnswerBody | None
    problem: Problem | None


class BatchResponse(Body):
    """In the order of the questions."""

    results: list[BatchItem]


class TokenBody(Body):
    """A piece of a streamed answer."""

    text: str


class RestartBody(Body):
    """The pieces so far do not count: the model failed, and the answer is written anew from the books."""

    reason: str


class SearchResponse(Body):
    """Passages, best first."""

    passages: list[PassageBody]

    @classmethod
    def of(cls, passages: Iterable[Passage]) -> "SearchResponse":
        """The wire form of retrieved passages."""
        return cls(passages=[PassageBody.of(passage) for passage in passages])


class RetrievalBody(SearchResponse):
    """The first event of a stream: the passages that the answer is written from."""

    search_query: str | None = SEARCH_QUERY
