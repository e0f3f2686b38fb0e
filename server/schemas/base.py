"""What all bodies share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from core.settings import KB_NAME

KnowledgeBaseName = Annotated[str, Field(pattern=KB_NAME, examples=["default"])]


class Body(BaseModel):
    """A body whose names are all known."""

    model_config = ConfigDict(extra="forbid", frozen=True)
