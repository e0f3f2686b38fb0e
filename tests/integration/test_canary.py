"""Two knowledge bases, each with a secret and a key of its own: nothing of one is ever told to the key of the other.

A new route that takes a knowledge base, a book or an id needs a line in PROBES.
"""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from live_server import live

from core.settings import ServerSettings, Settings
from ingest.rebuild import Request, rebuild
from server.access import RULES, Role
from server.keys import KeyStore

QUESTION = "什么是暗号？"
BOOK = """# {title}

## {chapter}

### 暗号的定义

暗号是指事先约定的秘密词语，用来辨认自己人。本册的暗号是「{secret}」，只有{title}的读者知道。

### 暗号的更换

暗号每个月更换一次，更换之后旧的暗号立刻失效。
"""


@dataclass(frozen=True)
class Side:
    """A knowledge base and all that only those who may see it may read."""

    kb: str
    secret: str
    title: str
    source: str
    subject: str
    chapter: str

    @property
    def marks(self) -> tuple[str, ...]:
        return self.kb, self.secret, self.title, self.source, self.subject, self.chapter


CRANE = Side("kranich", "GRUS-7731", "灰鹤手册", "grus-notes.md", "鹤类通信", "鹤鸣密语")
WALRUS = Side("walross", "ODOB-4482", "海象手册", "odobenus.md", "海象通信", "象牙密语")


@dataclass(frozen=True)
class World:
    """A running service with both. keys: by knowledge base and role. told: what the owner of each was told."""

    url: str
    folders: dict[str, Path]
    keys: dict[tuple[str, Role], str]
    told: dict[str, dict[str, str]]


MESSAGES = [{"role": "user", "content": QUESTION}]


def tool(name: str, arguments: dict[str, str]) -> dict[str, Any]:
    """A call by the Model Context Protocol."""
    return {"method": "tools/call", "params": {"name": name, "arguments": arguments}}


