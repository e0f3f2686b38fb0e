"""Sentence-transformers models that are not the packaged one, made here."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_models
from tokenizers import models

from core.errors import ModelError
from core.settings import EmbeddingSettings
from vector_db.embedder import Embedder, model_revision, open_embedder
from vector_db.sentence_model import SentenceEmbedder

TEXTS = ["what is a transaction", "死锁 必要 条件", "the 进程"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_models.bert(tmp_path_factory.mktemp("models") / "bert", prompts={"query": "query: ", "document": ""})


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy, for tests that change it."""
    return Path(shutil.copytree(made, tmp_path / "模型"))


def opened(folder: Path, **settings: Any) -> Embedder:
    return open_embedder(EmbeddingSettings(model=str(folder), **settings))


def revision(folder: Path, **settings: Any) -> str:
    return model_revision(EmbeddingSettings(model=str(folder), **settings))


def test_questions_and_passages_are_given_what_the_model_wants_before_them(made: Path) -> None:
    embedder, plain = opened(made), opened(made, query_instruction="")
    assert np.allclose(embedder.encode(TEXTS), plain.encode_queries(TEXTS), atol=1e-6)
    assert np.allclose(embedder.encode_queries(TEXTS), plain.encode([f"query: {text}" for text in TEXTS]), atol=1e-6)
    assert (embedder.encode(TEXTS) * embedder.encode_queries(TEXTS)).sum(axis=1).max() < 0.999
    assert embedder.embed_query(TEXTS[0]) == pytest.approx(embedder.encode_queries(TEXTS)[0], abs=1e-6)
    assert embedder.embed_documents(TEXTS)[1] == pytest.approx(embedder.encode(TEXTS)[1], abs=1e-6)


def test_the_instructions_of_the_settings_are_used_as_they_stand(made: Path) -> None:
    # Full-width signs of a text are read as ordinary ones, those of an instruction are what the model was trained with.
    embedder = opened(made, query_instruction="查询：", document_instruction="passage：")
    plain = opened(made, query_instruction="")
    model = embedder._model if isinstance(embedder, SentenceEmbedder) else None
    assert model is not None
    for vectors, instruction in ((embedder.encode_queries(TEXTS), "查询："), (embedder.encode(TEXTS), "passage：")):
        wanted = model.encode([instruction + text for text in TEXTS], normalize_embeddings=True)
        assert np.allclose(vectors, wanted, atol=1e-6)
        assert not np.allclose(vectors, plain.encode(TEXTS), atol=1e-3)


def test_the_revision_follows_the_instruction_of_passages_and_not_that_of_questions(made: Path) -> None:
    assert revision(made) == revision(made, query_instruction="q: ") == revision(made, document_instruction="")
    assert revision(made) != revision(made, document_instruction="passage: ")
    assert opened(made).revision == revision(made)


def test_no_text_makes_no_vector(made: Path) -> None:
    assert opened(made).encode([]).shape == (0, 16)


def test_counting_unknown_tokens_does_not_disturb_a_thread_that_embeds(made: Path) -> None:
    # A fast tokenizer keeps the truncation of its last call; another thread's text would then not be cut.
    embedder = opened(made)
    assert isinstance(embedder, SentenceEmbedder)
    long = "what is a transaction " * 60
    embedder.encode([long])
    truncation = embedder._model.tokenizer.backend_tokenizer.truncation
    embedder.unknown_rate(long)
    assert embedder._model.tokenizer.backend_tokenizer.truncation == truncation is not None


@pytest.mark.parametrize(
    "words",
    [
        models.WordLevel({"[UNK]": 0, "死锁": 1, "atomic": 2}, unk_token="[UNK]"),
        models.Unigram([("<unk>", 0.0), ("死锁", -1.0), ("atomic", -1.0)], unk_id=0),
    ],
)
def test_a_static_model_without_a_transformer_will_do(tmp_path: Path, words: models.Model) -> None:
    embedder = opened(small_models.static(tmp_path, words, np.eye(3, 8, dtype=np.float32)))
    assert embedder.dimension == 8
    assert embedder.unknown_rate("死锁 atomic") == 0 and embedder.unknown_rate("死锁 Q") == 0.5
    assert embedder.embed_query("死锁")[1] == pytest.approx(1)


def test_a_model_whose_tokenizer_knows_nothing_is_refused(tmp_path: Path) -> None:
    words = models.WordLevel({"[UNK]": 0}, unk_token="[UNK]")
    with pytest.raises(ModelError, match="knows no token of any text") as caught:
        opened(small_models.static(tmp_path, words, np.ones((1, 4), dtype=np.float32)))
    assert str(tmp_path) in caught.value.message


def test_a_model_without_a_dimension_is_refused(tmp_path: Path) -> None:
    words = models.WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]")
    with pytest.raises(ModelError, match="no dimension") as caught:
        opened(small_models.static(tmp_path, words, np.zeros((2, 0), dtype=np.float32)))
    assert str(tmp_path) in caught.value.message


def test_a_model_whose_vectors_are_not_numbers_is_refused(tmp_path: Path) -> None:
    words = models.WordLevel({"[UNK]": 0, "The": 1}, unk_token="[UNK]")
    with pytest.raises(ModelError, match="not numbers"):
        opened(small_models.static(tmp_path, words, np.full((2, 4), np.nan, dtype=np.float32)))


def test_pickled_weights_are_not_read(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        opened(folder)
    assert "safetensors" in caught.value.mend


def test_no_program_of_the_folder_is_run(folder: Path, tmp_path: Path) -> None:
    mark = tmp_path / "run"
    (folder / "own.py").write_text(f"import pathlib; pathlib.Path({str(mark)!r}).touch()", encoding="utf-8")
    modules = folder / "modules.json"
    text = modules.read_text(encoding="utf-8")
    modules.write_text(text.replace("sentence_transformers.base.modules.transformer.", "own."), encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be loaded"):
        opened(folder)
    assert not mark.exists()


def test_a_device_that_is_not_there_is_an_error(made: Path) -> None:
    with pytest.raises(ModelError, match="no-such-device"):
        opened(made, device="no-such-device")


@pytest.mark.parametrize("weights", [None, b"", b"\x10\x00\x00\x00\x00\x00\x00\x00{}", b"not weights" * 100])
def test_damaged_weights_are_refused_and_the_folder_named(folder: Path, weights: bytes | None) -> None:
    (folder / "model.safetensors").unlink()
    if weights is not None:
        (folder / "model.safetensors").write_bytes(weights)
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        opened(folder)
    assert str(folder) in caught.value.message


@pytest.mark.parametrize("name", ["modules.json", "config.json", "1_Pooling/config.json"])
@pytest.mark.parametrize("content", ["{", None])
def test_damaged_settings_of_a_model_are_refused(folder: Path, name: str, content: str | None) -> None:
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content, encoding="utf-8")
    with pytest.raises(ModelError) as caught:
        opened(folder)
    assert str(folder) in caught.value.message


def test_opening_a_model_forbids_its_library_the_network(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    opened(made)
    assert os.environ["HF_HUB_OFFLINE"] == "1"
