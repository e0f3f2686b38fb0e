"""What those who may manage a knowledge base do with it: make, fill, rebuild, go back, remove."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from core.errors import ConfigError, KebenError
from ingest import background
from server.access import authorise
from server.problems import problem_of
from server.routes.jobs import body_of
from server.routes.problems import problems
from server.schemas.base import KnowledgeBaseName
from server.schemas.jobs import (
    CreateRequest,
    JobBody,
    RebuildRequest,
    ReceivedFile,
    RollbackRequest,
    RollbackResponse,
    SourceFilesResponse,
    UploadResponse,
)
from server.schemas.knowledge_bases import CreatedBody
from server.service import JobsDep, PrincipalDep, ServiceDep, StockDep, refresh
from server.uploads import Received, receive_files

router = APIRouter()
FileName = Annotated[str, Path(min_length=1, max_length=500, examples=["physics.pdf"])]
_FORM = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {"file": {"type": "array", "items": {"type": "string", "format": "binary"}}},
            }
        }
    },
}


@router.post("/kbs", status_code=201, responses=problems(404, 409, 422, 503), summary="Make a knowledge base")
def create(body: CreateRequest, stock: StockDep, principal: PrincipalDep) -> CreatedBody:
    """An empty knowledge base, to be filled with uploads. It answers once a rebuild has read them."""
    authorise(principal, None, body.name)
    stock.create(body.name)
    return CreatedBody(name=body.name)


@router.delete("/kbs/{kb}", status_code=204, responses=problems(404, 409, 422, 503), summary="Remove a knowledge base")
async def delete(kb: KnowledgeBaseName, stock: StockDep, jobs: JobsDep, service: ServiceDep, request: Request) -> None:
    """The knowledge base and its uploaded books are deleted; books in a folder that is kept by hand stay there. So are
    the questions that were asked of it and the feedback on its answers: another one of this name begins without them.
    """
    await asyncio.to_thread(jobs.require_none, kb)
    await asyncio.to_thread(stock.delete, kb)
    await refresh(request)
    await asyncio.to_thread(service.log.forget, kb)


@router.get("/kbs/{kb}/files", responses=problems(404, 409, 422, 503), summary="List the files")
def files(kb: KnowledgeBaseName, stock: StockDep) -> SourceFilesResponse:
    """The files in the folder of a knowledge base, and how the last rebuild left them."""
    return stock.files(kb)


@router.post(
    "/kbs/{kb}/files",
    status_code=201,
    responses=problems(404, 409, 422, 503),
    summary="Upload books",
    openapi_extra={"requestBody": _FORM},
)
async def upload(kb: KnowledgeBaseName, stock: StockDep, request: Request) -> UploadResponse:
    """Store files, sent as a multipart form, in the folder of a knowledge base. Each is looked at by its content; one
    that is no book is told and stops no other. 422 when none could be stored. The next rebuild reads them."""
    settings = request.app.state.settings
    source, replace = await asyncio.to_thread(lambda: (stock.source(kb), stock.is_uploaded(kb)))
    received = await receive_files(request, settings, source, replace=replace)
    if all(file.fault for file in received):
        raise _none_stored(received)
    return UploadResponse(
        files=[
            ReceivedFile(
                name=file.name, size=file.size, stored=not file.fault, problem=file.fault and problem_of(file.fault)
            )
            for file in received
        ]
    )


@router.delete(
    "/kbs/{kb}/files/{name:path}", status_code=204, responses=problems(404, 409, 422, 503), summary="Delete a file"
)
def delete_file(kb: KnowledgeBaseName, name: FileName, stock: StockDep) -> None:
    """An uploaded file is deleted; its passages go with the next rebuild."""
    stock.delete_file(kb, name)


@router.post("/kbs/{kb}/rebuild", status_code=202, responses=problems(404, 409, 422, 503), summary="Start a rebuild")
def rebuild(kb: KnowledgeBaseName, body: RebuildRequest, stock: StockDep, jobs: JobsDep, response: Response) -> JobBody:
    """Index the folder of a knowledge base, as `keben rebuild` does, in a process of its own. Follow it at
    `/jobs/{id}`. What is served is replaced only by a whole new generation."""
    request = background.Request(stock.source(kb), body.force, tuple(body.only), tuple(body.remove))
    job = jobs.start(kb, request)
    response.headers["Location"] = f"/jobs/{job.name}"
    return body_of(job)


@router.get("/kbs/{kb}/report", responses=problems(404, 409, 422, 503), summary="What the last rebuild did")
def report(kb: KnowledgeBaseName, stock: StockDep) -> list[dict[str, Any]]:
    """What the rebuild of the served generation did with each file: pages, passages, pages read by OCR, faults."""
    return stock.report(kb)


@router.post("/kbs/{kb}/rollback", responses=problems(404, 409, 422, 503), summary="Go back to a generation")
async def rollback(kb: KnowledgeBaseName, body: RollbackRequest, stock: StockDep, request: Request) -> RollbackResponse:
    """Serve the generation from before the last rebuild again, or the one named; it is checked first. The next rebuild
    takes in the files as they are then."""
    response = await asyncio.to_thread(stock.rollback, kb, body.to)
    await refresh(request)
    return response


def _none_stored(received: list[Received]) -> KebenError:
    faults = [file.fault for file in received if file.fault]
    if len(faults) == 1:
        return faults[0]
    told = "; ".join(fault.message for fault in faults)
    return ConfigError(f"none of {len(faults)} files could be stored: {told}", mend="send books, each under its suffix")
