"""What every request passes first; where it matters, with a body that must not be read."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from fakes import serving
from fastapi.testclient import TestClient
from starlette.types import Message
from starlette.websockets import WebSocketDisconnect

from core.settings import ServerSettings, Settings
from server.access import Limits, Role
from server.app import create_app
from server.gate import is_loopback
from server.keys import KeyStore
from server.service import Startup

PROBLEM = "application/problem+json"


@pytest.fixture
def open_client(settings: Settings) -> Iterator[TestClient]:
    with serving(settings) as client:
        yield client


@pytest.fixture
def key(settings: Settings) -> str:
    return KeyStore(settings.state_dir).create("k", Role.ask, limits=Limits(requests_per_minute=3))[0]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def problem(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM
    body: dict[str, Any] = response.json()
    assert body["status"] == status and body["detail"] and body["mend"]
    return body


def test_with_keys_nobody_comes_in_without_one_also_from_this_machine(settings: Settings, key: str) -> None:
    with serving(settings) as client:
        refused = client.get("/kbs")
        problem(refused, 401)
        assert refused.headers["www-authenticate"] == "Bearer"
        problem(client.get("/kbs", headers=bearer(key[:-1] + "!")), 401)
        problem(client.get("/kbs", headers={"Authorization": f"Basic {key}"}), 401)
        problem(client.get(f"/kbs?key={key}"), 401)
        problem(client.get("/no/such/route"), 401)
        assert client.get("/kbs", headers=bearer(key)).status_code == 200
        assert client.get("/kbs", headers={"Authorization": f"bearer  {key}"}).status_code == 200
        problem(client.get("/no/such/route", headers=bearer(key)), 404)
        problem(client.get("/keys", headers=bearer(key)), 403)


def test_revoked_keys_do_not_open_the_service_again(settings: Settings, key: str) -> None:
    store = KeyStore(settings.state_dir)
    with serving(settings) as client:
        assert client.get("/kbs", headers=bearer(key)).status_code == 200
        store.revoke(store.records()[0].id)
        problem(client.get("/kbs", headers=bearer(key)), 401)
        problem(client.get("/kbs"), 401)


def test_a_minutes_requests_are_told_and_bounded(settings: Settings, key: str) -> None:
    with serving(settings) as client:
        left = [client.get("/kbs", headers=bearer(key)).headers["ratelimit-remaining"] for _ in range(3)]
        assert left == ["2", "1", "0"]
        refused = client.get("/kbs", headers=bearer(key))
        problem(refused, 429)
        assert int(refused.headers["retry-after"]) > 0 and refused.headers["ratelimit-limit"] == "3"
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("host", "inside"),
    [
        ("127.0.0.1:8000", True),
        ("localhost:8000", True),
        ("LOCALHOST", True),
        ("localhost.", True),
        ("[::1]:8000", True),
        ("127.8.8.8", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("192.168.1.5:8000", False),
        ("0.0.0.0", False),
        ("", False),
    ],
)
def test_without_keys_only_names_of_this_machine_are_served(open_client: TestClient, host: str, inside: bool) -> None:
    response = open_client.get("/kbs", headers={"Host": host})
    assert response.status_code == (200 if inside else 403), response.text


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example:80", "file://"])
def test_without_keys_pages_of_other_sites_may_do_nothing(open_client: TestClient, origin: str) -> None:
    problem(open_client.get("/kbs", headers={"Origin": origin}), 403)
    problem(open_client.post("/kbs/default/files", headers={"Origin": origin}, files={"file": b"x"}), 403)


def test_without_keys_the_page_of_this_service_may(open_client: TestClient) -> None:
    assert open_client.get("/kbs", headers={"Origin": "http://127.0.0.1:8000"}).status_code == 200


def test_bodies_are_bounded(open_client: TestClient) -> None:
    def sent(size: int, **headers: str) -> Any:
        return open_client.post("/ask", content=b" " * size, headers={"Content-Type": "application/json", **headers})

    problem(sent(64 * 1024), 422)
    assert "KiB" in problem(sent(64 * 1024 + 1), 413)["detail"]
    problem(sent(10, **{"Content-Length": "999999999"}), 413)
    problem(open_client.post("/ask", content=(b" " * 1024 for _ in range(100))), 413)
    problem(open_client.post("/ask", content=b'{"question":' + b"[" * 50_000), 422)


@pytest.mark.parametrize("name", ["a-1.B_2", "x" * 64])
def test_a_request_keeps_its_id(open_client: TestClient, name: str) -> None:
    assert open_client.get("/healthz", headers={"X-Request-ID": name}).headers["x-request-id"] == name


@pytest.mark.parametrize("name", ["a b", "x" * 65, "<script>", "keben_0a1b2c3d_secret"])
def test_an_id_that_is_none_is_replaced(open_client: TestClient, name: str) -> None:
    given = open_client.get("/healthz", headers={"X-Request-ID": name}).headers["x-request-id"]
    assert len(given) == 32 and given != name


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", "/kbs", 405),
        ("OPTIONS", "/ask", 405),
        ("TRACE", "/ask", 405),
        ("PROPFIND", "/", 405),
        ("GET", "/ask/", 404),
        ("GET", "//kbs", 404),
        ("GET", "/KBS", 404),
        ("GET", "/static-offline-docs/../app.py", 404),
        ("GET", "/static-offline-docs/%2e%2e/core.py", 404),
        ("GET", "/page/..%2fapp.py", 404),
    ],
)
def test_other_ways_to_write_a_path_lead_nowhere(open_client: TestClient, method: str, path: str, status: int) -> None:
    response = open_client.request(method, f"http://127.0.0.1{path}")
    assert response.status_code == status, response.text
    assert ("allow" in response.headers) is (status == 405)


async def passed(app: Any, headers: list[tuple[bytes, bytes]], receive: Any) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/ask", "raw_path": b"/ask", "query_string": b"", "headers": headers,
        "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 80), "scheme": "http", "http_version": "1.1", "state": {},
    }  # fmt: skip
    await app(scope, receive, send)
    return sent


def test_the_body_of_a_refused_request_is_not_read(settings: Settings, key: str) -> None:
    async def never() -> Message:
        raise AssertionError("the body was read")

    app = create_app(settings, Startup(lambda: None, lambda error: None))
    headers = [(b"host", b"127.0.0.1"), (b"content-length", b"10"), (b"content-type", b"application/json")]
    sent = asyncio.run(passed(app, headers, never))
    assert sent[0]["status"] == 401


def test_a_body_that_does_not_come_is_not_waited_for_long(settings: Settings) -> None:
    async def slow() -> Message:
        await asyncio.sleep(60)
        raise AssertionError("it was waited for")

    server = ServerSettings(body_seconds=1)
    app = create_app(settings.model_copy(update={"server": server}), Startup(lambda: None, lambda error: None))
    sent = asyncio.run(passed(app, [(b"host", b"127.0.0.1"), (b"content-length", b"10")], slow))
    assert sent[0]["status"] == 408


def test_web_sockets_are_refused(open_client: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect), open_client.websocket_connect("/ask"):
        pass


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]", "localhost"])
def test_what_only_this_machine_reaches(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", "", "127.0.0.1.nip.io"])
def test_what_others_reach(host: str) -> None:
    assert not is_loopback(host)
