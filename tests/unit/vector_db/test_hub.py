"""Models by their names on the hub: a cache in the hub's own layout, and a hub on this machine."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from huggingface_hub import constants

from core.errors import ModelError
from core.settings import PROJECT, EmbeddingSettings
from vector_db.embedder import model_folder, model_revision

NAME = "textbooks/small-zh"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "modules.json": b"[]",
    "config.json": b"{}",
    "model.safetensors": b"weights",
    "1_Pooling/config.json": b"{}",
    "onnx/model.onnx": b"graph",
    "pytorch_model.bin": b"pickled",
    "modeling_small.py": b"raise SystemExit",
}
SETTINGS = EmbeddingSettings(model=NAME)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return folder


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    go_to("http://127.0.0.1:9", monkeypatch)


def go_to(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    template = f"{endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def fill(cache: Path, *without: str) -> Path:
    repository = cache / f"models--{NAME.replace('/', '--')}"
    snapshot = repository / "snapshots" / COMMIT
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT, encoding="utf-8")
    for name, content in FILES.items():
        if name not in without:
            blob = repository / "blobs" / name.replace("/", "-")
            blob.parent.mkdir(exist_ok=True)
            blob.write_bytes(content)
            (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
            (snapshot / name).symlink_to(blob)
    return snapshot


@contextmanager
def hub(files: dict[str, bytes], asked: list[str]) -> Iterator[str]:
    """The part of the hub that a download needs."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            path = self.path.partition("?")[0]
            _, _, name = path.partition(f"/resolve/{COMMIT}/")
            content = files.get(name) if name else None
            if path.startswith(f"/api/models/{NAME}/tree/"):
                listed = [
                    {"type": "file", "path": path, "size": len(content), "oid": f"{number:040x}"}
                    for number, (path, content) in enumerate(files.items())
                ]
                content = json.dumps(listed).encode()
            elif path.startswith(f"/api/models/{NAME}"):
                content = json.dumps({"id": NAME, "sha": COMMIT, "siblings": []}).encode()
            self.send_response(404 if content is None else 200)
            if name and content is not None:
                asked.append(name)
                self.send_header("ETag", f'"{list(files).index(name):040x}"')
                self.send_header("X-Repo-Commit", COMMIT)
            if content is None:
                self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            if body:
                self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_model_in_the_cache_is_found_there(cache: Path) -> None:
    snapshot = fill(cache)
    assert model_folder(SETTINGS) == snapshot
    before = model_revision(SETTINGS)
    (cache / "models--textbooks--small-zh" / "blobs" / "config.json").write_text('{"a": 1}', encoding="utf-8")
    assert len(before) == 12 and model_revision(SETTINGS) != before


@pytest.mark.usefixtures("online")
def test_a_model_in_the_cache_needs_no_network(cache: Path) -> None:
    snapshot = fill(cache)
    assert model_folder(SETTINGS) == snapshot


def test_the_cache_is_where_hf_home_says(tmp_path: Path) -> None:
    snapshot = fill(tmp_path / "home" / "hub")
    code = (
        "import sys; from core.settings import EmbeddingSettings; from vector_db.embedder import model_revision, "
        f"model_folder; s = EmbeddingSettings(model={NAME!r}); model_revision(s); print(model_folder(s)); "
        "print({'torch', 'transformers', 'sentence_transformers'} & set(sys.modules))"
    )
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    environment.pop("HF_HUB_CACHE", None)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(snapshot), "set()"]


def test_offline_and_not_in_the_cache_says_how_to_bring_it() -> None:
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE is set") as caught:
        model_folder(SETTINGS)
    assert NAME in caught.value.message
    assert all(part in caught.value.mend for part in (f"hf download {NAME}", "KEBEN_EMBEDDING__MODEL", "HF_HOME"))


@pytest.mark.parametrize("without", ["model.safetensors", "modules.json"])
def test_a_part_of_a_model_in_the_cache_is_not_the_model(cache: Path, without: str) -> None:
    fill(cache, without)
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE is set"):
        model_folder(SETTINGS)


def test_a_model_in_several_files_lacks_none_of_them(cache: Path) -> None:
    snapshot = fill(cache)
    index = snapshot / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"a": "model.safetensors", "b": "more.safetensors"}}', encoding="utf-8")
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE is set"):
        model_folder(SETTINGS)
    (snapshot / "more.safetensors").write_bytes(b"weights")
    assert model_folder(SETTINGS) == snapshot
    index.write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match=r"index\.json cannot be read"):
        model_folder(SETTINGS)


@pytest.mark.usefixtures("online")
def test_what_is_not_in_the_cache_is_downloaded_once_without_pickles_and_programs(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    with hub(FILES, asked) as endpoint:
        go_to(endpoint, monkeypatch)
        folder = model_folder(SETTINGS)
        assert (folder / "model.safetensors").read_bytes() == b"weights" and folder.is_relative_to(cache)
        assert set(asked) == {"modules.json", "config.json", "model.safetensors", "1_Pooling/config.json"}
        asked.clear()
        assert model_folder(SETTINGS) == folder and asked == []


@pytest.mark.usefixtures("online")
def test_a_model_without_safetensors_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {name: content for name, content in FILES.items() if name != "model.safetensors"}
    with hub(files, []) as endpoint:
        go_to(endpoint, monkeypatch)
        with pytest.raises(ModelError, match=r"has no \*\.safetensors") as caught:
            model_folder(SETTINGS)
    assert NAME in caught.value.message and "save it" in caught.value.mend


@pytest.mark.usefixtures("online")
def test_a_name_that_the_hub_does_not_know_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with hub(FILES, []) as endpoint:
        go_to(endpoint, monkeypatch)
        with pytest.raises(ModelError, match="'nobody/nothing'"):
            model_folder(EmbeddingSettings(model="nobody/nothing"))


@pytest.mark.usefixtures("online")
def test_a_hub_that_cannot_be_reached_is_an_error_with_a_mend() -> None:
    with pytest.raises(ModelError, match="can be had from the hub") as caught:
        model_folder(SETTINGS)
    assert f"hf download {NAME}" in caught.value.mend


def test_a_name_that_the_hub_forbids_is_refused() -> None:
    with pytest.raises(ModelError, match=r"a\.\./b"):
        model_folder(EmbeddingSettings(model="a../b"))


def test_a_folder_of_such_a_name_goes_before_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path(NAME)
    folder.mkdir(parents=True)
    (folder / "modules.json").write_text("[]", encoding="utf-8")
    assert model_folder(SETTINGS) == folder
