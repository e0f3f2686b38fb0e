"""Courses that are tuned, each in a process of its own."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict

from fastapi import APIRouter
from sse_starlette import EventSourceResponse, ServerSentEvent

from finetune.background import Follower, Step
from server.routes.problems import problems
from server.schemas.base import event_stream
from server.schemas.courses import (
    CourseBody,
    CourseDetailBody,
    CourseName,
    CoursesResponse,
    FaultBody,
    PlanBody,
    PublishRequest,
    RunRequest,
    TrainingStepBody,
)
from server.service import CoursesDep

router = APIRouter()
_LOOK_SECONDS = 0.5


@router.get("/courses", responses=problems(503), summary="List the courses")
def list_courses(courses: CoursesDep) -> CoursesResponse:
    """The course files in the folder of the setting `courses_dir`, by name; a faulty one says what is wrong with it."""
    missing = courses.missing
    return CoursesResponse(
        installed=missing is None,
        missing=missing and FaultBody(code=missing.code, message=missing.message, mend=missing.mend),
        folder=str(courses.folder),
        courses=[CourseBody.of(state) for state in courses.all()],
    )


@router.get("/courses/{course}", responses=problems(404, 422, 503), summary="Look at a course")
def one_course(course: CourseName, courses: CoursesDep) -> CourseDetailBody:
    """How far its tuning is: rows, findings of the audit, loss, exams of the gate, model."""
    return CourseDetailBody.of_detail(courses.detail(course))


@router.post(
    "/courses/{course}/audit", status_code=202, responses=problems(404, 409, 422, 503), summary="Audit the rows"
)
def audit(course: CourseName, courses: CoursesDep) -> CourseDetailBody:
    """Make the data set and look for what is wrong with it, without training."""
    courses.audit(course)
    return one_course(course, courses)


@router.post("/courses/{course}/run", status_code=202, responses=problems(404, 409, 422, 503), summary="Tune a course")
def run(course: CourseName, body: RunRequest, courses: CoursesDep) -> CourseDetailBody:
    """Start the tuning, or go on with it where it was. One at a time on the machine. It outlives the service."""
    courses.run(course, body.override)
    return one_course(course, courses)


@router.post("/courses/{course}/stop", status_code=202, responses=problems(404, 409, 422, 503), summary="Stop a tuning")
def stop(course: CourseName, courses: CoursesDep) -> CourseDetailBody:
    """Save a checkpoint and end; the next start goes on from there."""
    courses.stop(course)
    return one_course(course, courses)


@router.post("/courses/{course}/publish", responses=problems(404, 409, 422, 503), summary="Upload a model")
def publish(course: CourseName, body: PublishRequest, courses: CoursesDep) -> PlanBody:
    """What would be uploaded to a hub; with `upload` it is, by a process of its own, if the gate was passed."""
    plan = courses.plan(course, body.repo)
    if body.upload:
        courses.upload(course, body.repo, body.to, private=body.private)
    files = [asdict(file) for file in plan.files]
    told = {"repo": plan.repo, "size": plan.size, "files": files, "gate": plan.gate, "faults": plan.faults}
    return PlanBody.model_validate({**told, "started": body.upload})


@router.get(
    "/courses/{course}/events",
    response_class=EventSourceResponse,
    responses={200: {"content": event_stream("state", "step", "end")}, **problems(404, 422, 503)},
    summary="Follow a tuning",
)
async def events(course: CourseName, courses: CoursesDep) -> EventSourceResponse:
    """Server-sent events: `state` with all about the course, at once and whenever it has changed; `step` for each step
    of the training; at the end `end`."""
    follower = await asyncio.to_thread(courses.follow, course)
    return EventSourceResponse(_follow(follower))


async def _follow(follower: Follower) -> AsyncIterator[ServerSentEvent]:
    while True:
        for one in await asyncio.to_thread(follower.news):
            if isinstance(one, Step):
                yield ServerSentEvent(TrainingStepBody(**asdict(one)).model_dump_json(), event="step")
            else:
                yield ServerSentEvent(CourseDetailBody.of_detail(one).model_dump_json(), event="state")
        if follower.ended:
            yield ServerSentEvent("{}", event="end")
            return
        await asyncio.sleep(_LOOK_SECONDS)
