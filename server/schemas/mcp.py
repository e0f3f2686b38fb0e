"""What the tools of the Model Context Protocol take and give, where no other route has it."""

from pydantic import Field

from server.schemas.base import Body, KnowledgeBaseName, RequestBody


class ListBooksRequest(RequestBody):
    """Which books there are."""

    kb: KnowledgeBaseName | None = Field(None, description="Its books alone; those of all if left out.")


class ListedBook(Body):
    """A book that questions may be bound to."""

    title: str
    source: str
    subject: str
    language: str


class ListedKnowledgeBase(Body):
    """A knowledge base with its books."""

    kb: str
    books: list[ListedBook]


class ListBooksResponse(Body):
    """Knowledge bases by name."""

    kbs: list[ListedKnowledgeBase]
