"""Errors."""

from typing import Any

from pydantic import BaseModel, Field


class Problem(BaseModel):
    """An error, RFC 9457. `detail` names the value at fault, `mend` says what to do."""

    type: str = Field(examples=["urn:keben:knowledge-base-missing"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["there is no knowledge base 'physics'"])
    mend: str = Field("", examples=["use one of default, or build it"])


# Codes that programs made for OpenAI's service look at.
_OPENAI_CODES = {
    "knowledge-base-missing": "model_not_found",
    "model-missing": "model_not_found",
    "unauthorised": "invalid_api_key",
    "rate-limited": "rate_limit_exceeded",
}


class OpenAIError(BaseModel):
    """An error as OpenAI's clients read it."""

    message: str
    type: str = Field(examples=["invalid_request_error"])
    param: str | None = None
    code: str | None = Field(examples=["model_not_found"])

    @classmethod
    def of(cls, problem: Problem, param: str | None = None) -> "OpenAIError":
        """The same error in this form. param: the field at fault, where one is."""
        kind = "invalid_request_error" if problem.status < 500 and problem.status != 429 else "server_error"
        if problem.status == 429:
            kind = "rate_limit_error"
        message = f"{problem.detail} ({problem.mend})" if problem.mend else problem.detail
        code = problem.type.removeprefix("urn:keben:")
        return cls(message=message, type=kind, param=param, code=_OPENAI_CODES.get(code, code))


class OpenAIProblem(BaseModel):
    """The body of an error on the routes below /v1."""

    error: OpenAIError


PROBLEM_CONTENT: dict[str, Any] = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
