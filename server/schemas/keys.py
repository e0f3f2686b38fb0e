"""API keys."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Path
from pydantic import AwareDatetime, Field

from core.settings import MOST
from server.access import Limits, Principal, Role
from server.keys import KeyRecord
from server.schemas.base import Body, KnowledgeBaseName, RequestBody

KeyId = Annotated[str, Path(pattern=r"^[0-9a-f]{8}$", examples=["4f9c2a11"])]
_Bound = Annotated[int | None, Field(ge=1, le=MOST, description="null: that of the settings.")]


class KeyRequest(RequestBody):
    """A key to be made."""

    name: str = Field(min_length=1, max_length=100, description="Who or what uses it.", examples=["教务系统"])
    role: Role = Field(Role.ask, strict=False, description="ask; manage: books too; admin: keys and measurements too.")
    kbs: list[KnowledgeBaseName] | None = Field(
        None, min_length=1, max_length=100, description="The only knowledge bases that it may see; null: all."
    )
    expires_at: AwareDatetime | None = Field(
        None, strict=False, description="null: never.", examples=["2027-07-01T00:00:00Z"]
    )
    requests_per_minute: _Bound = None
    concurrent: _Bound = None
    tokens_per_day: _Bound = None

    def limits(self) -> Limits:
        """The domain's form."""
        return Limits(self.requests_per_minute, self.concurrent, self.tokens_per_day)


class PrincipalBody(Body):
    """Who sends a request."""

    id: str = Field(description="Of the key; 'local' on the loopback interface without keys.", examples=["4f9c2a11"])
    role: Role | None
    kbs: list[str] | None = Field(description="The only knowledge bases that it may see; null: all.")
    tunes: bool = Field(description="Whether it may tune courses, and XTuner is installed.")

    @classmethod
    def of(cls, principal: Principal, *, tunes: bool) -> "PrincipalBody":
        """The wire form of a principal."""
        kbs = None if principal.kbs is None else sorted(principal.kbs)
        return cls(id=principal.id, role=principal.role, kbs=kbs, tunes=tunes)


class KeyBody(Body):
    """A key that exists."""

    id: str
    name: str
    role: Role
    kbs: list[str] | None
    state: str = Field(description="valid, expired or revoked.", examples=["valid"])
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    requests_per_minute: int | None
    concurrent: int | None
    tokens_per_day: int | None

    @classmethod
    def of(cls, record: KeyRecord) -> "KeyBody":
        """The wire form of a record, without its hash."""
        return cls(state=record.state(datetime.now(UTC)), **record.model_dump(exclude={"sha256"}))


class CreatedKey(KeyBody):
    """A key that was just made, with the key itself."""

    key: str = Field(examples=["keben_4f9c2a11_…"])


class KeysResponse(Body):
    """All keys, the oldest first."""

    keys: list[KeyBody]