# What is sent for {kb}, {book}, {generation}, {answer} and {job}: all that may lead to the other side. {own} is the
# sender's own knowledge base.
PROBES: tuple[tuple[str, Any], ...] = (
    ("POST /ask", {"question": QUESTION}),
    ("POST /ask", {"question": QUESTION, "kb": "{kb}"}),
    ("POST /ask", {"question": QUESTION, "kb": "{kb}", "stream": True}),
    ("POST /ask", {"question": QUESTION, "kb": "{own}", "books": ["{book}"]}),
    ("POST /ask", {"question": QUESTION, "kb": "{own}", "subjects": ["{book}"], "stream": True}),
    ("POST /ask", {"question": QUESTION, "history": [{"role": "user", "content": "{book} {kb}"}]}),
    ("POST /ask/batch", {"questions": [{"question": QUESTION, "kb": "{kb}"}, {"question": QUESTION}]}),
    ("POST /ask/batch", {"questions": [{"question": QUESTION, "kb": "{own}", "books": ["{book}"]}]}),
    ("POST /search", {"question": QUESTION, "top_k": 50}),
    ("POST /search", {"question": QUESTION, "kb": "{kb}", "top_k": 50}),
    ("POST /search", {"question": QUESTION, "kb": "{own}", "books": ["{book}"]}),
    ("POST /search", {"question": "{book} {kb}", "kb": "{own}"}),
    ("POST /render", {"markdown": "{kb} {book}"}),
    ("POST /feedback", {"answer_id": "{answer}", "thumb": "down", "comment": "x"}),
    ("POST /mcp", tool("ask", {"question": QUESTION, "kb": "{kb}"})),
    ("POST /mcp", tool("ask", {"question": QUESTION})),
    ("POST /mcp", tool("search", {"question": QUESTION, "kb": "{kb}"})),
    ("POST /mcp", tool("list_books", {"kb": "{kb}"})),
    ("POST /mcp", tool("list_books", {})),
    ("POST /mcp", {"method": "tools/list"}),
    ("POST /v1/chat/completions", {"model": "{kb}", "messages": MESSAGES}),
    ("POST /v1/chat/completions", {"model": "{own}", "messages": MESSAGES, "books": ["{book}"]}),
    ("POST /v1/chat/completions", {"model": "{kb}", "messages": MESSAGES, "stream": True}),
    ("POST /v1/embeddings", {"model": "{kb}", "input": "{book}"}),
    ("GET /v1/models", None),
    ("GET /v1/models/{kb}", None),
    ("GET /kbs", None),
    ("GET /kbs/{kb}", None),
    ("GET /kbs/{kb}/examples", None),
    ("GET /kbs/{own}/books/{book}/text?start=0&end=50", None),
    ("GET /kbs/{kb}/books/{book}/text?start=0&end=50", None),
    ("GET /kbs/{own}/books/{book}/pages/1.png?start=0&end=50", None),
    ("GET /kbs/{kb}/books/{book}/pages/1.png", None),
    ("GET /kbs/{kb}/feedback", None),
    ("GET /kbs/{own}/feedback", None),
    ("POST /kbs/{kb}/feedback/{answer}", {"state": "accepted"}),
    ("POST /kbs/{own}/feedback/{answer}", {"state": "accepted"}),
    ("GET /kbs/{kb}/gaps", None),
    ("GET /kbs/{own}/gaps?days=3650", None),
    ("POST /kbs", {"name": "{kb}"}),
    ("DELETE /kbs/{kb}", None),
    ("GET /kbs/{kb}/files", None),
    ("POST /kbs/{kb}/files", None),
    ("DELETE /kbs/{own}/files/{book}", None),
    ("DELETE /kbs/{kb}/files/{book}", None),
    ("POST /kbs/{kb}/rebuild", {}),
    ("GET /kbs/{kb}/report", None),
    ("POST /kbs/{kb}/rollback", {}),
    ("POST /kbs/{own}/rollback", {"to": "{generation}"}),
    ("GET /jobs", None),
    ("GET /jobs/{job}", None),
    ("GET /jobs/{job}/events", None),
    ("GET /jobs/{job}/report", None),
    ("DELETE /jobs/{job}", None),
    ("GET /me", None),
    ("GET /courses", None),
    ("GET /courses/{kb}", None),
    ("GET /courses/{kb}/events", None),
    *((f"POST /courses/{{kb}}/{verb}", {}) for verb in ("audit", "run", "stop")),
    ("POST /courses/{kb}/publish", {"repo": "x/y"}),
    ("GET /metrics", None),
    ("GET /keys", None),
    ("POST /keys", {"name": "x", "kbs": ["{kb}"]}),
    ("DELETE /keys/{key}", None),
)  # fmt: skip
PUBLIC = ("/", "/openapi.json", "/docs", "/redoc", "/healthz", "/readyz")


def spellings(side: Side, own: Side) -> dict[str, list[str]]:
    """What is put in place of {kb} and {book} to reach `side`."""
    kb, wide = side.kb, "".join(chr(ord(letter) + 0xFEE0) for letter in side.kb)
    names = [kb, kb.upper(), kb.title(), f" {kb}", f"{kb} ", f"{kb}\n", f"{kb}\x00", f"{kb}\u200b", wide]
    names += [
        kb.replace("a", "\u0430"),
        f"./{kb}",
        f"../{kb}",
        f"{own.kb}/../{kb}",
        f"{kb}/",
        f"/{kb}",
        f"{own.kb},{kb}",
    ]
    names += ["*", "%", "", ".", "..", ".service", "null", "default", f"{kb}'--", f"{own.kb}\x00{kb}"]
    books = [
        side.title,
        side.source,
        side.subject,
        f"{kb}/{side.source}",
        f"../{kb}/{side.source}",
        "../.service/keys.json",
    ]
    books += [
        f"../../{kb}/books/{side.source}",
        f"%2e%2e/{kb}/{side.source}",
        side.title.upper(),
        "*",
        "..",
        "/etc/passwd",
    ]
    return {"kb": names, "book": books}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    top = tmp_path_factory.mktemp("canary")
    server = ServerSettings(poll_seconds=0.1, requests_per_minute=None, concurrent=None)
    # The default one is the walrus', so that whoever names none must not learn of it either.
    settings = Settings(data_dir=top / "data", source_dir=top / WALRUS.kb, kb=WALRUS.kb, server=server)
    store, keys, folders = KeyStore(settings.state_dir), dict[tuple[str, Role], str](), dict[str, Path]()
    for side in (CRANE, WALRUS):
        folders[side.kb] = folder = top / side.kb
        folder.mkdir()
        text = BOOK.format(title=side.title, chapter=side.chapter, secret=side.secret)
        (folder / side.source).write_text(text, encoding="utf-8")
        catalog = f'[books."{side.source}"]\ntitle = "{side.title}"\nsubject = "{side.subject}"\n'
        (folder / "catalog.toml").write_text(catalog, encoding="utf-8")
        assert rebuild(settings, side.kb, Request(folder)).published
        for role in (Role.ask, Role.manage):
            keys[side.kb, role], _ = store.create(f"{role} of {side.subject}", role, [side.kb])
    with live(settings) as running:
        told = {side.kb: used(running.url, side, keys[side.kb, Role.manage]) for side in (CRANE, WALRUS)}
        yield World(running.url, folders, keys, told)


