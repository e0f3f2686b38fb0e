"""Knowledge bases by API: made, filled, rebuilt, followed, gone back, removed; over the real application."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import serving
from fastapi.testclient import TestClient

from core.settings import PROJECT, ServerSettings, Settings

PHYSICS = "# 物理\n\n## 热学\n\n### 比热容\n\n比热容是单位质量的物质升高单位温度所吸收的热量。\n"
QUESTION = {"question": "什么是比热容？", "kb": "physics"}


@pytest.fixture
def client(tmp_path: Path, library_settings: Settings, books_dir: Path) -> Iterator[TestClient]:
    shutil.copytree(library_settings.data_dir, tmp_path / "data")
    shutil.copytree(books_dir, tmp_path / "books")
    server = ServerSettings(poll_seconds=0.1, upload_mb=8)
    settings = Settings(data_dir=tmp_path / "data", source_dir=tmp_path / "books", server=server)
    with serving(settings) as opened:
        yield opened


def upload(client: TestClient, kb: str, *files: tuple[str, bytes]) -> Any:
    return client.post(f"/kbs/{kb}/files", files=[("file", file) for file in files])


def rebuilt(client: TestClient, kb: str, **options: Any) -> dict[str, Any]:
    started = client.post(f"/kbs/{kb}/rebuild", json=options)
    assert started.status_code == 202, started.text
    return ended(client, started.headers["location"])


def ended(client: TestClient, job: str) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while (body := client.get(job).json())["status"] == "running":
        assert time.monotonic() < deadline, body
        time.sleep(0.1)
    found: dict[str, Any] = body
    return found


def asked(client: TestClient, body: dict[str, Any]) -> dict[str, Any]:
    """The answer, once the new generation is served."""
    deadline = time.monotonic() + 60
    while (response := client.post("/ask", json=body)).status_code == 404:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def served(client: TestClient, source: str) -> None:
    """Returns once a book of the default knowledge base is served."""
    deadline = time.monotonic() + 60
    while source not in [book["source"] for book in client.get("/kbs/default").json()["books"]]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_knowledge_base_is_made_filled_asked_and_removed(client: TestClient) -> None:
    assert client.post("/kbs", json={"name": "physics"}).status_code == 201
    assert client.post("/kbs", json={"name": "physics"}).status_code == 409
    assert client.get("/kbs/physics/files").json() == {"folder": None, "uploaded": True, "files": []}

    stored = upload(client, "physics", ("物理.md", PHYSICS.encode()), ("broken.pdf", b"no PDF at all"))
    assert stored.status_code == 201
    good, bad = stored.json()["files"]
    assert (good["name"], good["stored"], good["problem"]) == ("物理.md", True, None)
    assert not bad["stored"] and "broken.pdf" in bad["problem"]["detail"] and bad["problem"]["mend"]

    job = rebuilt(client, "physics")
    assert (job["status"], job["kb"]) == ("done", "physics")
    report = client.get(f"/jobs/{job['id']}/report").json()
    assert [(file["source"], file["status"]) for file in report["files"]] == [("物理.md", "indexed")]
    assert job["progress"]["files_done"] == job["progress"]["files"] == 1
    answer = asked(client, QUESTION)
    assert answer["citations"][0]["source"] == "物理.md" and "单位质量" in answer["answer"]
    assert [file["status"] for file in client.get("/kbs/physics/files").json()["files"]] == ["indexed"]
    assert client.get("/kbs/physics/report").json()[0]["source"] == "物理.md"

    assert client.delete("/kbs/physics").status_code == 204
    assert client.post("/ask", json=QUESTION).status_code == 404
    assert client.get("/kbs/physics/files").status_code == 404
    assert client.get("/kbs").json()["kbs"][0]["name"] == "default"
    assert client.post("/kbs", json={"name": "physics"}).status_code == 201


def test_the_catalogue_is_none_of_the_files(client: TestClient, tmp_path: Path) -> None:
    before = client.get("/kbs/default/files").json()["files"]
    (tmp_path / "books" / "catalog.toml").write_text("[course]\ntitle = '物理'\n", encoding="utf-8")
    assert client.get("/kbs/default/files").json()["files"] == before != []


def test_the_events_of_a_rebuild_tell_each_file_and_the_end(client: TestClient) -> None:
    started = client.post("/kbs/default/rebuild", json={"force": True})
    job = started.headers["location"]
    with client.stream("GET", f"{job}/events") as response:
        lines = [line for line in response.iter_lines() if line]
    kinds = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    data = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert kinds[-1] == "end" and data[-1]["status"] == "done"
    files = [event["file"]["source"] for event, kind in zip(data, kinds, strict=True) if kind == "file"]
    assert sorted(files) == ["databases.md", "networks.html", "os.md"]
    numbers = [event["n"] for event in data[:-1]]
    assert numbers == sorted(set(numbers))
    # Who comes back hears only what it has missed.
    with client.stream("GET", f"{job}/events", headers={"Last-Event-ID": str(numbers[-1])}) as response:
        again = [line for line in response.iter_lines() if line.startswith("event: ")]
    assert again == ["event: end"]
    report = client.get(f"{job}/report")
    assert report.headers["content-disposition"].startswith("attachment") and len(report.json()["files"]) == 3


def test_a_rebuild_is_cancelled_and_what_was_served_is_served_still(client: TestClient, tmp_path: Path) -> None:
    before = client.get("/kbs/default").json()["generation"]
    shutil.copy(PROJECT / "knowledge" / "operating-systems.pdf", tmp_path / "books")
    job = client.post("/kbs/default/rebuild", json={"force": True}).headers["location"]
    other = client.post("/kbs/default/rebuild", json={})
    assert other.status_code == 409 and job.removeprefix("/jobs/") in other.json()["detail"]
    assert client.delete("/kbs/default").status_code == 409
    cancelled = client.delete(job)
    assert cancelled.status_code == 200, cancelled.text
    assert ended(client, job)["status"] == "cancelled"
    assert client.delete(job).status_code == 409
    assert client.get(f"{job}/report").status_code == 409
    assert client.get("/kbs/default").json()["generation"] == before
    assert rebuilt(client, "default")["status"] == "done"


def test_a_rebuild_that_can_do_nothing_tells_why(client: TestClient) -> None:
    client.post("/kbs", json={"name": "empty"})
    job = rebuilt(client, "empty")
    assert job["status"] == "failed" and job["problem"]["type"] == "urn:keben:nothing-indexed"
    assert job["problem"]["mend"]
    wrong = rebuilt(client, "default", only=["nothing.md"])
    assert wrong["status"] == "failed" and "nothing.md" in wrong["problem"]["detail"]


def test_a_book_is_taken_out_and_a_generation_from_before_comes_back(client: TestClient) -> None:
    before = client.get("/kbs/default").json()["generation"]
    assert rebuilt(client, "default", remove=["os.md"])["status"] == "done"
    question = {"question": "死锁的四个必要条件是什么？"}
    deadline = time.monotonic() + 60
    while client.get("/kbs/default").json()["generation"] == before:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert client.post("/ask", json=question).json()["refused"]
    back = client.post("/kbs/default/rollback", json={})
    assert back.status_code == 200 and back.json()["generation"] == before
    assert not client.post("/ask", json=question).json()["refused"]
    assert client.post("/kbs/default/rollback", json={"to": "20990101"}).status_code == 422


HOSTILE_NAMES = (
    "../escape.md",
    "/etc/passwd.md",
    "..\\up.md",
    ".hidden.md",
    "_left.md",
    "catalog.toml",
    "a\u202egpj.md",
    "x.exe",
    "noend",
)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_that_is_no_book_is_refused_and_nothing_is_written(
    client: TestClient, tmp_path: Path, name: str
) -> None:
    client.post("/kbs", json={"name": "physics"})
    before = sorted(path for path in tmp_path.rglob("*.md"))
    response = upload(client, "physics", (name, PHYSICS.encode()))
    # A path is cut to its last part by some clients and servers: then it must have become a plain book.
    if response.status_code == 201:
        (file,) = client.get("/kbs/physics/files").json()["files"]
        assert "/" not in file["name"] and "\\" not in file["name"] and not file["name"].startswith((".", "_"))
    else:
        assert response.status_code == 422 and response.json()["mend"]
        assert sorted(path for path in tmp_path.rglob("*.md")) == before


def test_what_an_upload_holds_counts_not_what_it_is_called(client: TestClient) -> None:
    client.post("/kbs", json={"name": "physics"})
    for name, content in (
        ("book.pdf", b"MZ\x90\0" + bytes(200)),
        ("book.docx", b"%PDF-1.7"),
        ("book.md", b"\x7fELF" + bytes(64)),
    ):
        refused = upload(client, "physics", (name, content))
        assert refused.status_code == 422 and name in refused.json()["detail"], refused.text
    assert upload(client, "physics", ("empty.md", b"")).status_code == 422
    assert client.post("/kbs/physics/files", json={"file": "no form"}).status_code == 422
    assert client.post("/kbs/physics/files", data={"file": "no file"}).status_code == 422
    assert client.get("/kbs/physics/files").json()["files"] == []


def test_a_long_upload_is_refused_and_leaves_nothing(client: TestClient, tmp_path: Path) -> None:
    client.post("/kbs", json={"name": "physics"})
    response = upload(client, "physics", ("long.txt", b"word " * (2 * 2**20)))
    assert response.status_code == 413 and "KEBEN_SERVER__UPLOAD_MB" in response.json()["mend"]
    assert list((tmp_path / "data" / "physics" / "books").iterdir()) == []


def test_files_kept_by_hand_are_added_to_but_not_replaced_or_deleted(client: TestClient, tmp_path: Path) -> None:
    original = (tmp_path / "books" / "os.md").read_bytes()
    taken = upload(client, "default", ("os.md", PHYSICS.encode()))
    assert taken.status_code == 409 and (tmp_path / "books" / "os.md").read_bytes() == original
    assert client.delete("/kbs/default/files/os.md").status_code == 409
    assert upload(client, "default", ("physics.md", PHYSICS.encode())).status_code == 201
    assert (tmp_path / "books" / "physics.md").read_text(encoding="utf-8") == PHYSICS


def test_an_uploaded_file_is_replaced_and_deleted(client: TestClient) -> None:
    client.post("/kbs", json={"name": "physics"})
    upload(client, "physics", ("physics.md", b"# Old\n\nold text of the book\n"))
    assert upload(client, "physics", ("physics.md", PHYSICS.encode())).status_code == 201
    (file,) = client.get("/kbs/physics/files").json()["files"]
    assert (file["name"], file["size"], file["status"]) == ("physics.md", len(PHYSICS.encode()), "new")
    assert client.delete("/kbs/physics/files/physics.md").status_code == 204
    assert client.delete("/kbs/physics/files/physics.md").status_code == 404
    assert client.get("/kbs/physics/files").json()["files"] == []


@pytest.mark.parametrize("name", ["default", "Physics", "../x", "", ".service"])
def test_a_name_that_cannot_be_made_is_refused(client: TestClient, name: str) -> None:
    response = client.post("/kbs", json={"name": name})
    assert response.status_code == 422 and response.json()["mend"]


def test_a_page_is_shown_with_the_quote_marked(client: TestClient, tmp_path: Path) -> None:
    shutil.copy(PROJECT / "knowledge" / "operating-systems.pdf", tmp_path / "books")
    assert rebuilt(client, "default")["status"] == "done"
    served(client, "operating-systems.pdf")
    cited = asked(client, {"question": "银行家算法的基本思想是什么？", "books": ["operating-systems.pdf"]})["citations"]
    citation = cited[0]
    where = f"/kbs/default/books/{citation['source']}/pages/{citation['page']}.png"
    page = client.get(where, params={"start": citation["start"], "end": citation["end"]})
    assert page.status_code == 200 and page.headers["content-type"] == "image/png"
    assert page.headers["x-quote-highlighted"] == "true" and page.content.startswith(b"\x89PNG")
    plain = client.get(where)
    assert plain.headers["x-quote-highlighted"] == "false" and plain.content != page.content
    assert client.get("/kbs/default/books/operating-systems.pdf/pages/9999.png").status_code == 404
    assert client.get("/kbs/default/books/os.md/pages/1.png").status_code == 404
    assert client.get("/kbs/default/books/nothing.pdf/pages/1.png").status_code == 404
    (tmp_path / "books" / "operating-systems.pdf").write_bytes(b"%PDF-1.7 other")
    changed = client.get(where)
    assert changed.status_code == 409 and "rebuild" in changed.json()["mend"]
