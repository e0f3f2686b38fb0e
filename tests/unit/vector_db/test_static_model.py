"""Static embedders: in 8 bits, as other libraries save them, and damaged."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_models
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from core.errors import ModelError
from core.settings import EmbeddingSettings
from vector_db.embedder import Embedder, open_embedder
from vector_db.sentence_model import SentenceEmbedder
from vector_db.static_model import (
    MODULE,
    TOKENIZER,
    WEIGHTS,
    StaticEmbedder,
    is_static,
    read_weights,
    write_static,
)

WORDS = ["[UNK]", "死锁", "进程", "transaction", "atomic", "tcp"]
TEXTS = ["死锁 进程", "transaction atomic atomic", "tcp", "unheard of", "死锁 transaction"]


def vectors(count: int = len(WORDS), dimension: int = 8) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, dimension)).astype(np.float32)


def tokenizer(words: list[str] | None = None) -> Tokenizer:
    names = {word: number for number, word in enumerate(words or WORDS)}
    made = Tokenizer(models.WordLevel(names, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model in 8 bits."""
    write_static(tmp_path / "模型", tokenizer().to_str(), vectors(), {})
    return tmp_path / "模型"


def opened(folder: Path, **settings: Any) -> Embedder:
    embedder = open_embedder(EmbeddingSettings(model=str(folder), **settings))
    assert isinstance(embedder, StaticEmbedder)
    return embedder


def mean_vectors(texts: list[str], weights: np.ndarray) -> np.ndarray:
    """The means of the words' vectors, of unit length."""
    rows = [[WORDS.index(word) if word in WORDS else 0 for word in text.split()] for text in texts]
    means = np.stack([weights[row].mean(axis=0) for row in rows])
    return means / np.linalg.norm(means, axis=1, keepdims=True)


NUMBERS = st.floats(-100, 100, width=32)


@examples(deadline=None, max_examples=50)
@given(rows=st.lists(st.lists(NUMBERS, min_size=3, max_size=3), min_size=1, max_size=9))
def test_8_bits_lose_no_more_than_half_a_step_of_each_row(rows: list[list[float]]) -> None:
    weights = np.array(rows, dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        write_static(Path(folder), tokenizer().to_str(), weights, {})
        kept = read_weights(Path(folder))
    largest = np.abs(weights).max(axis=1, keepdims=True)
    # Half a step, and what the scale itself loses in 16 bits over 127 steps.
    bound = largest / 127 * 0.5 + largest * 2**-10 + 127 * 6e-8
    assert kept.shape == weights.shape and kept.dtype == np.float32
    assert (np.abs(kept - weights) <= bound).all()


def test_a_text_is_the_mean_of_its_words(folder: Path) -> None:
    embedder = opened(folder)
    assert (embedder.dimension, embedder.name) == (8, str(folder))
    assert np.allclose(embedder.encode(TEXTS), mean_vectors(TEXTS, read_weights(folder)), atol=1e-6)
    assert np.allclose(embedder.encode(TEXTS), mean_vectors(TEXTS, vectors()), atol=0.02)
    assert np.array_equal(embedder.encode_queries(TEXTS), embedder.encode(TEXTS))
    assert embedder.unknown_rate("死锁 unheard") == 0.5


def test_many_texts_at_once_have_the_vectors_that_they_have_alone(folder: Path) -> None:
    embedder = opened(folder)
    together = embedder.encode(TEXTS * 120)
    assert np.allclose(together[-5:], embedder.encode(TEXTS), atol=1e-6)
    assert np.allclose(together[255:260], embedder.encode(TEXTS), atol=1e-6)


def test_a_text_without_tokens_is_zero(folder: Path) -> None:
    embedder = opened(folder)
    assert embedder.encode(["", " \n", "死锁"]).any(axis=1).tolist() == [False, False, True]
    assert embedder.encode([]).shape == (0, 8)


def test_a_normalised_model_reads_lower_case_and_simplified_characters(tmp_path: Path) -> None:
    for name, form in (("folded", {"normalised": True}), ("plain", {})):
        write_static(tmp_path / name, tokenizer().to_str(), vectors(), form)
    odd, ordinary = ["死鎖 進程", "ＴＣＰ Transaction"], ["死锁 进程", "tcp transaction"]
    folded, plain = opened(tmp_path / "folded"), opened(tmp_path / "plain")
    assert np.array_equal(folded.encode(odd), folded.encode(ordinary))
    assert folded.unknown_rate(" ".join(odd)) == 0 and plain.unknown_rate(" ".join(odd)) == 1


def test_a_model_saved_by_sentence_transformers_has_the_same_vectors(tmp_path: Path) -> None:
    weights = vectors()
    words = models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]")
    folder = small_models.static(tmp_path / "saved", words, weights)
    embedder = opened(folder)
    theirs = SentenceEmbedder(EmbeddingSettings(model=str(folder)), folder, "")
    assert np.allclose(embedder.encode(TEXTS), theirs.encode(TEXTS), atol=1e-6)
    assert np.allclose(embedder.encode(TEXTS), mean_vectors(TEXTS, weights), atol=1e-6)


