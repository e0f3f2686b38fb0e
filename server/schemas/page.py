"""What the page asks for besides answers: Markdown as HTML, a place in a book, questions to begin with."""

from pydantic import Field

from server.schemas.base import Body, RequestBody


class RenderRequest(RequestBody):
    """Markdown of an answer, also of one that is still being written."""

    markdown: str = Field(max_length=32_000, examples=["死锁的产生有**四个**必要条件。[1]"])


class RenderResponse(Body):
    """HTML that runs nothing and fetches nothing."""

    html: str


class PlaceBody(Body):
    """A stretch of a book with what stands around it in the same section: before + quote + after, exactly as read.

    html: all three, quote_html: the quote alone, as HTML that runs nothing and fetches nothing.
    """

    book: str = Field(examples=["操作系统"])
    heading_path: list[str] = Field(examples=[["第5章 死锁", "5.2 死锁的必要条件"]])
    generation: str = Field(description="The generation that the text is taken from.")
    before: str
    quote: str
    after: str
    html: str
    quote_html: str


class ExamplesResponse(Body):
    """Questions that the knowledge base answers; empty where its headings make none."""

    questions: list[str] = Field(examples=[["什么是死锁？"]])
