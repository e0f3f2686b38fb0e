"""What all bodies share."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from core.settings import KB_NAME
from core.text import without_invisible

KnowledgeBaseName = Annotated[str, Field(pattern=KB_NAME, examples=["default"])]


# Text that somebody sends: what nobody sees of it does not count, so that a question is what a person reads.
Visible = AfterValidator(without_invisible)


class Body(BaseModel):
    """A body whose names are all known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RequestBody(Body):
    """A body that is sent to the service: "5" is no number, as the OpenAPI document says."""

    model_config = ConfigDict(strict=True)


def event_stream(*names: str) -> dict[str, Any]:
    """How a response of server-sent events is described: its content, each event of which is of this form."""
    event: dict[str, Any] = {"type": "string", "enum": list(names)}
    properties = {"event": event, "data": {"type": "string", "description": "JSON"}, "id": {"type": "string"}}
    return {"text/event-stream": {"schema": {"type": "object", "required": ["data"], "properties": properties}}}
