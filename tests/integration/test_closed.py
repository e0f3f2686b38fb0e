"""A served service, in a process of its own, against those who should not come in."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from server_processes import command, environment, process

from core.settings import Settings

ASKED = {"question": "什么是死锁？"}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory, library_settings: Settings) -> Path:
    """The small knowledge base, with keys of this module's own beside it."""
    folder = tmp_path_factory.mktemp("closed") / "data"
    folder.mkdir()
    (folder / "default").symlink_to(library_settings.data_dir / "default")
    return folder


@pytest.fixture(scope="module")
def shut(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of a service on all addresses of this machine, and a key to it."""
    key = keys(data_dir, "create", "student")["key"]
    with process(data_dir, tmp_path_factory.mktemp("cwd"), "--host", "0.0.0.0", KEBEN_SERVER__BODY_SECONDS="1") as (
        _,
        url,
    ):
        yield url.replace("0.0.0.0", "127.0.0.1"), key


def keys(data_dir: Path, *arguments: str) -> Any:
    """What `keben keys` prints, run in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "keys", *arguments, "--json"],
        env=environment(data_dir),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def connected(url: str) -> socket.socket:
    return socket.create_connection((urlsplit(url).hostname, urlsplit(url).port or 80), timeout=30)


@contextmanager
def raw(url: str, request: str | bytes) -> Iterator[bytes]:
    """The beginning of the response to bytes of our own; nothing more is sent."""
    with connected(url) as connection:
        connection.sendall(request.encode("latin-1") if isinstance(request, str) else request)
        yield connection.recv(65536)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_an_address_that_others_reach_is_not_listened_on_without_a_key(tmp_path: Path, host: str) -> None:
    done = subprocess.run(
        command("--host", host, "--port", "0"),
        env=environment(tmp_path / "data"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and done.stdout == ""
    assert host in done.stderr and "keben keys create" in done.stderr and "--insecure" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_key_that_is_revoked_is_not_enough_to_listen(tmp_path: Path) -> None:
    keys(tmp_path / "data", "revoke", keys(tmp_path / "data", "create", "gone")["id"])
    done = subprocess.run(
        command("--host", "0.0.0.0", "--port", "0"),
        env=environment(tmp_path / "data"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and "no valid API key" in done.stderr


def test_insecure_lets_everybody_in(library_settings: Settings, tmp_path: Path) -> None:
    with process(library_settings.data_dir, tmp_path, "--host", "0.0.0.0", "--insecure") as (_, url):
        address = url.replace("0.0.0.0", "127.0.0.1")
        response = httpx.get(f"{address}/keys", headers={"Host": "keben.example.org"}, trust_env=False)
        assert response.status_code == 200


def test_a_running_service_follows_the_keys_at_once(shut: tuple[str, str], data_dir: Path) -> None:
    url, key = shut
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
        assert client.post("/ask", json=ASKED).status_code == 401
        assert "互相等待" in client.post("/ask", json=ASKED, headers=bearer(key)).json()["answer"]
        new = keys(data_dir, "create", "guest")
        assert client.post("/ask", json=ASKED, headers=bearer(new["key"])).status_code == 200
        keys(data_dir, "revoke", new["id"])
        assert client.post("/ask", json=ASKED, headers=bearer(new["key"])).status_code == 401
        assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200


def test_a_body_in_chunks_is_cut_off_at_the_limit(shut: tuple[str, str]) -> None:
    url, key = shut
    head = f"POST /ask HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nTransfer-Encoding: chunked\r\n\r\n"
    with raw(url, head + ("400\r\n" + "x" * 1024 + "\r\n") * 65) as answer:
        assert answer.startswith(b"HTTP/1.1 413 ") and b"application/problem+json" in answer


def test_a_body_that_does_not_come_is_given_up(shut: tuple[str, str]) -> None:
    url, key = shut
    head = f"POST /ask HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: 100\r\n\r\n"
    with raw(url, head + "{") as answer:
        assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_body_that_is_refused_need_not_be_sent(shut: tuple[str, str]) -> None:
    url, key = shut
    for authorised, length, status in ((f"Authorization: Bearer {key}\r\n", 10**9, b"413"), ("", 100, b"401")):
        with raw(url, f"POST /ask HTTP/1.1\r\nHost: x\r\n{authorised}Content-Length: {length}\r\n\r\n") as answer:
            assert answer.startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize(
    "request_",
    [
        "POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: three\r\n\r\n",
        "POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /ask HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "GET /keys HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer\r\n x\r\n\r\n",
        "GET /" + "a" * 100_000 + " HTTP/1.1\r\nHost: x\r\n\r\n",
        "\x00\x01\x02 nothing that is HTTP\r\n\r\n",
        "GET /kbs/\x80\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET http://evil.example/keys HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)  # fmt: skip
def test_what_is_no_proper_request_reaches_nothing(shut: tuple[str, str], request_: str) -> None:
    url, _ = shut
    with raw(url, request_) as answer:
        assert answer[9:10] == b"4" or answer == b"", answer[:200]
    assert httpx.get(f"{url}/healthz", trust_env=False).status_code == 200


CHUNKED = b"POST /ask HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer KEY\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("begun", "more"),
    [
        (b"GET /", b"a" * 65536),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"a" * 65536),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b"X: y\r\n" * 10_000),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nX: ", b"a" * 65536),
        (CHUNKED, b"0" * 65536),
        (CHUNKED + b"1; x=", b"a" * 65536),
        (CHUNKED + b"1\r\n{\r\n0\r\n", b"X: y\r\n" * 10_000),
    ],
)
def test_a_head_without_end_is_cut_off(shut: tuple[str, str], begun: bytes, more: bytes) -> None:
    url, key = shut
    with connected(url) as connection, suppress(ConnectionError):
        connection.sendall(begun.replace(b"KEY", key.encode()))
        for _ in range(200):
            connection.sendall(more)
        pytest.fail("13 MB of a head were taken")
    assert httpx.get(f"{url}/healthz", trust_env=False).status_code == 200


@pytest.mark.parametrize("begun", [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_a_head_that_does_not_come_is_not_waited_for(shut: tuple[str, str], begun: bytes) -> None:
    with connected(shut[0]) as connection:
        connection.sendall(begun)
        assert connection.recv(1000) == b""


def test_a_connection_is_used_again_and_bodies_may_come_in_pieces(shut: tuple[str, str]) -> None:
    url, key = shut
    body = json.dumps(ASKED, ensure_ascii=False).encode()
    head = CHUNKED.replace(b"KEY", key.encode()).replace(b"Host: x", b"Host: x\r\nContent-Type: application/json")
    # As many requests as have heads and frames of 64 KiB and more together, some of whose bodies come byte by byte.
    with httpx.Client(base_url=url, headers=bearer(key), trust_env=False) as client:
        for _ in range(5):
            assert client.get("/healthz", headers={"X-Padding": "a" * 30_000}).status_code == 200
            assert client.post("/search", json=ASKED).status_code == 200
    with connected(url) as connection:
        for _ in range(3):
            pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
            connection.sendall(head.replace(b"/ask", b"/search") + pieces + b"0\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
            connection.settimeout(0.5)
            with suppress(TimeoutError):
                while connection.recv(65536):
                    pass
            connection.settimeout(30)


def test_no_websocket_is_opened(shut: tuple[str, str]) -> None:
    url, key = shut
    upgrade = (
        f"GET /ask HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    with raw(url, upgrade) as answer:
        assert answer[9:10] == b"4" and b" 101 " not in answer.split(b"\r\n")[0]


def test_no_secret_and_no_path_stands_in_what_strangers_are_told(shut: tuple[str, str], data_dir: Path) -> None:
    url, key = shut
    for path in ("/", "/docs", "/openapi.json", "/healthz", "/readyz", "/ask", "/keys", "/metrics", "/nothing"):
        told = httpx.get(f"{url}{path}", trust_env=False).text
        assert key not in told and key.split("_")[1] not in told and str(data_dir) not in told, path
