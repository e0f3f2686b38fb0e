"""The server as it runs: new generations under a running application, and a real process."""

import json
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes import serving
from fastapi.testclient import TestClient
from server_processes import command, environment, eventually, process

from core.settings import ServerSettings, Settings
from ingest.rebuild import Request, rebuild

PHYSICS = "# 物理\n\n## 热学\n\n### 比热容\n\n比热容是单位质量的物质升高单位温度所吸收的热量。\n"


@pytest.fixture
def live(tmp_path: Path, library_settings: Settings, books_dir: Path) -> Settings:
    """Settings of a copy of the knowledge base that a test may change."""
    shutil.copytree(library_settings.data_dir, tmp_path / "data")
    shutil.copytree(books_dir, tmp_path / "books")
    server = ServerSettings(poll_seconds=0.05)
    return Settings(data_dir=tmp_path / "data", source_dir=tmp_path / "books", server=server)


def ask(client: TestClient, question: str, **more: Any) -> dict[str, Any]:
    response = client.post("/ask", json={"question": question, **more})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def test_a_new_generation_is_served_without_a_restart_and_a_deleted_book_is_gone(live: Settings) -> None:
    with serving(live) as client:
        before = ask(client, "死锁的四个必要条件是什么？")
        assert before["citations"][0]["source"] == "os.md"
        assert ask(client, "什么是比热容？")["refused"]

        (live.source_dir / "os.md").unlink()
        (live.source_dir / "physics.md").write_text(PHYSICS, encoding="utf-8")
        report = rebuild(live, "default")
        assert report.published
        eventually(lambda: ask(client, "什么是死锁？")["generation"] == report.generation)

        after = ask(client, "死锁的四个必要条件是什么？")
        assert after["refused"] and after["citations"] == []
        found = client.post("/search", json={"question": "死锁的四个必要条件是什么？ transaction", "top_k": 50}).json()
        assert found["passages"] and all(passage["source"] != "os.md" for passage in found["passages"])
        (base,) = client.get("/kbs").json()["kbs"]
        assert [book["source"] for book in base["books"]] == ["databases.md", "networks.html", "physics.md"]
        assert "单位质量" in ask(client, "什么是比热容？")["answer"]
        assert not ask(client, "What is a transaction?")["refused"]


def test_a_new_knowledge_base_is_served_without_a_restart(live: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "physics"
    folder.mkdir()
    (folder / "physics.md").write_text(PHYSICS, encoding="utf-8")
    with serving(live) as client:
        assert client.post("/ask", json={"question": "什么是比热容？", "kb": "physics"}).status_code == 404
        rebuild(live, "physics", Request(folder))
        eventually(lambda: [base["name"] for base in client.get("/kbs").json()["kbs"]] == ["default", "physics"])
        answer = ask(client, "什么是比热容？", kb="physics")
        assert (answer["kb"], answer["citations"][0]["source"]) == ("physics", "physics.md")
        assert ask(client, "什么是死锁？")["kb"] == "default"
        assert ask(client, "什么是比热容？")["refused"]


def test_a_damaged_new_generation_is_passed_over(live: Settings) -> None:
    folder = live.data_dir / "default"

    def publish(name: str, manifest: Callable[[str], str]) -> None:
        shutil.copytree(folder / "gens" / before["generation"], folder / "gens" / name)
        path = folder / "gens" / name / "manifest.json"
        path.write_text(manifest(path.read_text(encoding="utf-8")), encoding="utf-8")
        (folder / "CURRENT").write_text(f"{name}\n", encoding="ascii")

    with serving(live) as client:
        before = ask(client, "什么是死锁？")
        publish("20990101T000000000000Z-000000", lambda text: text[:100])
        time.sleep(10 * live.server.poll_seconds)
        assert ask(client, "什么是死锁？")["answer"] == before["answer"]
        mended = "20990102T000000000000Z-000000"
        publish(mended, lambda text: text.replace(before["generation"], mended))
        eventually(lambda: ask(client, "什么是死锁？")["generation"] == mended)


def test_without_a_knowledge_base_it_starts_and_is_ready_once_one_is_built(settings: Settings) -> None:
    live = settings.model_copy(update={"server": ServerSettings(poll_seconds=0.05)})
    with serving(live) as client:
        assert client.get("/readyz").status_code == 503
        assert client.get("/kbs").json() == {"kbs": [], "unbuilt": ["default"]}
        assert client.post("/ask", json={"question": "什么是比热容？"}).status_code == 404
        (live.source_dir / "physics.md").write_text(PHYSICS, encoding="utf-8")
        rebuild(live, live.kb)
        eventually(lambda: client.get("/readyz").status_code == 200)
        assert "单位质量" in ask(client, "什么是比热容？")["answer"]


def test_a_process_announces_its_address_answers_and_ends_when_told(library_settings: Settings, tmp_path: Path) -> None:
    with process(library_settings.data_dir, tmp_path, KEBEN_SERVER__LOG_LEVEL="info") as (running, url):
        assert url.startswith("http://127.0.0.1:") and not url.endswith((":0", ":8000"))
        assert httpx.get(f"{url}/readyz").status_code == 200
        answer = httpx.post(f"{url}/ask", json={"question": "死锁的四个必要条件是什么？"}, timeout=60).json()
        assert "循环等待条件" in answer["answer"] and answer["citations"]
        with httpx.stream("POST", f"{url}/ask", json={"question": "什么是死锁？", "stream": True}) as response:
            lines = [line for line in response.iter_lines() if line.startswith("event:")]
        assert [line.removeprefix("event: ") for line in lines] == ["retrieval", "token", "done"]
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=60)
        assert running.returncode == 0, err
        assert out == ""
        lines = [json.loads(line) for line in err.splitlines()]
        assert [line["route"] for line in lines] == ["/ask", "/ask"] and "死锁" not in err
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/healthz")


def test_a_port_in_use_is_named(library_settings: Settings, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            command("--port", port),
            env=environment(library_settings.data_dir),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr and "--port" in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""


def test_a_server_without_a_knowledge_base_says_how_to_build_one(tmp_path: Path) -> None:
    with process(tmp_path / "nothing", tmp_path) as (running, url):
        assert httpx.get(f"{url}/healthz").status_code == 200
        assert httpx.get(f"{url}/readyz").status_code == 503
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=60)
    assert str(tmp_path / "nothing") in err and "keben rebuild" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_damaged_knowledge_base_is_told_once_with_its_mend(live: Settings, tmp_path: Path, workers: str) -> None:
    (generation,) = (live.data_dir / "default" / "gens").iterdir()
    (generation / "embeddings.npy").write_bytes(b"")
    done = subprocess.run(
        command("--port", "0", "--workers", workers),
        env=environment(live.data_dir),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.count("embeddings.npy") == 1 and "keben rebuild" in done.stderr
    assert "Traceback" not in done.stderr
