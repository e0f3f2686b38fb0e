"""What supervisors ask."""

from typing import Literal

from pydantic import Field

from server.schemas.base import Body


class Health(Body):
    """Whether the process runs (`/healthz`)."""

    status: Literal["ok", "starting", "stopping"]


class Readiness(Health):
    """Whether questions can be answered (`/readyz`)."""

    problems: dict[str, str] = Field(
        default_factory=dict,
        description="By knowledge base: why not its newest generation is served, but the one before.",
    )
