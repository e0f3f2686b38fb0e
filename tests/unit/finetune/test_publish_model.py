"""`keben finetune publish`: what it finds in a folder, a hub on this machine, and ModelScope's client stood in for."""

import json
import shutil
import sys
import types
from base64 import b64decode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from huggingface_hub import constants
from tiny_chat_models import tiny_internlm2
from typer.testing import CliRunner, Result

from cli.main import app
from core.errors import ConfigError, KebenError, ModelError
from core.settings import LlmSettings
from finetune.merge_proof import Proof
from finetune.model_card import Card, model_card
from finetune.publish import plan
from finetune.steps import Steps
from rag.engine.folder import inspect_folder
from rag.trained_prompt import TRAINED_PROMPT, TrainedPrompt

REPO = "myschool/os-tiny"
TOKEN = "hf_" + "x" * 34


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_internlm2(tmp_path_factory.mktemp("publish") / "model")


@pytest.fixture
def model(merged: Path, tmp_path: Path) -> Path:
    """A model that has passed its gate, as `keben finetune run` leaves it."""
    folder = Path(shutil.copytree(merged, tmp_path / "run" / "model"))
    card = Card("os", "internlm2-chat-1_8b", "0" * 64, 10, {"lr": 1e-4}, (3.0, 1.0))
    text = model_card(card, inspect_folder(folder, LlmSettings()), Proof(3, 3, 1e-6), TrainedPrompt("question"))
    (folder / "README.md").write_text(text, encoding="utf-8")
    (folder / TRAINED_PROMPT).write_text(json.dumps(TrainedPrompt("question").to_json()))
    steps = Steps(folder.parent)
    steps.record("gate", "1", falls=[])
    steps.record("published", "1", override="")
    return folder


def publish(model: Path, *arguments: str, to: str = "huggingface") -> Result:
    command = ["finetune", "publish", str(model), "--to", to, "--repo", REPO, *arguments]
    return CliRunner().invoke(app, command)


def test_a_dry_run_lists_the_files_and_uploads_nothing(model: Path) -> None:
    result = publish(model, "--private")
    assert result.exit_code == 0, (result.output, result.exception)
    assert all(path.name in result.stdout for path in model.iterdir())
    assert f"{REPO}, private; gate: passed" in result.stdout and "dry run" in result.stdout
    found = json.loads(publish(model, "--json").stdout)
    assert found["size"] == sum(path.stat().st_size for path in model.iterdir())
    assert (found["faults"], found["url"], found["gate"]) == ([], None, "passed")


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("README.md", "", "no model card"),
        ("optimizer.safetensors", "0", "of a training"),
        ("iter_20.pth", "0", "of a training"),
        ("checkpoint-20/model.safetensors", "0", "of a training"),
        (".env", "0", "hidden"),
        ("notes.txt", "trained in /home/li/courses/os", "/home/li/courses/os"),
        ("notes.md", "C:\\Users\\li\\os", "C:\\Users\\li\\os"),
        ("notes.json", json.dumps({"token": TOKEN}), "access token"),
    ],
)
def test_what_must_not_leave_the_machine_is_found(model: Path, name: str, content: str, named: str) -> None:
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).write_text(content, encoding="utf-8")
    (fault,) = plan(model, REPO).faults
    assert named in fault and TOKEN not in fault
    result = publish(model, "--yes")
    assert isinstance(result.exception, ModelError) and named in result.exception.message
    assert publish(model, "--yes", "--json").exit_code == 1


def test_addresses_and_places_of_the_web_are_no_places_of_this_machine(model: Path) -> None:
    (model / "notes.md").write_text("See https://example.com/data/set and a/home/b, or and/or.", encoding="utf-8")
    assert plan(model, REPO).faults == ()


def test_links_and_damaged_weights_are_refused(model: Path, tmp_path: Path) -> None:
    (model / "more.json").symlink_to(tmp_path / "elsewhere.json")
    whole = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(whole[:-100])
    weights, link = plan(model, REPO).faults
    assert "model.safetensors" in weights and link == "more.json is a link"


def test_a_model_without_its_gate_needs_a_reason(model: Path) -> None:
    Steps(model.parent).record("gate", "2", falls=["course, letter 0.8 → 0.6"])
    assert "not examined" in plan(model, REPO).faults[0]
    Steps(model.parent).record("published", "2", override="for a class")
    (fault,) = plan(model, REPO).faults
    assert "fell: course" in fault and "--ungated" in fault
    assert plan(model, REPO, ungated="for a class").faults == ()
    assert plan(model, REPO, ungated="for a class").gate.endswith("all the same: for a class")
    other = model.rename(model.with_name("copy"))
    assert "not examined" in plan(other, REPO).faults[0]


