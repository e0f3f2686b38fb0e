"""Models exported as graphs give what torch gives. The export needs onnx; OpenVINO is tried where it is installed."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_models
from pydantic import ValidationError

from core.errors import ModelError
from core.settings import PROJECT, EmbeddingSettings
from vector_db.embedder import Embedder, model_folder, model_revision, open_embedder
from vector_db.export import calibration, export_onnx
from vector_db.graph import padded

pytest.importorskip("onnx")
openvino = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="openvino is not installed")
BACKENDS = [pytest.param({"backend": "onnx"}, id="onnx")]
BACKENDS += [pytest.param({"backend": "openvino", "backend_file": "onnx/model.onnx"}, id="openvino", marks=openvino)]
TEXTS = ["死锁 必要 条件", "what is a transaction", "", "the 进程 " * 30, "a ：", "eﬃcient ＴＣＰ"]
PROMPTS = {"query": "query: ", "document": "passage: "}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = small_models.bert(tmp_path_factory.mktemp("models") / "bert", prompts=PROMPTS)
    export_onnx(folder, folder / "onnx" / "model.onnx")
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy, for tests that change it."""
    return Path(shutil.copytree(made, tmp_path / "模型"))


def settings(folder: Path, **changes: Any) -> EmbeddingSettings:
    return EmbeddingSettings(model=str(folder), batch_size=2, **{"backend": "onnx", **changes})


def opened(folder: Path, **changes: Any) -> Embedder:
    return open_embedder(settings(folder, **changes))


@pytest.mark.parametrize("backend", BACKENDS)
def test_passages_and_questions_have_the_vectors_of_torch(made: Path, backend: dict[str, str]) -> None:
    embedder, torch = opened(made, **backend), opened(made, backend="torch")
    assert (embedder.name, embedder.dimension) == (torch.name, torch.dimension) == (str(made), 16)
    assert embedder.encode(TEXTS) == pytest.approx(torch.encode(TEXTS), abs=1e-4)
    assert embedder.encode_queries(TEXTS) == pytest.approx(torch.encode_queries(TEXTS), abs=1e-4)
    assert embedder.encode(TEXTS).dtype == np.float32 and embedder.encode([]).shape == (0, 16)
    assert embedder.unknown_rate("死锁 Q") == torch.unknown_rate("死锁 Q") == 0.5


def test_it_needs_no_torch(made: Path) -> None:
    code = (
        "import sys; from core.settings import EmbeddingSettings; from vector_db.embedder import open_embedder; "
        f"open_embedder(EmbeddingSettings(model={str(made)!r}, backend='onnx')).embed_query('死锁'); "
        "print({'torch', 'transformers', 'sentence_transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("pooling", ["cls", "lasttoken"])
def test_other_poolings_give_the_vectors_of_torch(folder: Path, pooling: str) -> None:
    config = folder / "1_Pooling" / "config.json"
    config.write_text(config.read_text(encoding="utf-8").replace('"mean"', f'"{pooling}"'), encoding="utf-8")
    wanted = opened(folder, backend="torch").encode(TEXTS)
    assert opened(folder).encode(TEXTS) == pytest.approx(wanted, abs=1e-4)


def test_the_graph_of_the_model_is_the_model_and_a_named_one_is_another(made: Path) -> None:
    plain = model_revision(EmbeddingSettings(model=str(made)))
    assert model_revision(settings(made)) == plain == opened(made).revision
    named = settings(made, backend_file="onnx/model.onnx")
    assert model_revision(named) not in {plain, model_revision(settings(made, backend_file="onnx/other.onnx"))}


def test_a_named_graph_that_changes_is_another(folder: Path) -> None:
    named = settings(folder, backend_file="onnx/model.onnx")
    before = model_revision(named)
    (folder / "onnx" / "model.onnx_data").write_bytes(b"weights")
    assert model_revision(named) != before


def test_a_named_graph_needs_a_backend_that_runs_it() -> None:
    with pytest.raises(ValidationError, match="model_qint8"):
        EmbeddingSettings(backend_file="onnx/model_qint8.onnx")


@pytest.mark.parametrize(
    ("changes", "file"),
    [
        ({"backend_file": "onnx/model_qint8.onnx"}, "model_qint8.onnx"),
        ({"backend": "openvino"}, "openvino_model.xml"),
    ],
)
def test_a_graph_that_is_not_there_is_named_and_how_to_make_it(made: Path, changes: Any, file: str) -> None:
    with pytest.raises(ModelError, match=file) as caught:
        opened(made, **changes)
    assert str(made) in caught.value.message and f"python -m vector_db.export {made}" in caught.value.mend


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_damaged_graph_is_refused(folder: Path, backend: dict[str, str]) -> None:
    file = folder / "onnx" / "model.onnx"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        opened(folder, **backend)
    assert str(file) in caught.value.message


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_device_that_is_not_there_is_refused(made: Path, backend: dict[str, str]) -> None:
    with pytest.raises(ModelError, match="mainframe") as caught:
        opened(made, device="mainframe", **backend)
    assert "KEBEN_EMBEDDING__DEVICE" in caught.value.mend


@pytest.mark.parametrize(("backend", "library"), [("onnx", "onnxruntime"), ("openvino", "openvino")])
def test_a_library_that_is_not_installed_is_named_with_its_extra(
    made: Path, monkeypatch: pytest.MonkeyPatch, backend: str, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ModelError, match=f"needs {library}") as caught:
        opened(made, backend=backend, backend_file="onnx/model.onnx")
    assert f"keben[{backend}]" in caught.value.mend


def test_what_a_graph_is_fed_with() -> None:
    feeds = padded([[7, 8, 9], [5]])
    assert feeds["input_ids"].tolist() == [[7, 8, 9], [5, 0, 0]]
    assert feeds["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert feeds["position_ids"].tolist() == [[0, 1, 2], [0, 1, 2]] and not feeds["token_type_ids"].any()
    assert padded([[], []])["input_ids"].shape == (2, 1)


def test_calibration_takes_texts_from_all_over_as_the_model_reads_them(made: Path) -> None:
    batches = calibration(made, ["死锁 " * 100] * 100 + ["a"] * 100)
    lengths = [int(batch["attention_mask"].sum(axis=1).max()) for batch in batches]
    assert sum(len(batch["input_ids"]) for batch in batches) == 64
    assert (lengths[0], lengths[-1]) == (3, 24)


def test_on_the_hub_the_graph_is_what_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    snapshot = tmp_path / "models--a--b" / "snapshots" / "0"
    (snapshot / "onnx").mkdir(parents=True)
    (tmp_path / "models--a--b" / "refs").mkdir()
    (tmp_path / "models--a--b" / "refs" / "main").write_text("0", encoding="utf-8")
    (snapshot / "modules.json").write_text("[]", encoding="utf-8")
    (snapshot / "onnx" / "model.onnx").write_bytes(b"graph")
    assert model_folder(settings(Path("a/b"))) == snapshot
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE"):
        model_folder(settings(Path("a/b"), backend="torch"))