def test_sentence_transformers_reads_a_text_of_this_form_too(tmp_path: Path) -> None:
    """In a folder of its own or in the root: modules.json says where."""
    words = models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]")
    saved = small_models.static(tmp_path / "saved", words, vectors())
    moved = tmp_path / "moved"
    (moved / MODULE).mkdir(parents=True)
    for name in (WEIGHTS, TOKENIZER):
        shutil.copy(saved / name, moved / MODULE)
    modules = json.loads((saved / "modules.json").read_text(encoding="utf-8"))
    (moved / "modules.json").write_text(json.dumps([{**modules[0], "path": MODULE}]), encoding="utf-8")
    assert np.array_equal(opened(moved).encode(TEXTS), opened(saved).encode(TEXTS))
    theirs = SentenceEmbedder(EmbeddingSettings(model=str(moved)), moved, "")
    assert np.allclose(opened(moved).encode(TEXTS), theirs.encode(TEXTS), atol=1e-6)


def test_a_model_in_the_form_of_model2vec_is_read(tmp_path: Path) -> None:
    rows, mapping = vectors(3), np.array([0, 1, 2, 1, 0, 2])
    weights = np.linspace(0.5, 2, len(WORDS)).astype(np.float32)
    folder = tmp_path / "m2v"
    folder.mkdir()
    save_file({"embeddings": rows, "mapping": mapping, "weights": weights}, folder / WEIGHTS)
    tokenizer().save(str(folder / TOKENIZER))
    described = [{"idx": 0, "name": "0", "path": ".", "type": "sentence_transformers.models.StaticEmbedding"}]
    (folder / "modules.json").write_text(json.dumps(described), encoding="utf-8")
    assert np.allclose(read_weights(folder), rows[mapping] * weights[:, None])
    assert np.allclose(opened(folder).encode(TEXTS), mean_vectors(TEXTS, rows[mapping] * weights[:, None]), atol=1e-6)


def test_the_tokenizer_neither_cuts_nor_fills_up(tmp_path: Path) -> None:
    cutting = tokenizer()
    cutting.enable_truncation(1)
    cutting.enable_padding(length=4)
    write_static(tmp_path / "cutting", cutting.to_str(), vectors(), {})
    embedder = opened(tmp_path / "cutting")
    assert np.allclose(embedder.encode(TEXTS), mean_vectors(TEXTS, read_weights(tmp_path / "cutting")), atol=1e-6)


def test_instructions_are_written_before_questions_and_passages(folder: Path) -> None:
    plain = opened(folder)
    told = opened(folder, query_instruction="tcp ", document_instruction="atomic ")
    assert np.allclose(told.encode_queries(TEXTS), plain.encode([f"tcp {text}" for text in TEXTS]), atol=1e-6)
    assert np.allclose(told.encode(TEXTS), plain.encode([f"atomic {text}" for text in TEXTS]), atol=1e-6)


def lose_weights(folder: Path) -> None:
    (folder / MODULE / WEIGHTS).unlink()


def cut_weights(folder: Path) -> None:
    path = folder / MODULE / WEIGHTS
    path.write_bytes(path.read_bytes()[:-9])


def other_tensors(folder: Path) -> None:
    save_file({"linear.weight": vectors()}, folder / MODULE / WEIGHTS)


def no_scale(folder: Path) -> None:
    save_file({"embedding.int8": np.ones((len(WORDS), 8), dtype=np.int8)}, folder / MODULE / WEIGHTS)


def lose_tokenizer(folder: Path) -> None:
    (folder / MODULE / TOKENIZER).unlink()


def spoil_tokenizer(folder: Path) -> None:
    (folder / MODULE / TOKENIZER).write_text("{", encoding="utf-8")


def another_tokenizer(folder: Path) -> None:
    tokenizer([*WORDS, "one more"]).save(str(folder / MODULE / TOKENIZER))


def spoil_modules(folder: Path) -> None:
    (folder / "modules.json").write_text("{", encoding="utf-8")


def modules_of_another_form(folder: Path) -> None:
    (folder / "modules.json").write_text('[{"idx": 0}]', encoding="utf-8")


def no_numbers(folder: Path) -> None:
    write_static(folder, tokenizer().to_str(), vectors(), {})
    save_file({"embedding.weight": np.full((len(WORDS), 8), np.nan, dtype=np.float32)}, folder / MODULE / WEIGHTS)


DAMAGES = {
    lose_weights: "weights",
    cut_weights: "weights",
    other_tensors: "weights",
    no_scale: "weights",
    lose_tokenizer: "tokenizer",
    spoil_tokenizer: "tokenizer",
    another_tokenizer: "6 vectors for 7 tokens",
    spoil_modules: "modules",
    modules_of_another_form: "modules",
    no_numbers: "not numbers",
}


@pytest.mark.parametrize(("damage", "told"), DAMAGES.items(), ids=[damage.__name__ for damage in DAMAGES])
def test_a_damaged_folder_is_an_error_that_names_it_and_the_fault(folder: Path, damage: Any, told: str) -> None:
    damage(folder)
    with pytest.raises(ModelError, match=told) as caught:
        opened(folder)
    assert str(folder) in caught.value.message and caught.value.mend


def test_only_a_model_of_that_one_module_is_static(folder: Path) -> None:
    assert is_static(folder)
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    modules.append({"idx": 1, "name": "1", "path": "1_Normalize", "type": "sentence_transformers.models.Normalize"})
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    assert not is_static(folder)
