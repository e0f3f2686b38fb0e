"""The OpenAPI document: what FastAPI finds out, and the rights of each route from the table that the gate goes by."""

from typing import Any

from fastapi import FastAPI

from server.access import RULES

_SCHEME = "key"


def describe_rights(app: FastAPI) -> None:
    """Have the document say which key each operation needs."""
    found_out = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _add_rights(found_out())
        return found_out()

    app.openapi = openapi  # type: ignore[method-assign]


def _add_rights(document: dict[str, Any]) -> None:
    document.setdefault("components", {})["securitySchemes"] = {
        _SCHEME: {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key: `keben keys create`. Where none was made, this machine needs none.",
        }
    }
    for (method, path), rule in RULES.items():
        # FastAPI writes parameters without their kind.
        operation = document["paths"].get(path.replace(":path}", "}"), {}).get(method.lower())
        if operation is None:
            continue
        operation["security"] = [{_SCHEME: []}] if rule.role else []
        if rule.role:
            operation["description"] += f"\n\nNeeds a key with the role `{rule.role}`."