def used(url: str, side: Side, key: str) -> dict[str, str]:
    """What the owner of a side gets to know: ids of an answer, a generation and a job; also fills caches and logs."""
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60, trust_env=False) as client:
        answer = client.post("/ask", json={"question": QUESTION, "kb": side.kb}).json()
        assert side.secret in answer["answer"] and answer["citations"][0]["source"] == side.source
        client.post("/ask", json={"question": f"{side.secret} 的鲸鱼晚饭吃什么？", "kb": side.kb})
        feedback = {"answer_id": answer["id"], "thumb": "up", "comment": side.secret}
        assert client.post("/feedback", json=feedback).status_code == 201
        job = client.post(f"/kbs/{side.kb}/rebuild", json={"force": True}).json()
        deadline = time.monotonic() + 120
        while client.get(f"/jobs/{job['id']}").json()["status"] == "running":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        # The service looks for a new generation only now and then.
        while (generation := client.get(f"/kbs/{side.kb}").json()["generation"]) == answer["generation"]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        return {"answer": answer["id"], "job": job["id"], "generation": generation, "key": key.split("_")[1]}


def filled(value: Any, names: dict[str, str], *, encoded: bool = False) -> Any:
    """`value` with names in place of {kb} and the like."""
    if isinstance(value, dict):
        return {name: filled(inner, names) for name, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, names) for inner in value]
    if isinstance(value, str):
        for name, word in names.items():
            value = value.replace(f"{{{name}}}", quote(word, safe="").replace(".", "%2E") if encoded else word)
    return value


def requests_of(route: str, body: Any, side: Side, own: Side, world: World) -> Iterator[tuple[str, str, Any]]:
    """Method, path and body with each spelling in turn."""
    method, _, path = route.partition(" ")
    template, words = path + json.dumps(body), spellings(side, own)
    fixed = {"own": own.kb, **world.told[side.kb]}
    seen: set[str] = set()
    for kb in words["kb"] if "{kb}" in template else [side.kb]:
        for book in words["book"] if "{book}" in template and kb == side.kb else [side.source]:
            names = {**fixed, "kb": kb, "book": book}
            sent = filled(body, names)
            if path == "/mcp":
                sent = {"jsonrpc": "2.0", "id": 1, **sent}
            request = method, filled(path, names, encoded=True), sent
            if (mark := json.dumps(request)) not in seen:
                seen.add(mark)
                yield request


def leaks(response: httpx.Response, side: Side, sent: str, world: World) -> list[str]:
    """What a response tells of the other side that the request did not say itself."""
    told = response.text + json.dumps(dict(response.headers), ensure_ascii=False)
    told += (
        told.encode().decode("unicode_escape", "ignore").encode("utf-16", "surrogatepass").decode("utf-16", "ignore")
    )
    marks = (*side.marks, str(world.folders[side.kb]), *world.told[side.kb].values())
    return [mark for mark in marks if mark.casefold() in told.casefold() and mark.casefold() not in sent.casefold()]


def test_every_route_with_rights_is_probed() -> None:
    probed = {route.partition("?")[0].replace("{own}", "{kb}") for route, _ in PROBES}
    shapes = {shape(route) for route in probed}
    asked = {(method, path) for (method, path), rule in RULES.items() if rule.role is not None}
    missing = [f"{method} {path}" for method, path in asked if shape(f"{method} {path}") not in shapes]
    assert not missing, "write a line in PROBES"


