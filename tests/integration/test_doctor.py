"""`keben doctor` on installations with and without faults."""

import json
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fakes import write_tiny_model
from live_server import live

from cli.checks.machine import packages
from cli.doctor import examine
from cli.main import main
from core.settings import Settings
from ingest.rebuild import rebuild
from server.access import Role
from server.keys import KeyStore

Doctor = Callable[..., tuple[int, dict[str, list[dict[str, str]]]]]


@pytest.fixture
def live_settings(tmp_path: Path, library_settings: Settings, books_dir: Path) -> Settings:
    """Settings of a copy of the knowledge base that a test may change."""
    shutil.copytree(library_settings.data_dir, tmp_path / "data")
    shutil.copytree(books_dir, tmp_path / "books")
    return Settings(data_dir=tmp_path / "data", source_dir=tmp_path / "books")


@pytest.fixture
def doctor(
    live_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Doctor:
    """Runs the command with more variables: its exit code, and the findings by check."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    variables = {"DATA_DIR": str(live_settings.data_dir), "SOURCE_DIR": str(live_settings.source_dir)}
    for name, value in {**variables, "SERVER__PORT": "0"}.items():
        monkeypatch.setenv(f"KEBEN_{name}", value)

    def run(**more: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
        for name, value in more.items():
            monkeypatch.setenv(f"KEBEN_{name}", value)
        # Set again afterwards to what it was: the command forbids downloads.
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        monkeypatch.setattr("sys.argv", ["keben", "doctor", "--json"])
        code: Any = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        told = json.loads(capsys.readouterr().out)
        found: dict[str, list[dict[str, str]]] = {}
        for one in told["findings"]:
            found.setdefault(one["name"], []).append(one)
        assert told["ok"] is all(one["status"] != "fault" for one in told["findings"])
        return code, found

    return run


def worst(found: dict[str, list[dict[str, str]]], check: str) -> dict[str, str]:
    """The gravest finding of a check, with a mend unless all is well."""
    one = max(found[check], key=lambda one: ["ok", "warning", "fault"].index(one["status"]))
    assert bool(one["mend"]) is (one["status"] != "ok"), one
    return one


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*") if path.is_file()}


def test_a_whole_installation_has_no_fault_and_nothing_is_changed(doctor: Doctor, live_settings: Settings) -> None:
    before = snapshot(live_settings.data_dir)
    code, found = doctor()
    assert code == 0 and not [one for many in found.values() for one in many if one["status"] == "fault"]
    for check in ("python", "packages", "settings", "memory", "data_dir", "disk", "kb default", "embedder", "port"):
        assert check in found
    assert found["kb default"][0]["what"].startswith("3 books, ") and found["keys"][0]["status"] == "ok"
    assert "data_dir (environment)" in found["settings"][0]["what"]
    assert snapshot(live_settings.data_dir) == before


def test_settings_of_the_file_are_named_without_their_values(doctor: Doctor) -> None:
    Path("keben.toml").write_text('[llm]\napi_key = "SECRET"\n[server]\nbody_kb = 32\n', encoding="utf-8")
    _, found = doctor()
    what = found["settings"][0]["what"]
    assert "llm.api_key (keben.toml)" in what and "server.body_kb (keben.toml)" in what and "SECRET" not in what


def test_a_bad_setting_is_a_fault_and_the_machine_is_looked_at_all_the_same(doctor: Doctor) -> None:
    code, found = doctor(CHUNK__TARGET="3")
    assert code == 1 and "chunk.target" in worst(found, "settings")["what"]
    assert worst(found, "settings")["status"] == "fault" and "memory" in found and "embedder" not in found


def test_a_damaged_generation_is_a_fault_and_says_what_is_served(doctor: Doctor, live_settings: Settings) -> None:
    before = (live_settings.data_dir / "default" / "CURRENT").read_text(encoding="ascii").strip()
    (live_settings.source_dir / "more.md").write_text(
        "# 光\n\n## 折射\n\n光从一种介质进入另一种介质时改变方向。\n", encoding="utf-8"
    )
    after = rebuild(live_settings, "default").generation
    assert after and after != before
    with (live_settings.data_dir / "default" / "gens" / after / "embeddings.npy").open("ab") as file:
        file.write(b"x")
    code, found = doctor()
    fault = worst(found, "kb default")
    assert (code, fault["status"]) == (1, "fault")
    assert "embeddings.npy" in fault["what"] and before in fault["what"] and "keben rebuild" in fault["mend"]


def test_books_that_fail_and_rebuilds_that_were_cut_off_are_warnings(doctor: Doctor, live_settings: Settings) -> None:
    (live_settings.source_dir / "os.md").write_bytes(b"")
    (live_settings.source_dir / "new.pdf").write_bytes(b"no pdf")
    rebuild(live_settings, "default")
    (live_settings.data_dir / "default" / "gens" / "20990101T000000000000Z-000000.tmp").mkdir()
    code, found = doctor()
    whats = [one["what"] for one in found["kb default"] if one["status"] == "warning"]
    assert code == 0 and len(whats) == 3
    assert "stale" in whats[0] and "os.md" in whats[0] and "new.pdf" in whats[1] and "cut off" in whats[2]


def test_a_rebuild_under_way_is_well(doctor: Doctor, live_settings: Settings) -> None:
    from vector_db.layout import KnowledgeBaseFolder

    with KnowledgeBaseFolder(live_settings.data_dir, "default").building():
        _, found = doctor()
    assert {"ok"} == {one["status"] for one in found["kb default"]}
    assert "under way" in found["kb default"][-1]["what"]


def test_another_embedder_than_that_of_the_knowledge_base_is_a_fault(doctor: Doctor, tmp_path: Path) -> None:
    from vector_db.embedder import model_folder

    copied = tmp_path / "embedder"
    shutil.copytree(model_folder(Settings().embedding), copied)
    code, found = doctor(EMBEDDING__MODEL=str(copied))
    assert code == 1 and worst(found, "embedder")["status"] == "ok"
    assert str(copied) in worst(found, "kb default")["what"]


def test_a_model_that_is_not_there_is_a_fault_and_one_of_the_hub_a_warning(doctor: Doctor, tmp_path: Path) -> None:
    code, found = doctor(EMBEDDING__MODEL=str(tmp_path / "none"), RETRIEVAL__RERANKER="nobody/no-such-model")
    assert code == 1 and worst(found, "embedder")["status"] == "fault"
    assert worst(found, "reranker")["status"] == "warning" and "hf download" in worst(found, "reranker")["mend"]


def test_a_chat_model_is_looked_through(doctor: Doctor, tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "model")
    code, found = doctor(LLM__MODEL=str(tmp_path / "model"))
    assert code == 0 and "LlamaForCausalLM" in worst(found, "language model")["what"]
    (tmp_path / "model" / "model.safetensors").unlink()
    code, found = doctor()
    assert code == 1 and worst(found, "language model")["status"] == "fault"


@contextmanager
def model_server() -> Iterator[str]:
    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"data": [{"id": "course"}]}')

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def test_of_several_servers_one_that_is_down_is_a_warning_and_all_a_fault(doctor: Doctor) -> None:
    dead = "http://127.0.0.1:9/v1"
    with model_server() as url:
        code, found = doctor(LLM__URLS=json.dumps([url, dead]))
    assert code == 0 and [one["status"] for one in found["language model"]] == ["ok", "warning"]
    assert "course" in found["language model"][0]["what"] and dead in found["language model"][1]["what"]
    code, found = doctor()
    assert code == 1 and {one["status"] for one in found["language model"]} == {"fault"}


def test_what_serve_would_refuse_is_a_fault(doctor: Doctor, live_settings: Settings) -> None:
    code, found = doctor(SERVER__HOST="0.0.0.0")
    assert (
        code == 1 and worst(found, "keys")["status"] == "fault" and "keben keys create" in worst(found, "keys")["mend"]
    )
    code, found = doctor(SERVER__INSECURE="true")
    assert code == 0 and worst(found, "keys")["status"] == "warning"


def test_keys_that_have_expired_or_soon_will_are_named(doctor: Doctor, live_settings: Settings) -> None:
    now = datetime.now(UTC)
    past = KeyStore(live_settings.state_dir, lambda: now - timedelta(days=60))
    _, expired = past.create("old", Role.ask, expires_at=now - timedelta(days=1))
    _, soon = KeyStore(live_settings.state_dir).create("soon", Role.ask, expires_at=now + timedelta(days=2))
    code, found = doctor()
    warned = [one["what"] for one in found["keys"] if one["status"] == "warning"]
    assert code == 0 and len(warned) == 2 and expired.id in warned[0] and soon.id in warned[1]
    assert found["keys"][0]["what"] == "1 valid of 2"


def test_a_port_that_another_program_has_is_a_fault_and_that_of_a_service_is_not(
    doctor: Doctor, live_settings: Settings
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        code, found = doctor(SERVER__PORT=str(other.getsockname()[1]))
    assert code == 1 and worst(found, "port")["status"] == "fault"
    with live(live_settings) as server:
        code, found = doctor(SERVER__PORT=server.url.rpartition(":")[2])
    assert code == 0 and "a service answers" in worst(found, "port")["what"]


def test_a_folder_without_room_or_rights_is_told(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    code, found = doctor(DATA_DIR=str(tmp_path / "file"))
    assert code == 1 and worst(found, "data_dir")["status"] == "fault"


def test_office_files_without_libreoffice_and_scans_without_an_engine_are_warnings(
    doctor: Doctor, live_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    _, found = doctor(INGEST__OCR_ENGINE="tesseract")
    assert worst(found, "libreoffice")["status"] == "ok"
    assert worst(found, "ocr")["status"] == "warning" and "tesseract" in worst(found, "ocr")["what"]
    (live_settings.source_dir / "old.doc").write_bytes(b"x")
    code, found = doctor()
    assert code == 0 and "old.doc" in worst(found, "libreoffice")["what"]


def test_packages_are_held_against_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    assert [one.status for one in packages(lock)] == ["ok"]
    lock.write_text("# pins\nnumpy==0.0.1\nno-such-package==1.0\n", encoding="utf-8")
    (found,) = packages(lock)
    assert found.status == "warning" and "no-such-package missing (locked: 1.0)" in found.what and "numpy" in found.what


def test_for_people_it_is_a_table(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["keben", "doctor"])
    monkeypatch.setenv("KEBEN_SERVER__HOST", "0.0.0.0")
    with pytest.raises(SystemExit) as end:
        main()
    out = capsys.readouterr().out
    assert end.value.code == 1 and "1 fault, " in out
    lines = [line for line in out.splitlines() if line.startswith(("ok", "warning", "fault"))]
    assert len(lines) == len(examine()) and {line.index(" ", 9) > 0 for line in lines} == {True}
