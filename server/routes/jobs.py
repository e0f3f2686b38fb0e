"""Rebuilds under way and done."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import JSONResponse
from sse_starlette import EventSourceResponse, ServerSentEvent

from core.errors import JobMissing
from ingest.background import JobState, events_since, report
from server.access import Principal
from server.jobs import Jobs
from server.routes.problems import problems
from server.schemas.base import event_stream
from server.schemas.jobs import JobBody, JobId, JobsResponse, ProgressBody
from server.schemas.problems import Problem
from server.service import JobsDep, PrincipalDep

router = APIRouter()
_LOOK_SECONDS = 0.25


@router.get("/jobs", responses=problems(503), summary="List the rebuilds")
def list_jobs(jobs: JobsDep, principal: PrincipalDep) -> JobsResponse:
    """The rebuilds of the knowledge bases that the key may see, the newest first."""
    return JobsResponse(jobs=[body_of(job) for job in jobs.all() if principal.sees(job.kb)])


@router.get("/jobs/{id}", responses=problems(404, 422, 503), summary="Look at a rebuild")
def one_job(id: JobId, jobs: JobsDep, principal: PrincipalDep) -> JobBody:
    """How far a rebuild is, or how it ended."""
    return body_of(_seen(jobs, id, principal))


@router.get(
    "/jobs/{id}/events",
    response_class=EventSourceResponse,
    responses={
        200: {"content": event_stream("started", "file", "embedded", "stage", "end")},
        **problems(404, 422, 503),
    },
    summary="Follow a rebuild",
)
async def events(
    id: JobId,
    jobs: JobsDep,
    principal: PrincipalDep,
    after: Annotated[int, Query(ge=0, le=10**9, description="Only what came after this event.")] = 0,
    last_event_id: Annotated[str, Header()] = "",
) -> EventSourceResponse:
    """Server-sent events from the first on, or from the one after `Last-Event-ID`: what happens to each file, the
    passages embedded, the stages; at the end `end` with the job."""
    await asyncio.to_thread(_seen, jobs, id, principal)
    start = int(last_event_id) if last_event_id.isdecimal() and len(last_event_id) < 10 else after
    return EventSourceResponse(_follow(jobs, id, start))


@router.delete("/jobs/{id}", responses=problems(404, 409, 422, 503), summary="Cancel a rebuild")
def cancel(id: JobId, jobs: JobsDep, principal: PrincipalDep) -> JobBody:
    """Stop a rebuild. What was served before is served still, and what was read is not read again by the next one."""
    _seen(jobs, id, principal)
    return body_of(jobs.cancel(id))


@router.get("/jobs/{id}/report", responses=problems(404, 409, 422, 503), summary="Download the report of a rebuild")
def job_report(id: JobId, jobs: JobsDep, principal: PrincipalDep) -> JSONResponse:
    """What was done with each file, as a file to keep."""
    job = _seen(jobs, id, principal)
    headers = {"Content-Disposition": f'attachment; filename="{job.kb}-{id}.json"'}
    return JSONResponse(report(jobs.folder(id)), headers=headers)


def body_of(job: JobState) -> JobBody:
    """The wire form of a job."""
    error = job.error
    return JobBody(
        id=job.name,
        kb=job.kb,
        status=job.status,
        cancelling=job.cancelling,
        started_at=job.started_at,
        finished_at=job.finished_at,
        progress=ProgressBody(**asdict(job.progress)),
        problem=error
        and Problem(
            type=f"urn:keben:{error.code}", title="Rebuild failed", status=422, detail=error.message, mend=error.mend
        ),
    )


def _seen(jobs: Jobs, id_: str, principal: Principal) -> JobState:
    """A job that the key may see; another one does not exist for it."""
    job = jobs.job(id_)
    if not principal.sees(job.kb):
        raise JobMissing(f"there is no job '{id_}'", mend="GET /jobs lists those that there are")
    return job


async def _follow(jobs: Jobs, id_: str, after: int) -> AsyncIterator[ServerSentEvent]:
    while True:
        job = await asyncio.to_thread(jobs.job, id_)
        # Looked at after the status, so that nothing is missed between the last event and the end.
        for event in await asyncio.to_thread(events_since, jobs.folder(id_), after):
            after = event["n"]
            yield ServerSentEvent(json.dumps(event, ensure_ascii=False), event=event["kind"], id=str(after))
        if job.status != "running":
            yield ServerSentEvent(body_of(job).model_dump_json(), event="end")
            return
        await asyncio.sleep(_LOOK_SECONDS)