def shape(route: str) -> str:
    """A route without the names of its parameters."""
    return "/".join("{}" if "{" in part and "." not in part else part for part in route.split("/")).replace(
        "{page}", "1"
    )


@pytest.mark.parametrize("role", [Role.ask, Role.manage])
@pytest.mark.parametrize(("own", "side"), [(CRANE, WALRUS), (WALRUS, CRANE)], ids=["crane", "walrus"])
@pytest.mark.parametrize(
    ("route", "body"), PROBES, ids=[f"{number} {route}" for number, (route, _) in enumerate(PROBES)]
)
def test_no_key_learns_anything_of_the_other_side(
    world: World, route: str, body: Any, own: Side, side: Side, role: Role
) -> None:
    headers = {"Authorization": f"Bearer {world.keys[own.kb, role]}", "Accept": "application/json, text/event-stream"}
    with httpx.Client(base_url=world.url, headers=headers, timeout=60, trust_env=False) as client:
        for method, path, sent in requests_of(route, body, side, own, world):
            response = client.request(method, path, json=sent)
            assert response.status_code < 500, (path, sent, response.text)
            said = httpx.URL(path).path + json.dumps(sent, ensure_ascii=False)
            assert not leaks(response, side, said, world), (path, sent, response.text)


@pytest.mark.parametrize("path", PUBLIC)
def test_what_is_public_names_neither_side(world: World, path: str) -> None:
    key = world.keys[CRANE.kb, Role.manage]
    for headers in ({}, {"Authorization": f"Bearer {key}"}):
        response = httpx.get(f"{world.url}{path}", headers=headers, trust_env=False)
        assert response.status_code == 200
        assert not leaks(response, WALRUS, "", world)
        assert headers or not leaks(response, CRANE, "", world)


def test_who_names_no_knowledge_base_gets_the_one_of_the_key(world: World) -> None:
    for side in (CRANE, WALRUS):
        headers = {"Authorization": f"Bearer {world.keys[side.kb, Role.ask]}"}
        answer = httpx.post(
            f"{world.url}/ask", json={"question": QUESTION}, headers=headers, trust_env=False, timeout=60
        )
        assert side.secret in answer.json()["answer"] and answer.json()["kb"] == side.kb


def test_answers_that_are_written_at_the_same_time_do_not_mix(world: World) -> None:
    sides = {CRANE.kb: CRANE, WALRUS.kb: WALRUS}

    def ask(number: int) -> None:
        own = CRANE if number % 2 else WALRUS
        other = next(side for side in sides.values() if side is not own)
        # Some are the same for both, so that an answer that is kept could be the wrong one.
        question = QUESTION if number % 3 else f"暗号{'多' * (number % 7)}久更换一次？"
        headers = {"Authorization": f"Bearer {world.keys[own.kb, Role.ask]}"}
        body = {"question": question, "stream": number % 5 == 0, "top_k": 1 + number % 9}
        response = httpx.post(f"{world.url}/ask", json=body, headers=headers, trust_env=False, timeout=120)
        assert response.status_code == 200
        assert own.title in response.text and not leaks(response, other, "", world)

    with ThreadPoolExecutor(12) as pool:
        assert len(list(pool.map(ask, range(120)))) == 120


def test_after_all_that_both_sides_are_as_they_were(world: World) -> None:
    for side in (CRANE, WALRUS):
        headers = {"Authorization": f"Bearer {world.keys[side.kb, Role.manage]}"}
        with httpx.Client(base_url=world.url, headers=headers, trust_env=False, timeout=60) as client:
            assert side.secret in client.post("/ask", json={"question": QUESTION}).json()["answer"]
            (feedback,) = client.get(f"/kbs/{side.kb}/feedback").json()["feedback"]
            assert (feedback["state"], feedback["thumb"], feedback["comment"]) == ("new", "up", side.secret)
            assert [job["id"] for job in client.get("/jobs").json()["jobs"]] == [world.told[side.kb]["job"]]
            assert client.get(f"/kbs/{side.kb}").json()["generation"] == world.told[side.kb]["generation"]
        assert (world.folders[side.kb] / side.source).is_file()
