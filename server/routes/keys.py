"""API keys: one's own, and all of them for those who have the role 'admin'."""

from fastapi import APIRouter

from server.access import Role
from server.routes.problems import problems
from server.schemas.keys import CreatedKey, KeyBody, KeyId, KeyRequest, KeysResponse, PrincipalBody
from server.service import CoursesDep, KeysDep, PrincipalDep

router = APIRouter()


@router.get("/me", responses=problems(), summary="Look at the key of the request")
def me(principal: PrincipalDep, courses: CoursesDep) -> PrincipalBody:
    """What the key of this request may do; without keys, what anybody on this machine may."""
    return PrincipalBody.of(principal, tunes=principal.role is Role.admin and courses.missing is None)


@router.get("/keys", responses=problems(), summary="List the API keys")
def list_keys(keys: KeysDep) -> KeysResponse:
    """Every key that was made, also those that are expired or revoked; never the key itself, nor its hash."""
    return KeysResponse(keys=[KeyBody.of(record) for record in keys.records()])


@router.post("/keys", status_code=201, responses=problems(422), summary="Make an API key")
def create_key(body: KeyRequest, keys: KeysDep) -> CreatedKey:
    """A new key. It is told in this response and never again: only its hash is kept."""
    key, record = keys.create(body.name, body.role, body.kbs, body.expires_at, body.limits())
    return CreatedKey(key=key, **KeyBody.of(record).model_dump())


@router.delete("/keys/{id}", responses=problems(404, 422), summary="Revoke an API key")
def revoke_key(id: KeyId, keys: KeysDep) -> KeyBody:
    """The key is refused from now on, by every process of the service."""
    return KeyBody.of(keys.revoke(id))
