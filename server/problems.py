"""Every error as `application/problem+json` (RFC 9457), mapped in this one place."""

import re
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from core.errors import (
    AnswerMissing,
    BookMissing,
    BuilderBusy,
    ConfigError,
    Conflict,
    CourseMissing,
    FileMissing,
    Forbidden,
    JobMissing,
    KebenError,
    KeyMissing,
    KnowledgeBaseExists,
    KnowledgeBaseMissing,
    MethodNotAllowed,
    ModelMissing,
    NothingIndexed,
    Overloaded,
    PageMissing,
    RateLimited,
    RouteMissing,
    TooLarge,
    TooSlow,
    Unauthorised,
    UnreadableBookError,
)
from server import logs
from server.schemas.problems import OpenAIError, OpenAIProblem, Problem

_JSON = re.compile(r"application/(?:[\w.+-]+\+)?json\b", re.I)
_NO_JSON, _SEND_JSON = "the body is no JSON in UTF-8", "send Content-Type: application/json"
_ROUTES = "see /docs for the routes"
_TYPE = "urn:keben:"
_STATUS: tuple[tuple[type[KebenError], HTTPStatus], ...] = (
    (ConfigError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (KnowledgeBaseMissing, HTTPStatus.NOT_FOUND),
    (BookMissing, HTTPStatus.NOT_FOUND),
    (MethodNotAllowed, HTTPStatus.METHOD_NOT_ALLOWED),
    (RouteMissing, HTTPStatus.NOT_FOUND),
    (KeyMissing, HTTPStatus.NOT_FOUND),
    (AnswerMissing, HTTPStatus.NOT_FOUND),
    (JobMissing, HTTPStatus.NOT_FOUND),
    (CourseMissing, HTTPStatus.NOT_FOUND),
    (FileMissing, HTTPStatus.NOT_FOUND),
    (KnowledgeBaseExists, HTTPStatus.CONFLICT),
    (BuilderBusy, HTTPStatus.CONFLICT),
    (Conflict, HTTPStatus.CONFLICT),
    (PageMissing, HTTPStatus.NOT_FOUND),
    (UnreadableBookError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (NothingIndexed, HTTPStatus.UNPROCESSABLE_ENTITY),
    (ModelMissing, HTTPStatus.NOT_FOUND),
    (Unauthorised, HTTPStatus.UNAUTHORIZED),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (TooSlow, HTTPStatus.REQUEST_TIMEOUT),
    (Overloaded, HTTPStatus.TOO_MANY_REQUESTS),
    (KebenError, HTTPStatus.SERVICE_UNAVAILABLE),
)


def problem_of(error: KebenError) -> Problem:
    """The problem document of an error of ours."""
    status = next(status for kind, status in _STATUS if isinstance(error, kind))
    return _problem(status, error.code, error.message, error.mend)


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every error, expected or not, with a problem document."""
    app.add_exception_handler(KebenError, _on_keben_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_bug)


def error_response(path: str, error: KebenError) -> JSONResponse:
    """The response to an error of ours at `path`."""
    if isinstance(error, RateLimited):
        logs.current().reason = error.reason
    return _response(path, problem_of(error), _headers(error))


def _headers(error: KebenError) -> dict[str, str]:
    headers: dict[str, str] = {}
    if isinstance(error, Overloaded):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, RateLimited):
        headers |= error.headers
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(error.allowed)
    if isinstance(error, Unauthorised):
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def _problem(status: HTTPStatus, code: str, detail: str, mend: str = "") -> Problem:
    return Problem(type=f"{_TYPE}{code}", title=status.phrase, status=status.value, detail=detail, mend=mend)


def _response(
    path: str, problem: Problem, headers: dict[str, str] | None = None, param: str | None = None
) -> JSONResponse:
    """Clients made for OpenAI's routes look for its form of an error. param: the field at fault."""
    logs.current().code = problem.type.removeprefix(_TYPE)
    if path.startswith("/v1/"):
        body = OpenAIProblem(error=OpenAIError.of(problem, param)).model_dump()
        return JSONResponse(body, status_code=problem.status, headers=headers)
    return JSONResponse(
        problem.model_dump(), status_code=problem.status, media_type="application/problem+json", headers=headers
    )


async def _on_keben_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, KebenError)
    return error_response(request.url.path, error)


async def _on_invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
    mend = "see /docs for the form of the request"
    if request.method == "POST" and not _JSON.match(request.headers.get("content-type", "")):
        mend = _SEND_JSON
    problem = _problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-request", faults, mend)
    # The first part says where the field was looked for: body, path, query.
    return _response(request.url.path, problem, param=".".join(map(str, error.errors()[0]["loc"][1:])) or None)


async def _on_http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    if status is HTTPStatus.BAD_REQUEST:
        # Of a body alone: not JSON, not UTF-8, nested without end.
        return _response(
            request.url.path, _problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-request", _NO_JSON, _SEND_JSON)
        )
    detail = f"{request.method} {request.url.path}: {error.detail}"
    return _response(request.url.path, _problem(status, "http", detail, _ROUTES), dict(error.headers or {}))


async def _on_bug(request: Request, error: Exception) -> JSONResponse:
    # The server that runs the application logs the error, after this. The gate is not around this response any more.
    return _response(
        request.url.path,
        _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "bug", "an unexpected error; the server's log has it", "report it"),
        {"X-Request-ID": logs.current().request_id},
    )
