"""The description of the interface: complete, true, and readable without a network."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fakes import serving
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator

from core.settings import Settings

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def client(library_settings: Settings) -> Iterator[TestClient]:
    with serving(library_settings) as opened:
        yield opened


@pytest.fixture(scope="module")
def openapi(client: TestClient) -> dict[str, Any]:
    document: dict[str, Any] = client.get("/openapi.json").json()
    return document


def operations(openapi: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    }


def resolved(openapi: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The component that a schema refers to."""
    component: dict[str, Any] = openapi["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return component


def validator(openapi: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator({**schema, "components": openapi["components"]})


def test_the_routes_are_those_of_the_design(openapi: dict[str, Any]) -> None:
    assert {"POST /ask", "POST /search", "GET /kbs", "GET /healthz", "GET /readyz"} <= set(operations(openapi))


def test_every_operation_has_a_summary_and_a_description(openapi: dict[str, Any]) -> None:
    for name, operation in operations(openapi).items():
        assert operation.get("summary"), name
        assert operation.get("description"), name


def test_every_operation_that_needs_the_index_documents_its_problems(openapi: dict[str, Any]) -> None:
    expected = {"POST /ask": {"404", "422", "503"}, "POST /search": {"404", "422", "503"}, "GET /kbs": {"503"}}
    for name, statuses in expected.items():
        responses = operations(openapi)[name]["responses"]
        assert statuses <= set(responses), name
        for status in statuses:
            assert responses[status]["description"], name
            problem = resolved(openapi, responses[status]["content"][PROBLEM]["schema"])
            assert set(problem["properties"]) == {"type", "title", "status", "detail", "mend"}


def test_no_operation_documents_fastapis_own_form_of_errors(openapi: dict[str, Any]) -> None:
    assert "HTTPValidationError" not in openapi["components"]["schemas"]


def test_a_stream_is_documented(openapi: dict[str, Any]) -> None:
    content = operations(openapi)["POST /ask"]["responses"]["200"]["content"]
    assert set(content) == {"application/json", "text/event-stream"}


@pytest.mark.parametrize("path", ["/ask", "/search"])
def test_the_examples_of_a_request_can_be_sent(client: TestClient, openapi: dict[str, Any], path: str) -> None:
    content = operations(openapi)[f"POST {path}"]["requestBody"]["content"]["application/json"]
    schema = resolved(openapi, content["schema"])
    examples = {name: field["examples"][0] for name, field in schema["properties"].items() if "examples" in field}
    assert {"question", "top_k"} <= set(examples)
    response = client.post(path, json=examples)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("path", ["/ask", "/search"])
@pytest.mark.parametrize("question", ["死锁的四个必要条件是什么？", "What is a transaction?", "红烧肉怎么做？"])
def test_answers_have_the_form_that_is_documented(
    client: TestClient, openapi: dict[str, Any], path: str, question: str
) -> None:
    schema = operations(openapi)[f"POST {path}"]["responses"]["200"]["content"]["application/json"]["schema"]
    response = client.post(path, json={"question": question})
    assert response.status_code == 200
    validator(openapi, schema).validate(response.json())
    assert not validator(openapi, schema).is_valid(response.json() | {"surprise": 1})


@pytest.mark.parametrize("path", ["/kbs", "/healthz", "/readyz"])
def test_other_responses_have_the_form_that_is_documented(
    client: TestClient, openapi: dict[str, Any], path: str
) -> None:
    schema = operations(openapi)[f"GET {path}"]["responses"]["200"]["content"]["application/json"]["schema"]
    validator(openapi, schema).validate(client.get(path).json())


@pytest.mark.parametrize(("body", "status"), [({"question": "死锁", "kb": "physics"}, 404), ({"question": " "}, 422)])
def test_problems_have_the_form_that_is_documented(
    client: TestClient, openapi: dict[str, Any], body: dict[str, Any], status: int
) -> None:
    schema = operations(openapi)["POST /ask"]["responses"][str(status)]["content"][PROBLEM]["schema"]
    response = client.post("/ask", json=body)
    assert response.status_code == status
    validator(openapi, schema).validate(response.json())


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_the_documentation_page_loads_nothing_from_elsewhere(client: TestClient, path: str) -> None:
    page = client.get(path)
    assert page.status_code == 200
    loaded = re.findall(r"(?:src|href)\s*=\s*[\"']([^\"']+)", page.text)
    assert len(loaded) >= 2
    assert all(url.startswith("/") and not url.startswith("//") for url in loaded), loaded
    assert not re.search(r"(?:https?:)?//[a-z0-9-]+\.[a-z]", page.text)
    for url in loaded:
        assert client.get(url).status_code == 200, url


def test_openais_routes_have_the_form_that_is_documented(client: TestClient, openapi: dict[str, Any]) -> None:
    asked: dict[str, Any] = {
        "model": "default",
        "messages": [{"role": "user", "content": "死锁的四个必要条件是什么？"}],
    }
    calls = {
        "POST /v1/chat/completions": client.post("/v1/chat/completions", json=asked),
        "POST /v1/embeddings": client.post("/v1/embeddings", json={"model": "keben-zh-en", "input": ["死锁"]}),
        "GET /v1/models": client.get("/v1/models"),
        "GET /v1/models/{model}": client.get("/v1/models/default"),
    }
    for name, response in calls.items():
        assert response.status_code == 200, (name, response.text)
        schema = operations(openapi)[name]["responses"]["200"]["content"]["application/json"]["schema"]
        validator(openapi, schema).validate(response.json())


def test_errors_of_openais_routes_have_the_form_that_is_documented(client: TestClient, openapi: dict[str, Any]) -> None:
    asked: dict[str, Any] = {"model": "default", "messages": [{"role": "user", "content": "死锁"}]}
    for change, status in (({"model": "gpt-4o"}, 404), ({"n": 2}, 422), ({"messages": []}, 422)):
        response = client.post("/v1/chat/completions", json=asked | change)
        assert response.status_code == status
        documented = operations(openapi)["POST /v1/chat/completions"]["responses"][str(status)]
        (media_type,) = documented["content"]
        assert response.headers["content-type"] == media_type == "application/json"
        validator(openapi, documented["content"][media_type]["schema"]).validate(response.json())


def test_the_request_of_openais_chat_says_what_is_not_used_and_what_is_refused(openapi: dict[str, Any]) -> None:
    fields = resolved(
        openapi,
        operations(openapi)["POST /v1/chat/completions"]["requestBody"]["content"]["application/json"]["schema"],
    )["properties"]
    for name in ("messages", "presence_penalty", "metadata"):
        assert "not used" in fields[name]["description"], name
    for name in ("tools", "n", "response_format", "logprobs", "audio", "logit_bias"):
        assert "Refused" in fields[name]["description"], name


def test_the_page_leads_to_the_documentation(client: TestClient) -> None:
    assert 'href="docs"' in client.get("/").text
