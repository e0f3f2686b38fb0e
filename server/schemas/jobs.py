"""Uploads and rebuilds."""

from typing import Annotated, Literal

from fastapi import Path
from pydantic import Field

from server.schemas.answers import Name
from server.schemas.base import Body, KnowledgeBaseName, RequestBody
from server.schemas.problems import Problem

JobId = Annotated[str, Path(pattern=r"^[0-9]{8}T[0-9]{6}-[0-9a-f]{8}$", examples=["20261127T101500-4f9c2a11"])]
GenerationId = Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{1,64}$", examples=["20261123T064701965347Z-77cbcc"])]


class CreateRequest(RequestBody):
    """A knowledge base to be made."""

    name: KnowledgeBaseName


class ReceivedFile(Body):
    """A file of an upload."""

    name: str = Field(examples=["physics.pdf"])
    size: int = Field(description="Bytes.", examples=[182733])
    stored: bool
    problem: Problem | None = Field(description="Why it was not stored.")


class UploadResponse(Body):
    """What became of each file, in the order of the form."""

    files: list[ReceivedFile]


class SourceFileBody(Body):
    """A file in the folder of a knowledge base."""

    name: str
    size: int = Field(description="Bytes.")
    status: Literal["new", "indexed", "stale", "failed", "ignored", "removed"] = Field(
        description="As the last rebuild left it. new: the next one reads it. stale: it could not be read, "
        "its passages from before are kept. removed: taken out by hand."
    )
    reason: str | None = None
    mend: str | None = None


class SourceFilesResponse(Body):
    """The folder of a knowledge base. uploaded: whether it is the service's own, so that files may be deleted."""

    folder: str | None = Field(description="null: it is not known yet.")
    uploaded: bool
    files: list[SourceFileBody]


class RebuildRequest(RequestBody):
    """As the options of `keben rebuild`."""

    force: bool = Field(False, description="Parse and embed unchanged books again too.")
    only: list[Name] = Field(default_factory=list, max_length=100, description="Look at these files alone.")
    remove: list[Name] = Field(default_factory=list, max_length=100, description="Take these books out.")


class ProgressBody(Body):
    """How far a rebuild is."""

    stage: str = Field(examples=["read the books"])
    files: int
    files_done: int
    size: int = Field(description="Bytes of all files.")
    size_done: int = Field(description="Bytes of the files that were looked at.")
    passages: int = Field(description="Embedded so far.")


class JobBody(Body):
    """A rebuild. interrupted: its process died; started again, it goes on where it stopped."""

    id: str = Field(examples=["20261127T101500-4f9c2a11"])
    kb: str
    status: Literal["running", "done", "failed", "cancelled", "interrupted"]
    cancelling: bool = Field(description="Its end was asked for, and it is still running.")
    started_at: str
    finished_at: str | None
    progress: ProgressBody
    problem: Problem | None = Field(description="Why it ended without a new generation.")


class JobsResponse(Body):
    """Rebuilds, the newest first."""

    jobs: list[JobBody]


class RollbackRequest(RequestBody):
    """Where to go back to."""

    to: GenerationId | None = Field(None, description="Generation to serve; null: the one before.")


class RollbackResponse(Body):
    """What is served now."""

    kb: str
    generation: str
    instead_of: str | None
