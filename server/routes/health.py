"""What supervisors ask, without a key."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from server.access import Role
from server.metrics import CONTENT_TYPE, Metrics
from server.routes.problems import problems
from server.schemas.health import Health, Readiness
from server.service import PrincipalDep, Startup

router = APIRouter()


@router.get("/healthz", summary="Is the process alive?")
async def healthz() -> Health:
    """Answers as long as the process runs."""
    return Health(status="ok")


@router.get("/readyz", responses={503: {"model": Readiness}}, summary="Can questions be answered?")
async def readyz(request: Request, response: Response, principal: PrincipalDep) -> Readiness:
    """200 when a knowledge base and the models are loaded, 503 before, while the language model is down, and when the
    service stops.

    `problems` tells whoever may manage what is served from before, and what is wrong with the model."""
    startup: Startup = request.app.state.startup
    if startup.drain.begun:
        response.status_code = 503
        return Readiness(status="stopping")
    service = startup.service
    if service is None:
        response.status_code = 503
        return Readiness(status="starting")
    can_write, faults = service.writing.faults()
    ready = can_write and bool(service.library.names())
    if not ready:
        response.status_code = 503
    seen = {name: str(fault) for name, fault in service.library.faults().items() if principal.sees(name)}
    told = principal.role in {Role.manage, Role.admin}
    return Readiness(status="ok" if ready else "starting", problems=seen | dict(faults) if told else {})


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses=problems(),
    summary="Measurements for Prometheus",
)
def metrics(request: Request) -> Response:
    """Requests, latencies, refusals, tokens, what runs and waits, and the age of what is served, in Prometheus' text
    format; with several workers, of all of them together."""
    found: Metrics = request.app.state.metrics
    return Response(found.exposition(), media_type=CONTENT_TYPE)
