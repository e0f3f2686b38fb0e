"""The gate in front of every route, by raw ASGI messages."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from core.settings import ServerSettings
from server.access import Limits, Role
from server.gate import Gate, is_loopback
from server.keys import KeyStore
from server.metrics import Metrics
from server.usage import Usage

LIMIT = 2 * 1024
Body = Callable[[], Awaitable[Message]]


async def behind(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that tells what it was given."""
    body = b""
    while True:
        message = await receive()
        assert message["type"] == "http.request"
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    told = {"who": scope["state"]["principal"].id, "length": len(body), "path": scope["path"]}
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(told).encode()})


async def unread() -> Message:
    raise AssertionError("the body of a request that is refused was read")


def sent(*parts: bytes, more: bool = False) -> Body:
    """A body in pieces; more: none of them is the last one, and nothing comes after them."""
    left = list(parts)

    async def receive() -> Message:
        if not left:
            await asyncio.Event().wait()
        body = left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(left) or more}

    return receive


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json"
        problem: dict[str, Any] = self.json()
        assert set(problem) == {"type", "title", "status", "detail", "mend"} and problem["mend"]
        assert problem["status"] == self.status
        return problem


class Door:
    """A gate with an application behind it that counts how often it is reached."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.keys, self.usage = KeyStore(folder), Usage(folder)
        self.reached = 0
        self.wait: asyncio.Event | None = None
        self.fails = False
        chosen = ServerSettings(**{"body_kb": 2, "body_seconds": 1, **settings})
        self._gate = Gate(self._app, chosen, self.keys, self.usage, Metrics("test"))

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached += 1
        if self.wait:
            await self.wait.wait()
        if self.fails:
            raise ZeroDivisionError
        await behind(scope, receive, send)

    async def exchange(
        self, method: str, path: str, headers: Mapping[str, str] | Iterable[tuple[str, str]], receive: Body
    ) -> Response:
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        if not any(name.lower() == "host" for name, _ in pairs):
            pairs.append(("Host", "127.0.0.1:8000"))
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in pairs],
        }
        messages: list[Message] = []

        async def send(message: Message) -> None:
            messages.append(message)

        await self._gate(scope, receive, send)
        if not messages:
            return Response(0, {}, b"")
        start, *bodies = messages
        found = {name.decode().lower(): value.decode("latin-1") for name, value in start["headers"]}
        return Response(start["status"], found, b"".join(message.get("body", b"") for message in bodies))

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        receive: Body | None = None,
    ) -> Response:
        return asyncio.run(self.exchange(method, path, headers, receive or sent(b"")))


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def door(tmp_path: Path) -> Door:
    """A door without keys."""
    return Door(tmp_path)


@pytest.fixture
def locked(tmp_path: Path) -> tuple[Door, str]:
    """A door that asks for a key, and a key of the role 'ask' for the knowledge base 'maths'."""
    door = Door(tmp_path)
    key, _ = door.keys.create("student", Role.ask, ["maths"])
    return door, key


REFUSED: dict[str, tuple[str, str, dict[str, str], int]] = {
    "no key": ("POST", "/ask", {}, 401),
    "wrong key": ("POST", "/ask", bearer("keben_00000000_" + "a" * 43), 401),
    "wrong scheme": ("POST", "/ask", {"Authorization": "Basic a2ViZW4="}, 401),
    "no scheme": ("POST", "/ask", {"Authorization": "KEY"}, 401),
    "role too low": ("POST", "/keys", {"key": "yes"}, 403),
    "another knowledge base": ("GET", "/kbs/physics", {"key": "yes"}, 404),
    "no such route without a key": ("POST", "/nothing", {}, 401),
    "no such route": ("POST", "/nothing", {"key": "yes"}, 404),
    "no such method": ("PUT", "/ask", {"key": "yes"}, 405),
    "no such method at all": ("BREW", "/ask", {"key": "yes"}, 405),
    "too long as declared": ("POST", "/ask", {"key": "yes", "Content-Length": str(LIMIT + 1)}, 413),
    "absurdly long as declared": ("POST", "/ask", {"key": "yes", "Content-Length": "9" * 5000}, 413),
}


@pytest.mark.parametrize(("method", "path", "headers", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused_is_told_and_nothing_of_its_body_is_read(
    locked: tuple[Door, str], method: str, path: str, headers: dict[str, str], status: int
) -> None:
    door, key = locked
    given = {name: value for name, value in headers.items() if name != "key"}
    response = door.request(method, path, {**given, **(bearer(key) if "key" in headers else {})}, unread)
    assert response.status == status and door.reached == 0
    detail = response.problem()["detail"]
    assert key not in response.body.decode() and "physics" not in detail.replace(path, "").replace("'physics'", "")
    assert response.headers["x-request-id"] and response.headers["x-content-type-options"] == "nosniff"
    assert response.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)


def test_what_is_not_there_names_the_methods_that_are(door: Door) -> None:
    response = door.request("PATCH", "/kbs/maths")
    assert response.status == 405 and response.headers["allow"] == "DELETE, GET"
    assert "PATCH /kbs/maths" in response.problem()["detail"]
    assert "allow" not in door.request("GET", "/nothing").headers


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "CONNECT", "get", ""])
def test_methods_that_no_route_has_reach_nothing(door: Door, method: str) -> None:
    for path in ("/ask", "/openapi.json", "/docs", "/keys"):
        assert door.request(method, path).status == 405
    assert door.reached == 0


PATHS = ("//ask", "/ask/", "/ask//", "/ASK", "/ask\n", "/ask%00", "/ask;x", "/./ask", "/kbs/../keys",
         "/kbs/a/../../keys", "/keys/../ask",
         "/kbs//keys", "/kbs/", "ask", "", "/v1/../keys", "/K\u212aBS", "\\ask")  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_taken_as_it_is(door: Door, path: str) -> None:
    assert {door.request(method, path).status for method in ("GET", "POST", "DELETE")} <= {404, 405}
    assert door.reached == 0


def test_a_knowledge_base_is_named_by_exact_bytes(locked: tuple[Door, str]) -> None:
    door, key = locked
    assert door.request("GET", "/kbs/maths", bearer(key)).json()["path"] == "/kbs/maths"
    for name in (
        "Maths",
        "MATHS",
        "maths ",
        " maths",
        "maths\u200b",
        "ｍaths",
        "mаths",
        "maths\x00",
        "maths%20",
        "..",
        "*",
    ):
        assert door.request("GET", f"/kbs/{name}", bearer(key)).status == 404, name
    assert door.reached == 1


@pytest.mark.parametrize("spelling", ["Bearer {}", "bearer {}", "BEARER  {} "])
def test_the_scheme_is_spelt_as_one_likes(locked: tuple[Door, str], spelling: str) -> None:
    door, key = locked
    assert door.request("POST", "/search", {"Authorization": spelling.format(key)}).status == 200


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a-B.3_x", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("", False),
        ("a b", False),
        ("a\tb", False),
        ("é", False),
    ],
)
def test_the_id_of_a_request_is_echoed_if_it_is_one(door: Door, given: str, kept: bool) -> None:
    response = door.request("GET", "/kbs", {"X-Request-ID": given})
    echoed = response.headers["x-request-id"]
    assert (echoed == given) is kept and len(echoed) > 0
    assert door.request("GET", "/kbs", {"X-Request-ID": given}).headers["x-request-id"] == given or not kept


def test_the_limit_of_requests_is_told_with_each_response_and_before_the_body_is_read(tmp_path: Path) -> None:
    door = Door(tmp_path)
    key, record = door.keys.create("one", Role.ask, limits=Limits(requests_per_minute=2))
    first, second = (door.request("POST", "/search", bearer(key)) for _ in range(2))
    assert [first.headers["ratelimit-remaining"], second.headers["ratelimit-remaining"]] == ["1", "0"]
    assert first.headers["ratelimit-limit"] == "2" and 0 < int(first.headers["ratelimit-reset"]) <= 60
    over = door.request("POST", "/search", bearer(key), unread)
    assert over.status == 429 and int(over.headers["retry-after"]) >= 1
    assert over.headers["ratelimit-remaining"] == "0" and record.id in over.problem()["detail"]
    assert door.request("GET", "/healthz", bearer(key)).status == 200, "what is public is not counted"


def test_an_unknown_route_counts_too(tmp_path: Path) -> None:
    door = Door(tmp_path)
    key, _ = door.keys.create("one", Role.ask, limits=Limits(requests_per_minute=1))
    assert door.request("GET", "/nothing", bearer(key)).status == 404
    assert door.request("GET", "/nothing", bearer(key)).status == 429


def test_as_many_answers_at_a_time_as_the_service_and_the_key_allow(tmp_path: Path) -> None:
    door = Door(tmp_path, max_running=3)
    key, _ = door.keys.create("one", Role.ask, limits=Limits(concurrent=2))
    other, _ = door.keys.create("two", Role.ask)

    async def ask(key: str, path: str = "/ask") -> Response:
        return await door.exchange("POST", path, bearer(key), sent(b""))

    async def play() -> list[Response]:
        door.wait = asyncio.Event()
        running = [asyncio.create_task(ask(key)) for _ in range(2)]
        while door.reached < 2:
            await asyncio.sleep(0.01)
        third = await ask(key)
        running.append(asyncio.create_task(ask(other)))
        search = asyncio.create_task(ask(key, "/search"))
        while door.reached < 4:
            await asyncio.sleep(0.01)
        full = await ask(other)
        door.wait.set()
        return [third, full, await search, *await asyncio.gather(*running)]

    third, full, *others = asyncio.run(play())
    assert (third.status, full.status) == (429, 429) and [one.status for one in others] == [200] * 4
    assert "2 answers for the key" in third.problem()["detail"] and third.headers["retry-after"] == "1"
    assert "3 answers" in full.problem()["detail"] and full.headers["retry-after"]
    door.wait = None
    assert [door.request("POST", "/ask", bearer(key)).status for _ in range(5)] == [200] * 5


def test_a_place_comes_back_from_an_application_that_fails(tmp_path: Path) -> None:
    door = Door(tmp_path, max_running=1)
    key, _ = door.keys.create("one", Role.ask, limits=Limits(concurrent=1))
    door.fails = True
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            door.request("POST", "/ask", bearer(key))
    door.fails = False
    assert door.request("POST", "/ask", bearer(key)).status == 200


@pytest.mark.parametrize("pieces", [[b"x" * LIMIT], [b"x"] * LIMIT, [b"", b"x" * (LIMIT - 1), b"", b"x"]])
@pytest.mark.parametrize("declared", [True, False])
def test_a_body_of_exactly_the_limit_comes_in_whole(door: Door, pieces: list[bytes], declared: bool) -> None:
    headers = {"Content-Length": str(LIMIT)} if declared else {"Transfer-Encoding": "chunked"}
    response = door.request("POST", "/search", headers, sent(*pieces))
    assert response.status == 200 and response.json()["length"] == LIMIT


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "3"}, {"Content-Length": "-1"}, {"Content-Length": "1e3"}])
def test_a_body_that_grows_beyond_the_limit_is_cut_off_whatever_was_declared(
    door: Door, headers: dict[str, str]
) -> None:
    read = 0

    async def endless() -> Message:
        nonlocal read
        read += 512
        return {"type": "http.request", "body": b"x" * 512, "more_body": True}

    response = door.request("POST", "/search", headers, endless)
    assert response.status == 413 and "2 KiB" in response.problem()["detail"] and door.reached == 0
    assert read == LIMIT + 512


def test_a_body_that_does_not_come_is_given_up(door: Door) -> None:
    response = door.request("POST", "/search", {"Content-Length": "9"}, sent(b"{", more=True))
    assert response.status == 408 and "1 s" in response.problem()["detail"] and door.reached == 0


def test_a_client_that_goes_before_its_body_is_whole_reaches_nothing(door: Door) -> None:
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Message:
        return next(messages)

    assert door.request("POST", "/search", {"Content-Length": "9"}, receive).status == 0
    assert door.reached == 0


def test_no_websocket_gets_through(door: Door) -> None:
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    scope = {"type": "websocket", "path": "/ask", "headers": [(b"host", b"127.0.0.1")]}
    asyncio.run(door._gate(scope, unread, send))
    assert messages == [{"type": "websocket.close", "code": 1008}] and door.reached == 0


LOCAL_HOSTS = ("127.0.0.1", "127.0.0.1:8000", "localhost", "localhost:8000", "LOCALHOST", "localhost.", "[::1]",
               "[::1]:8000", "127.0.0.2", "127.255.255.254:1")  # fmt: skip
FOREIGN_HOSTS = ("", "evil.com", "localhost.evil.com", "evil.com:8000", "127.0.0.1.evil.com", "0.0.0.0", "10.0.0.1",
                 "192.168.1.5:8000", "[::]", "[fe80::1]", "::1", "[::1", "[::1]x", "127.0.0.1@evil.com",
                 "evil.com@127.0.0.1", "evil.com#127.0.0.1", "127.0.0.1/evil.com", "127.0.0.1:80:80", "127.0.0.1:x",
                 "127.1", "2130706433", "0x7f.1", "127.0.0.1,evil.com", "localhost evil.com",
                 "löcalhost", "localhost..")  # fmt: skip


@pytest.mark.parametrize("host", LOCAL_HOSTS)
def test_without_keys_this_machine_is_served(door: Door, host: str) -> None:
    response = door.request("GET", "/keys", {"Host": host})
    assert response.status == 200 and response.json()["who"] == "local"


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_without_keys_a_foreign_host_is_not_served_whatever_the_route(door: Door, host: str) -> None:
    for method, path in (("POST", "/ask"), ("GET", "/"), ("GET", "/healthz"), ("GET", "/nothing")):
        response = door.request(method, path, {"Host": host}, unread)
        assert response.status == 403 and "keben keys create" in response.problem()["mend"]
    assert door.reached == 0


def test_without_keys_a_request_without_a_host_is_not_served(door: Door) -> None:
    async def ask() -> list[Message]:
        messages: list[Message] = []

        async def send(message: Message) -> None:
            messages.append(message)

        await door._gate({"type": "http", "method": "GET", "path": "/kbs", "headers": []}, unread, send)
        return messages

    assert asyncio.run(ask())[0]["status"] == 403


@pytest.mark.parametrize(
    "origin", ["http://localhost:8000", "http://127.0.0.1", "https://[::1]:5173", "HTTP://localhost"]
)
def test_without_keys_a_page_of_this_machine_may_ask(door: Door, origin: str) -> None:
    expected = 403 if origin.startswith("HTTP") else 200  # browsers send it in small letters
    assert door.request("POST", "/search", {"Origin": origin}).status == expected


@pytest.mark.parametrize(
    "origin",
    ["null", "", "https://evil.com", "http://localhost.evil.com", "http://127.0.0.1.evil.com", "http://evil.com:8000",
     "http://127.0.0.1@evil.com", "http://[::1", "file://", "chrome-extension://localhost", "http://localhost/evil.com",
     "http://localhost, http://evil.com", "localhost", "//localhost"],
)  # fmt: skip
def test_without_keys_a_page_from_elsewhere_may_not_ask(door: Door, origin: str) -> None:
    response = door.request("POST", "/search", {"Origin": origin}, unread)
    assert response.status == 403 and door.reached == 0


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP"])
def test_without_keys_what_a_proxy_sends_on_is_not_served(door: Door, header: str) -> None:
    response = door.request("POST", "/search", {header: "203.0.113.7"}, unread)
    assert response.status == 403 and header.lower() in response.problem()["detail"]


def test_with_keys_any_host_origin_and_proxy_may_stand_before_a_valid_key(locked: tuple[Door, str]) -> None:
    door, key = locked
    headers = {"Host": "keben.example.org", "Origin": "https://moodle.example.org", "X-Forwarded-For": "203.0.113.7"}
    assert door.request("POST", "/search", {**headers, **bearer(key)}).status == 200
    assert door.request("POST", "/search", headers, unread).status == 401


def test_once_there_are_keys_also_this_machine_needs_one(door: Door) -> None:
    assert door.request("GET", "/keys").status == 200
    _, record = door.keys.create("one", Role.ask)
    assert door.request("GET", "/keys", {}, unread).status == 401
    door.keys.revoke(record.id)
    assert door.request("GET", "/keys", {}, unread).status == 401, "revoking the last key opened the service"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "keben.example.org"])
def test_on_another_address_nobody_comes_in_without_a_key(tmp_path: Path, host: str) -> None:
    door = Door(tmp_path, host=host)
    assert door.request("POST", "/search", {"Host": "127.0.0.1"}, unread).status == 401
    assert door.request("GET", "/healthz").status == 200


def test_insecure_means_everybody(tmp_path: Path) -> None:
    door = Door(tmp_path, host="0.0.0.0", insecure=True)
    door.keys.create("one", Role.ask)
    response = door.request("DELETE", "/keys/0badcafe", {"Host": "evil.com", "Origin": "https://evil.com"})
    assert response.status == 200 and response.json()["who"] == "local"


def test_keys_that_cannot_be_read_let_nobody_in_and_tell_nothing(locked: tuple[Door, str], tmp_path: Path) -> None:
    door, key = locked
    (tmp_path / "keys.json").write_text('{"keys": [{"sha256": "secret"}]}', encoding="utf-8")
    for headers in ({}, bearer(key)):
        response = door.request("POST", "/ask", headers, unread)
        assert response.status == 503 and door.reached == 0
        told = response.body.decode()
        assert "secret" not in told and "keys.json" not in told and str(tmp_path) not in told
    assert door.request("GET", "/healthz").json()["who"] == ""


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("localhost", True), ("0.0.0.0", False),
     ("::", False), ("10.0.0.1", False), ("localhost.localdomain", False), ("", False), ("localhost.evil.com", False)],
)  # fmt: skip
def test_loopback(host: str, local: bool) -> None:
    assert is_loopback(host) is local
