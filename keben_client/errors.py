"""What can go wrong.

KebenError                  one base: status, detail (what is wrong), mend (what to do)
├── Unauthorised            401: no valid key
├── Forbidden               403: the key has not the role
├── NotFound                404
├── Conflict                409
├── Invalid                 413, 422: a value cannot be used
├── RateLimited             429: retry_after says when there may be room
├── Unavailable             5xx: the service, its index or its model cannot be used now
└── ConnectionFailed        no response came (status 0)
"""

from collections.abc import Mapping
from typing import Any


class KebenError(Exception):
    """status: of the response, 0 without one. code: short and stable. retry_after: seconds, where they are told."""

    def __init__(
        self, detail: str, mend: str = "", *, status: int = 0, code: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(f"{detail} ({mend})" if mend else detail)
        self.detail, self.mend, self.status, self.code = detail, mend, status, code
        self.retry_after = retry_after


class Unauthorised(KebenError): ...


class Forbidden(KebenError): ...


class NotFound(KebenError): ...


class Conflict(KebenError): ...


class Invalid(KebenError): ...


class RateLimited(KebenError): ...


class Unavailable(KebenError): ...


class ConnectionFailed(KebenError): ...


_KINDS: Mapping[int, type[KebenError]] = {
    401: Unauthorised, 403: Forbidden, 404: NotFound, 409: Conflict, 413: Invalid, 422: Invalid, 429: RateLimited,
}  # fmt: skip


def error_of(status: int, problem: Mapping[str, Any], retry_after: str | None = None) -> KebenError:
    """The error of a response. problem: its body, or what could be read of it."""
    kind = _KINDS.get(status, Unavailable if status >= 500 else KebenError)
    wait = float(retry_after) if retry_after and retry_after.replace(".", "", 1).isdigit() else None
    return kind(
        str(problem.get("detail") or f"the service answered with status {status}"),
        str(problem.get("mend") or ""),
        status=status,
        code=str(problem.get("type") or "").removeprefix("urn:keben:"),
        retry_after=wait,
    )
