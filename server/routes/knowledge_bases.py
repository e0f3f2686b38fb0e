"""Knowledge bases: what is served."""

from fastapi import APIRouter

from server.access import Role
from server.routes.problems import problems
from server.schemas.base import KnowledgeBaseName
from server.schemas.knowledge_bases import KnowledgeBaseBody, KnowledgeBasesResponse
from server.service import PrincipalDep, ServiceDep, StockDep

router = APIRouter()


@router.get("/kbs", responses=problems(503), summary="List the knowledge bases")
def kbs(service: ServiceDep, stock: StockDep, principal: PrincipalDep) -> KnowledgeBasesResponse:
    """Every knowledge base that the key may see, with its books, as served now."""
    bodies: list[KnowledgeBaseBody] = []
    served = service.names(principal)
    for name in served:
        with service.knowledge_base(principal, name).generation() as generation:
            bodies.append(KnowledgeBaseBody.of(generation.manifest))
    made = [] if principal.role is Role.ask else [name for name in stock.names() if principal.sees(name)]
    return KnowledgeBasesResponse(kbs=bodies, unbuilt=[name for name in made if name not in served])


@router.get("/kbs/{kb}", responses=problems(404, 422, 503), summary="Look at a knowledge base")
def one_kb(kb: KnowledgeBaseName, service: ServiceDep, principal: PrincipalDep) -> KnowledgeBaseBody:
    """A knowledge base with its books and the certificate of its refusals, as served now."""
    with service.knowledge_base(principal, kb).generation() as generation:
        return KnowledgeBaseBody.of(generation.manifest)
