"""`keben doctor`: what it finds, with real faults."""

import json
import shutil
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli import doctor_checks
from cli.doctor_checks import Finding, check_all
from cli.main import main
from core.errors import ConfigError
from core.settings import EmbeddingSettings, IngestSettings, LlmSettings, ServerSettings, Settings
from server.access import Role
from server.keys import KeyStore
from vector_db.files import CHUNKS
from vector_db.layout import KnowledgeBaseFolder


@pytest.fixture
def healthy(tmp_path: Path, library_settings: Settings) -> Settings:
    shutil.copytree(library_settings.data_dir, tmp_path / "data", ignore=shutil.ignore_patterns(".service"))
    return Settings(data_dir=tmp_path / "data", server=ServerSettings(port=0))


def changed(settings: Settings, **updates: Any) -> Settings:
    return settings.model_copy(update=updates)


def found(settings: Settings, name: str) -> list[Finding]:
    return [finding for finding in check_all(lambda: settings) if finding.name.startswith(name)]


def only(settings: Settings, name: str, status: str) -> Finding:
    (finding,) = (finding for finding in found(settings, name) if finding.status == status)
    assert bool(finding.mend) is (status != "ok")
    return finding


def test_a_healthy_installation_has_no_fault(healthy: Settings) -> None:
    findings = list(check_all(lambda: healthy))
    assert not [finding for finding in findings if finding.status == "fault"]
    assert {"Python", "packages", "data folder", "embedder", "OCR", "API keys", "port"} <= {
        each.name for each in findings
    }
    assert "3 books" in only(healthy, "knowledge base", "ok").what


def test_a_bad_setting_is_the_one_fault() -> None:
    def load() -> Settings:
        raise ConfigError("bad setting: kb = 'X'", mend="correct it")

    assert list(check_all(load)) == [Finding("settings", "fault", "bad setting: kb = 'X'", "correct it")]


def test_knowledge_bases_are_opened(healthy: Settings) -> None:
    (KnowledgeBaseFolder(healthy.data_dir, "default").current() / CHUNKS).write_bytes(b"")
    assert CHUNKS in only(healthy, "knowledge base", "fault").what
    shutil.rmtree(healthy.data_dir / "default")
    assert "keben rebuild" in only(healthy, "knowledge base", "warning").mend


def test_a_rebuild_that_was_cut_off_is_told(healthy: Settings) -> None:
    (healthy.data_dir / "default" / "unfinished.sqlite").write_bytes(b"")
    assert "cut off" in only(healthy, "knowledge base", "warning").what


def test_an_embedder_that_is_not_there_is_a_fault(healthy: Settings) -> None:
    other = changed(healthy, embedding=EmbeddingSettings(model=str(healthy.data_dir / "nothing")))
    assert "nothing" in only(other, "embedder", "fault").what


def test_a_model_is_looked_at_without_loading_it(healthy: Settings) -> None:
    no_folder = changed(healthy, llm=LlmSettings(model=healthy.data_dir / "nothing"))
    assert "nothing" in only(no_folder, "model", "fault").what
    no_server = changed(healthy, llm=LlmSettings(urls=("http://127.0.0.1:9/v1",)))
    assert "127.0.0.1:9" in only(no_server, "model", "fault").what


def test_a_taken_port_is_told(healthy: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert str(port) in only(changed(healthy, server=ServerSettings(port=port)), "port", "warning").what


def test_keys_and_the_address_are_held_together(healthy: Settings) -> None:
    outside = changed(healthy, server=ServerSettings(host="0.0.0.0", port=0))
    assert "keben keys create" in only(outside, "keys", "fault").mend
    insecure = changed(healthy, server=ServerSettings(host="0.0.0.0", port=0, insecure=True))
    assert only(insecure, "API keys", "warning")
    store = KeyStore(healthy.state_dir)
    store.create("soon", Role.ask, expires_at=datetime.now(UTC) + timedelta(days=2))
    assert "1 of 1" in only(outside, "API keys", "ok").what
    assert "soon" in only(outside, "API keys", "warning").what


def test_missing_tools_are_told(healthy: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert only(healthy, "LibreOffice", "warning")
    assert only(changed(healthy, ingest=IngestSettings(ocr_engine="tesseract")), "OCR", "fault")


def test_a_full_disk_is_a_fault(healthy: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_checks.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 99, 50 * 2**20))
    assert "50 MiB" in only(healthy, "data folder", "fault").what


def test_the_command_prints_json_and_tells_by_its_exit_code(
    healthy: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KEBEN_DATA_DIR", str(healthy.data_dir))
    monkeypatch.setattr("sys.argv", ["keben", "doctor", "--json"])
    with pytest.raises(SystemExit) as done:
        main()
    told = json.loads(capsys.readouterr().out)
    assert done.value.code == 0 and told["ok"] and {"name", "status", "what", "mend"} == set(told["findings"][0])
    monkeypatch.setenv("KEBEN_EMBEDDING__MODEL", "/nothing/here")
    monkeypatch.setattr("sys.argv", ["keben", "doctor"])
    with pytest.raises(SystemExit) as done:
        main()
    out = capsys.readouterr().out
    assert done.value.code == 1 and "✗ embedder" in out and "→" in out and "1 faults" not in out.splitlines()[0]
