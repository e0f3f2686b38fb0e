"""The packaged embedder itself."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings

from core.errors import ModelError
from core.settings import EmbeddingSettings
from vector_db.embedder import PACKAGED, Embedder, model_folder, model_revision, open_embedder

TEXTS = ["A transaction is atomic.", "The B+-tree keeps its records in the leaves.", "Slow start doubles the window."]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return open_embedder(EmbeddingSettings())


@pytest.fixture
def model_copy(tmp_path: Path) -> Path:
    """The packaged model without its weights, for tests that damage it."""
    folder = tmp_path / "模型"
    shutil.copytree(model_folder(EmbeddingSettings()), folder, ignore=shutil.ignore_patterns("*.safetensors"))
    return folder


def test_it_does_not_know_chinese_and_knows_english(embedder: Embedder) -> None:
    assert embedder.unknown_rate("死锁的必要条件有哪些？进程与线程的区别是什么？") > 0.5
    assert embedder.unknown_rate("Atomicity: either all operations take effect or none does.") == 0
    assert embedder.unknown_rate("") == 0


def test_the_unknown_rate_of_a_long_book_looks_at_all_its_parts(embedder: Embedder) -> None:
    english, chinese = "A transaction is one unit of work. " * 3000, "死锁的必要条件。" * 13_000
    assert embedder.unknown_rate(english + chinese) > 0.2
    assert embedder.unknown_rate(chinese + english) > 0.2


def test_other_forms_of_characters_are_read_as_the_ordinary_ones(embedder: Embedder) -> None:
    odd, ordinary = embedder.encode(["An eﬃcient ＴＣＰ connection 𝑛", "An efficient TCP connection n"])
    assert odd == pytest.approx(ordinary, abs=1e-5)
    assert embedder.unknown_rate("eﬃcient ﬁle 𝑛 ＴＣＰ") == 0


def test_vectors_have_unit_length_and_the_dimension_it_names(embedder: Embedder) -> None:
    vectors = embedder.encode(TEXTS)
    assert vectors.shape == (3, embedder.dimension) and vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-5)


def test_the_same_text_has_the_same_vector_in_any_company(embedder: Embedder) -> None:
    alone = embedder.encode([TEXTS[0]])[0]
    assert np.array_equal(alone, embedder.encode([TEXTS[0]])[0])
    assert np.allclose(alone, embedder.encode(TEXTS)[0], atol=1e-5)


def test_a_question_is_nearest_to_the_text_that_answers_it(embedder: Embedder) -> None:
    question = np.asarray(embedder.embed_query("Which index structure stores the data in leaf nodes?"))
    assert int(np.argmax(embedder.encode(TEXTS) @ question)) == 1


def test_it_is_a_langchain_embedder(embedder: Embedder) -> None:
    assert isinstance(embedder, Embeddings)
    documents = embedder.embed_documents(TEXTS)
    assert len(documents) == 3
    assert all(type(x) is float for x in documents[0])
    assert embedder.embed_query(TEXTS[1]) == pytest.approx(documents[1], abs=1e-5)


def test_it_names_the_model_and_its_revision(embedder: Embedder) -> None:
    assert (embedder.name, embedder.dimension) == (PACKAGED, 384)
    assert embedder.revision == model_revision(EmbeddingSettings())


def test_the_revision_follows_the_files_of_the_model(model_copy: Path) -> None:
    settings = EmbeddingSettings(model=str(model_copy))
    before = model_revision(settings)
    assert before == model_revision(settings) and len(before) == 12
    (model_copy / "config.json").write_text("{}", encoding="utf-8")
    changed = model_revision(settings)
    (model_copy / "config.json").unlink()
    assert len({before, changed, model_revision(settings)}) == 3


def test_a_name_that_is_no_folder_is_refused_and_named(tmp_path: Path) -> None:
    for model in ("no-such-model", str(tmp_path)):
        with pytest.raises(ModelError, match=r"modules\.json is missing") as caught:
            open_embedder(EmbeddingSettings(model=model))
        assert model in caught.value.message
        assert "KEBEN_EMBEDDING__MODEL" in caught.value.mend and PACKAGED in caught.value.mend
