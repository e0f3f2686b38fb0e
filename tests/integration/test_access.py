"""Who may do what, route by route."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fakes import copy_knowledge_bases, serving
from fastapi.testclient import TestClient
from starlette.routing import Mount, Route

from core.settings import ServerSettings, Settings
from server.access import RULES, Limits, Role
from server.app import create_app
from server.keys import KeyStore
from server.service import Startup

ANSWER_ID = "a" + "0" * 32
JOB = "20260101T000000-00000000"
CHAT = {"model": "default", "messages": [{"role": "user", "content": "什么是死锁？"}]}
MCP = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}

# What each route asks for, and a request to it. Written a second time, so that a right is changed on purpose.
NOBODY, ASK, MANAGE, ADMIN = "nobody", "ask", "manage", "admin"
ROUTES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "GET /": (NOBODY, "/", {}),
    "GET /page/{name:path}": (NOBODY, "/page/style.css", {}),
    "GET /docs": (NOBODY, "/docs", {}),
    "GET /docs/oauth2-redirect": (NOBODY, "/docs/oauth2-redirect", {}),
    "GET /redoc": (NOBODY, "/redoc", {}),
    "GET /openapi.json": (NOBODY, "/openapi.json", {}),
    "GET /static-offline-docs/{path:path}": (NOBODY, "/static-offline-docs/favicon.png", {}),
    "GET /healthz": (NOBODY, "/healthz", {}),
    "GET /readyz": (NOBODY, "/readyz", {}),
    "GET /me": (ASK, "/me", {}),
    "POST /render": (ASK, "/render", {"json": {"markdown": "x"}}),
    "POST /ask": (ASK, "/ask", {"json": {"question": "什么是死锁？"}}),
    "POST /ask/batch": (ASK, "/ask/batch", {"json": {"questions": [{"question": "什么是死锁？"}]}}),
    "POST /search": (ASK, "/search", {"json": {"question": "死锁"}}),
    "POST /feedback": (ASK, "/feedback", {"json": {"answer_id": ANSWER_ID, "thumb": "up"}}),
    "POST /mcp": (ASK, "/mcp", {"json": MCP, "headers": {"Accept": "application/json, text/event-stream"}}),
    "POST /v1/chat/completions": (ASK, "/v1/chat/completions", {"json": CHAT}),
    "POST /v1/embeddings": (ASK, "/v1/embeddings", {"json": {"model": "keben-zh-en", "input": "死锁"}}),
    "GET /v1/models": (ASK, "/v1/models", {}),
    "GET /v1/models/{model:path}": (ASK, "/v1/models/default", {}),
    "GET /kbs": (ASK, "/kbs", {}),
    "GET /kbs/{kb}": (ASK, "/kbs/default", {}),
    "GET /kbs/{kb}/examples": (ASK, "/kbs/default/examples", {}),
    "GET /kbs/{kb}/books/{source:path}/text": (ASK, "/kbs/default/books/os.md/text?start=0&end=5", {}),
    "GET /kbs/{kb}/books/{book:path}/pages/{page}.png": (ASK, "/kbs/default/books/os.md/pages/1.png", {}),
    "GET /kbs/{kb}/feedback": (MANAGE, "/kbs/default/feedback", {}),
    "POST /kbs/{kb}/feedback/{id}": (MANAGE, f"/kbs/default/feedback/{ANSWER_ID}", {"json": {"state": "new"}}),
    "GET /kbs/{kb}/gaps": (MANAGE, "/kbs/default/gaps", {}),
    "POST /kbs": (MANAGE, "/kbs", {"json": {"name": "default"}}),
    "DELETE /kbs/{kb}": (MANAGE, "/kbs/nowhere", {}),
    "GET /kbs/{kb}/files": (MANAGE, "/kbs/default/files", {}),
    "POST /kbs/{kb}/files": (MANAGE, "/kbs/default/files", {"json": {}}),
    "DELETE /kbs/{kb}/files/{name:path}": (MANAGE, "/kbs/default/files/nothing.md", {}),
    "POST /kbs/{kb}/rebuild": (MANAGE, "/kbs/default/rebuild", {"json": {"force": "no"}}),
    "GET /kbs/{kb}/report": (MANAGE, "/kbs/default/report", {}),
    "POST /kbs/{kb}/rollback": (MANAGE, "/kbs/default/rollback", {"json": {"to": "nothing"}}),
    "GET /jobs": (MANAGE, "/jobs", {}),
    "GET /jobs/{id}": (MANAGE, f"/jobs/{JOB}", {}),
    "GET /jobs/{id}/events": (MANAGE, f"/jobs/{JOB}/events", {}),
    "DELETE /jobs/{id}": (MANAGE, f"/jobs/{JOB}", {}),
    "GET /jobs/{id}/report": (MANAGE, f"/jobs/{JOB}/report", {}),
    "GET /courses": (ADMIN, "/courses", {}),
    "GET /courses/{course}": (ADMIN, "/courses/nothing", {}),
    "POST /courses/{course}/audit": (ADMIN, "/courses/nothing/audit", {}),
    "POST /courses/{course}/run": (ADMIN, "/courses/nothing/run", {"json": {}}),
    "POST /courses/{course}/stop": (ADMIN, "/courses/nothing/stop", {}),
    "POST /courses/{course}/publish": (ADMIN, "/courses/nothing/publish", {"json": {"repo": "me/os"}}),
    "GET /courses/{course}/events": (ADMIN, "/courses/nothing/events", {}),
    "GET /metrics": (ADMIN, "/metrics", {}),
    "GET /keys": (ADMIN, "/keys", {}),
    "POST /keys": (ADMIN, "/keys", {"json": {"name": ""}}),
    "DELETE /keys/{id}": (ADMIN, "/keys/00000000", {}),
}
HOLDERS = ("none", "wrong", "expired", "revoked", ASK, "ask elsewhere", MANAGE, "manage elsewhere", ADMIN)
ABLE = {ASK: {ASK, MANAGE, ADMIN}, MANAGE: {MANAGE, ADMIN}, ADMIN: {ADMIN}}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, library_settings: Settings) -> Settings:
    folder = tmp_path_factory.mktemp("access")
    copy_knowledge_bases(library_settings, folder / "data")
    server = ServerSettings(requests_per_minute=None)
    folders = {"data_dir": folder / "data", "courses_dir": folder / "courses"}
    return Settings.model_validate({**folders, "source_dir": library_settings.source_dir, "server": server})


@pytest.fixture(scope="module")
def holders(settings: Settings) -> dict[str, str]:
    store = KeyStore(settings.state_dir)
    long_ago = KeyStore(settings.state_dir, lambda: datetime.now(UTC) - timedelta(days=2))
    revoked, record = store.create("revoked", Role.admin)
    store.revoke(record.id)
    return {
        "wrong": "keben_00000000_" + "A" * 43,
        "expired": long_ago.create("expired", Role.admin, expires_at=datetime.now(UTC) - timedelta(days=1))[0],
        "revoked": revoked,
        ASK: store.create("ask", Role.ask, ["default"])[0],
        "ask elsewhere": store.create("ask elsewhere", Role.ask, ["nowhere"])[0],
        MANAGE: store.create("manage", Role.manage, ["default", "nowhere"])[0],
        "manage elsewhere": store.create("manage elsewhere", Role.manage, ["nowhere2"])[0],
        ADMIN: store.create("admin", Role.admin)[0],
    }


@pytest.fixture(scope="module")
def client(settings: Settings, holders: dict[str, str]) -> Iterator[TestClient]:
    with serving(settings) as opened:
        yield opened


def send(client: TestClient, route: str, key: str | None) -> Any:
    _, path, request = ROUTES[route]
    headers = {**request.get("headers", {}), **({"Authorization": f"Bearer {key}"} if key else {})}
    return client.request(route.split()[0], path, **{**request, "headers": headers})


def routes_of(routes: Iterable[Any]) -> Iterator[str]:
    """Method and path of each; one of a kind that is not known fails."""
    for route in routes:
        if isinstance(route, Mount):
            yield f"GET {route.path}/{{path:path}}"
        elif isinstance(route, Route):
            yield from (f"{method} {route.path}" for method in (route.methods or set()) - {"HEAD"})
        else:
            assert not route.include_context.prefix
            yield from routes_of(route.original_router.routes)


def test_every_route_has_a_rule_and_every_rule_a_route_and_a_line_here(settings: Settings) -> None:
    app = create_app(settings, Startup(lambda: None, lambda error: None))
    served = set(routes_of(app.routes))
    ruled = {f"{method} {path}" for method, path in RULES}
    assert served == ruled
    assert ruled == set(ROUTES)
    for (method, path), rule in RULES.items():
        assert (rule.role or NOBODY) == ROUTES[f"{method} {path}"][0], (method, path)


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("route", ROUTES)
def test_who_may_do_what(client: TestClient, holders: dict[str, str], route: str, holder: str) -> None:
    need = ROUTES[route][0]
    response = send(client, route, holders.get(holder))
    role = holder.split()[0]
    if need == NOBODY:
        assert response.status_code in {200, 503}
    elif holder in {"none", "wrong", "expired", "revoked"}:
        assert response.status_code == 401
    elif role not in ABLE[need]:
        assert response.status_code == 403
    elif holder.endswith("elsewhere") and "default" in f"{ROUTES[route][1]}{ROUTES[route][2]}":
        # The knowledge base does not exist for this key.
        assert response.status_code == 404
    else:
        assert response.status_code not in {401, 403}
        assert response.status_code < 500


def test_the_default_knowledge_base_is_not_open_to_a_key_for_another(
    client: TestClient, holders: dict[str, str]
) -> None:
    for route in ("POST /ask", "POST /search"):
        assert send(client, route, holders["ask elsewhere"]).status_code == 404
    (result,) = send(client, "POST /ask/batch", holders["ask elsewhere"]).json()["results"]
    assert result["answer"] is None and result["problem"]["status"] == 404
    assert send(client, "GET /kbs", holders["ask elsewhere"]).json() == {"kbs": [], "unbuilt": []}


def test_the_last_admin_can_list_make_and_revoke_keys(client: TestClient, holders: dict[str, str]) -> None:
    admin = {"Authorization": f"Bearer {holders[ADMIN]}"}
    made = client.post("/keys", json={"name": "新", "role": "ask", "kbs": ["default"]}, headers=admin)
    assert made.status_code == 201
    key = {"Authorization": f"Bearer {made.json()['key']}"}
    assert client.get("/kbs", headers=key).status_code == 200
    listed = client.get("/keys", headers=admin)
    assert made.json()["key"] not in listed.text and "sha256" not in listed.text
    assert client.delete(f"/keys/{made.json()['id']}", headers=admin).json()["state"] == "revoked"
    assert client.get("/kbs", headers=key).status_code == 401


def test_tokens_and_answers_at_a_time_are_bounded_by_key(settings: Settings, client: TestClient) -> None:
    key, record = KeyStore(settings.state_dir).create("few", Role.ask, limits=Limits(requests_per_minute=2))
    headers = {"Authorization": f"Bearer {key}"}
    questions = [{"question": f"什么是死锁 {number}"} for number in range(4)]
    results = client.post("/ask/batch", json={"questions": questions}, headers=headers).json()["results"]
    assert [result["problem"]["status"] for result in results if result["problem"]] == [429, 429]
    assert client.get("/kbs", headers=headers).status_code == 429
    assert record.id in client.get("/kbs", headers=headers).json()["detail"]