@pytest.mark.parametrize("repo", ["os", "a/b/c", "../b", "a b/c", "/c"])
def test_a_bad_name_is_refused(model: Path, repo: str) -> None:
    with pytest.raises(ConfigError, match="no repository"):
        plan(model, repo)


class FakeHub(BaseHTTPRequestHandler):
    """As much of the hub as an upload of small files takes; what it was sent is kept."""

    private = True
    refused = False
    heard: list[tuple[str, str]] = []  # noqa: RUF012  begun anew by the fixture
    files: dict[str, bytes] = {}  # noqa: RUF012

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        self.heard.append((self.path, self.headers.get("Authorization", "")))
        if self.refused:
            return self.say({"error": "Invalid credentials"}, 401)
        if self.path == "/api/repos/create":
            return self.say({"url": f"http://{self.headers['Host']}/{REPO}", "id": REPO})
        if "/preupload/" in self.path:
            modes = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            return self.say({"files": modes})
        if "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = b64decode(line["value"]["content"])
            return self.say({"commitUrl": f"http://{self.headers['Host']}/{REPO}/commit/1", "commitOid": "1" * 40})
        return self.say({"errors": [], "warnings": []})

    def do_GET(self) -> None:
        self.say({"id": REPO, "modelId": REPO, "private": self.private, "sha": "0" * 40, "siblings": [], "tags": []})

    def say(self, value: dict[str, Any], status: int = 200) -> None:
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeHub]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeHub)
    endpoint = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    for name, value in (("private", True), ("refused", False), ("heard", []), ("files", {})):
        monkeypatch.setattr(FakeHub, name, value)
    Thread(target=server.serve_forever, daemon=True).start()
    yield FakeHub
    server.shutdown()
    server.server_close()


def test_the_files_arrive_at_the_hub_and_the_token_is_not_shown(hub: type[FakeHub], model: Path) -> None:
    result = publish(model, "--private", "--yes")
    assert result.exit_code == 0, (result.output, result.exception)
    assert hub.files == {path.name: path.read_bytes() for path in model.iterdir()}
    assert all(authorization == f"Bearer {TOKEN}" for path, authorization in hub.heard if "commit" in path)
    assert result.stdout.rstrip().endswith(f"/{REPO}") and TOKEN not in result.output


def test_nothing_private_goes_to_a_public_repository(hub: type[FakeHub], model: Path) -> None:
    hub.private = False
    result = publish(model, "--private", "--yes")
    assert isinstance(result.exception, ConfigError) and "public" in result.exception.message
    assert hub.files == {}


def test_a_refused_login_names_the_way_to_log_in(hub: type[FakeHub], model: Path) -> None:
    hub.refused = True
    result = publish(model, "--yes")
    assert isinstance(result.exception, ModelError) and "hf auth login" in result.exception.mend
    assert TOKEN not in str(result.exception)


def test_without_the_client_of_modelscope_its_extra_is_named(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "modelscope_hub", None)
    result = publish(model, "--yes", to="modelscope")
    assert isinstance(result.exception, KebenError) and "keben[modelscope]" in result.exception.mend


def test_modelscope_by_its_client(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    class HubApi:
        def repo_exists(self, *_: str) -> bool:
            return bool(calls)

        def get_repo(self, *_: str) -> Any:
            return types.SimpleNamespace(private=False)

        def __getattr__(self, name: str) -> Any:
            return lambda *arguments, **options: calls.append((name, arguments, options))

    client, errors = types.ModuleType("modelscope_hub"), types.ModuleType("modelscope_hub.errors")
    client.HubApi, errors.HubError = HubApi, type("HubError", (Exception,), {})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "modelscope_hub", client)
    monkeypatch.setitem(sys.modules, "modelscope_hub.errors", errors)
    result = publish(model, "--private", "--yes", to="modelscope")
    assert result.exit_code == 0, result.exception
    (made, made_with, made_so), (sent, sent_with, sent_so) = calls
    assert (made, made_with, made_so) == ("create_repo", (REPO, "model"), {"visibility": "private"})
    assert (sent, sent_with) == ("upload_folder", (REPO, "model", str(model)))
    assert sorted(sent_so["allow_patterns"]) == sorted(path.name for path in model.iterdir())
    again = publish(model, "--private", "--yes", to="modelscope")
    assert isinstance(again.exception, ConfigError) and len(calls) == 2
