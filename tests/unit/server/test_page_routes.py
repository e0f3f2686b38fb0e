"""The routes that the chat page stands on."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any

import pytest
from fakes import copy_knowledge_bases, serving
from fastapi.testclient import TestClient

from core.settings import ServerSettings, Settings
from ingest.rebuild import rebuild
from server.access import Limits, Role
from server.examples import term_of
from server.keys import KeyStore
from server.places import SECTION
from vector_db.layout import KnowledgeBaseFolder


@pytest.fixture(scope="module")
def client(library_settings: Settings) -> Iterator[TestClient]:
    with serving(library_settings) as opened:
        yield opened


def test_the_page_and_its_parts_come_with_a_strict_policy(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200 and page.headers["content-type"] == "text/html; charset=utf-8"
    names = set(re.findall(r'(?:src|href)="(page/[^"]+)"', page.text))
    modules = {name for name in names if name.endswith(".js")}
    while modules:
        module = PurePosixPath(modules.pop())
        imported = re.findall(r'(?:from |import\()"(\.[^"]+)"', client.get(f"/{module}").text)
        found = {normpath(module.parent / name) for name in imported}
        modules |= found - names
        names |= found
    assert {"page/main.js", "page/style.css", "page/ask/panel.js", "page/build/curve.js", "page/icon.svg"} <= names
    for path in ("/", *(f"/{name}" for name in names)):
        response = client.get(path)
        assert response.status_code == 200, path
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"


def test_the_page_has_nothing_inline_and_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/").text
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|https?://", page)
    folder = Path(__file__).parents[3] / "server" / "page"
    for path in folder.rglob("*.js"):
        script = client.get(f"/page/{path.relative_to(folder).as_posix()}")
        assert script.headers["content-type"].startswith("text/javascript")
        # The name of SVG is no address.
        text = script.text.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"\beval\b|new Function|document\.write|https?://", text), path


def test_markup_is_set_in_one_place_alone(client: TestClient) -> None:
    folder = Path(__file__).parents[3] / "server" / "page"
    setting = re.compile(r"innerHTML|insertAdjacentHTML")
    places = [path.name for path in folder.rglob("*.js") if setting.search(path.read_text(encoding="utf-8"))]
    assert places == ["dom.js"]


def test_what_did_not_change_is_not_sent_again(client: TestClient) -> None:
    tag = client.get("/page/main.js").headers["etag"]
    same = client.get("/page/main.js", headers={"If-None-Match": f'"other", W/{tag}'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert client.get("/page/main.js", headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("name", ["nothing.js", "..%2Fapp.py", "%2E%2E%2Fapp.py", "main.js%00"])
def test_other_files_are_not_there(client: TestClient, name: str) -> None:
    assert client.get(f"/page/{name}").status_code == 404


def test_every_text_of_the_page_is_there_in_both_languages() -> None:
    folder = Path(__file__).parents[3] / "server" / "page"
    everything = list[str]()
    for path in folder.rglob("texts.js"):
        parts = path.read_text(encoding="utf-8").split("\n  en: {")
        chinese, english = (re.findall(r'^    (\w+): "', part, re.M) for part in parts)
        assert sorted(chinese) == sorted(english), path
        everything += chinese
    assert len(set(everything)) == len(everything) > 90
    page = (folder / "index.html").read_text(encoding="utf-8")
    used = set(re.findall(r'data-(?:text|label|placeholder)="(\w+)"', page))
    for path in folder.rglob("*.js"):
        used |= set(re.findall(r'\bt\("(\w+)"', path.read_text(encoding="utf-8")))
    assert used <= set(everything)


def test_markdown_is_rendered(client: TestClient) -> None:
    response = client.post("/render", json={"markdown": "**死锁** <script>x</script>[1]"})
    assert response.json() == {"html": "<p><strong>死锁</strong> &lt;script&gt;x&lt;/script&gt;[1]</p>\n"}
    assert client.post("/render", json={"markdown": "x" * 32_001}).status_code == 422


def test_rendering_needs_a_key_and_does_not_count_as_a_request(library_settings: Settings, tmp_path: Path) -> None:
    shutil.copytree(library_settings.data_dir, tmp_path / "data")
    settings = library_settings.model_copy(update={"data_dir": tmp_path / "data", "server": ServerSettings()})
    key, _ = KeyStore(settings.state_dir).create("学生", Role.ask, None, None, Limits(requests_per_minute=2))
    with serving(settings) as guarded:
        assert guarded.get("/").status_code == 200
        assert guarded.post("/render", json={"markdown": "x"}).status_code == 401
        headers = {"Authorization": f"Bearer {key}"}
        for _ in range(10):
            assert guarded.post("/render", json={"markdown": "x"}, headers=headers).status_code == 200
        assert guarded.get("/kbs", headers=headers).status_code == 200


def test_what_is_unbuilt_is_named_to_those_who_may_fill_it(library_settings: Settings, tmp_path: Path) -> None:
    copy_knowledge_bases(library_settings, tmp_path / "data")
    settings = library_settings.model_copy(update={"data_dir": tmp_path / "data", "server": ServerSettings()})
    for name in ("chemistry", "physics"):
        KnowledgeBaseFolder(settings.data_dir, name).create()
    keys = KeyStore(settings.state_dir)
    with serving(settings) as guarded:

        def listed(role: Role, kbs: list[str] | None) -> tuple[list[str], list[str]]:
            key, _ = keys.create("一个", role, kbs, None, Limits())
            body = guarded.get("/kbs", headers={"Authorization": f"Bearer {key}"}).json()
            return [kb["name"] for kb in body["kbs"]], body["unbuilt"]

        assert listed(Role.admin, None) == listed(Role.manage, None) == (["default"], ["chemistry", "physics"])
        assert listed(Role.manage, ["physics"]) == ([], ["physics"])
        assert listed(Role.manage, ["default"]) == (["default"], [])
        assert listed(Role.ask, None) == (["default"], [])


def test_the_default_knowledge_base_can_be_built_from_the_first_start_on(tmp_path: Path) -> None:
    books = tmp_path / "books"
    settings = Settings(data_dir=tmp_path / "data", source_dir=books)
    with serving(settings) as empty:
        assert empty.get("/kbs").json() == {"kbs": [], "unbuilt": []}
        books.mkdir()
        (books / "os.md").write_text("# 操作系统", encoding="utf-8")
        assert empty.get("/kbs").json() == {"kbs": [], "unbuilt": ["default"]}
        (file,) = empty.get("/kbs/default/files").json()["files"]
        assert (file["name"], file["status"]) == ("os.md", "new")


def place(client: TestClient, source: str, start: int, end: int) -> dict[str, Any]:
    response = client.get(f"/kbs/default/books/{source}/text", params={"start": start, "end": end})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


@pytest.mark.parametrize(
    "question", ["死锁的四个必要条件是什么？", "What are the ACID properties?", "How does TCP open a connection?"]
)
def test_a_citation_opens_the_section_around_its_quote(client: TestClient, question: str) -> None:
    answer = client.post("/ask", json={"question": question}).json()
    for citation in answer["citations"]:
        found = place(client, citation["source"], citation["start"], citation["end"])
        assert found["quote"] == citation["quote"]
        assert found["heading_path"] == citation["heading_path"]
        assert (found["book"], found["generation"]) == (citation["book"], answer["generation"])
        around = place(client, citation["source"], citation["start"] - len(found["before"]), citation["end"])
        assert around["quote"] == found["before"] + found["quote"]
        assert found["html"] and found["quote_html"]


def test_a_program_keeps_its_lines(tmp_path: Path) -> None:
    for name in ("data", "books"):
        (tmp_path / name).mkdir()
    settings = Settings(data_dir=tmp_path / "data", source_dir=tmp_path / "books")
    program = "int power(int a, int n) {\n    return n ? a * power(a, n - 1) : 1;\n}"
    book = f"<h1>Recursion</h1><p>A power is computed by recursion.</p><pre>{program}</pre><p>It ends at n = 0.</p>"
    (settings.source_dir / "recursion.html").write_text(book, encoding="utf-8")
    rebuild(settings, "default")
    with serving(settings) as opened:
        found = place(opened, "recursion.html", 0, 1)
        text = found["before"] + found["quote"] + found["after"]
        start = text.index("int power")
        found = place(opened, "recursion.html", start, start + len(program))
    assert found["quote"] == program
    assert f"<pre><code>{program}\n</code></pre>" in found["html"]
    assert found["quote_html"].strip() == f"<pre><code>{program}\n</code></pre>"
    assert "<p>It ends at n = 0.</p>" in found["html"]


def test_a_section_has_an_end(client: TestClient) -> None:
    found = place(client, "os.md", 60, 61)
    whole = found["before"] + found["quote"] + found["after"]
    assert "进程" in whole and "死锁" not in whole and len(whole) <= SECTION


@pytest.mark.parametrize(
    ("source", "start", "end", "status"),
    [
        ("nothing.md", 0, 1, 404),
        ("os.md", 10**6, 10**6 + 5, 404),
        ("os.md", 5, 5, 422),
        ("os.md", 6, 5, 422),
        ("os.md", 0, SECTION + 1, 422),
        ("os.md", -1, 5, 422),
    ],
)
def test_a_place_that_no_book_has_is_told(client: TestClient, source: str, start: int, end: int, status: int) -> None:
    response = client.get(f"/kbs/default/books/{source}/text", params={"start": start, "end": end})
    assert response.status_code == status and response.json()["detail"]


def test_the_examples_are_answered_and_in_the_languages_of_the_books(client: TestClient) -> None:
    questions = client.get("/kbs/default/examples").json()["questions"]
    assert 3 <= len(questions) <= 6
    assert any(question.startswith("什么是") for question in questions)
    assert any(question.startswith("Explain ") for question in questions)
    for question in questions:
        assert not client.post("/ask", json={"question": question}).json()["refused"], question
    assert client.get("/kbs/default/examples").json()["questions"] == questions
    assert client.get("/kbs/nothing/examples").status_code == 404


@pytest.mark.parametrize(
    ("heading", "language", "term"),
    [
        ("5.2 死锁的必要条件", "zh", "死锁的必要条件"),
        ("第5章 死锁", "zh", "死锁"),
        ("（一）进程的概念", "zh", "进程"),
        ("三次握手", "zh", "三次握手"),
        ("二叉树", "zh", "二叉树"),
        ("习题", "zh", None),
        ("进程与线程的比较", "zh", None),
        ("本章小结", "zh", None),
        ("7.2 The ACID properties", "en", "the ACID properties"),
        ("Definition of a transaction", "en", "transaction"),
        ("Chapter 3 Indexes", "en", "indexes"),
        ("Exercises", "en", None),
        ("How does it work?", "en", None),
    ],
)
def test_a_heading_that_is_a_term_makes_a_question(heading: str, language: Any, term: str | None) -> None:
    assert term_of(heading, language) == term
