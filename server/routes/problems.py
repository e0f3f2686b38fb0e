"""What the routes document about their errors."""

from typing import Any

from server.schemas.problems import PROBLEM_CONTENT, OpenAIProblem, Problem


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that answers with these, besides those that every route may give."""
    return {
        status: {"model": Problem, "content": PROBLEM_CONTENT, **_described(status)} for status in (*statuses, *_ALWAYS)
    }


def openai_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """As `problems`, for the routes below /v1, whose errors have OpenAI's form."""
    return {status: {"model": OpenAIProblem, **_described(status)} for status in (*statuses, *_ALWAYS)}


def _described(status: int) -> dict[str, Any]:
    return {"description": _MEANING[status], "headers": _HEADERS.get(status, {})}


_MEANING = {
    401: "No valid API key was sent",
    403: "The key has not the role for this",
    404: "No such thing, or none that this key may see",
    408: "The body did not arrive in time",
    409: "Something else is under way, or the thing exists",
    413: "The body is too long",
    422: "A value in the request is not usable",
    429: "Too many requests: see Retry-After",
    500: "An error of the service itself",
    503: "The index or the model cannot be used now",
}
_HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"schema": {"const": "Bearer"}, "required": True}},
    429: {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}, "required": True}},
}
# The gate may give these on each route that needs a key.
_ALWAYS = (401, 403, 408, 413, 429)
