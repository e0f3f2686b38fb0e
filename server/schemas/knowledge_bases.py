"""Knowledge bases as they are served."""

from pydantic import Field

from server.schemas.base import Body
from vector_db.manifest import Certificate, Manifest


class BookBody(Body):
    """An indexed book. dense: whether the embedder takes part in ranking it."""

    source: str
    title: str
    subject: str
    language: str
    edition: str
    pages: int
    chunks: int
    status: str
    reason: str | None
    unknown_token_rate: float
    dense: bool


class RefusalsBody(Body):
    """When a question is refused, and how well that was measured to work. `certificate` is null where it was not."""

    threshold: float = Field(description="The least probability that the best passage must have.", examples=[0.31])
    certificate: Certificate | None = Field(
        description="Precision, recall and F1 of what is accepted, with 95 % intervals, on questions that had no part "
        "in setting the threshold; `near` and `far`: F1 against questions near the subject and far from it; "
        "`curve`: the same questions at other thresholds."
    )


class KnowledgeBaseBody(Body):
    """A knowledge base as it is served now."""

    name: str
    generation: str
    created_at: str
    embedder: str
    chunks: int
    refusals: RefusalsBody | None
    books: list[BookBody]

    @classmethod
    def of(cls, manifest: Manifest) -> "KnowledgeBaseBody":
        """The wire form of a manifest."""
        return cls(
            name=manifest.kb,
            generation=manifest.id,
            created_at=manifest.created_at,
            embedder=manifest.embedding.model,
            chunks=manifest.chunks,
            refusals=None
            if manifest.calibration is None
            else RefusalsBody(threshold=manifest.calibration.threshold, certificate=manifest.calibration.certificate),
            books=[BookBody(**record.model_dump(include=set(BookBody.model_fields))) for record in manifest.books],
        )


class KnowledgeBasesResponse(Body):
    """All knowledge bases, by name."""

    kbs: list[KnowledgeBaseBody]
    unbuilt: list[str] = Field(
        description="Those that were made and answer nothing yet, for keys that may fill them; empty for the role ask.",
        examples=[["physics"]],
    )


class CreatedBody(Body):
    """A knowledge base that was just made."""

    name: str
