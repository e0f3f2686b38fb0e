"""The bundled embedder itself."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import opencc
import pytest
from english_model import write_english_model
from langchain_core.embeddings import Embeddings

from core.errors import ModelError
from core.settings import PROJECT, EmbeddingSettings
from vector_db.embedder import BUNDLED, Embedder, bundled_embedder, model_folder, model_revision, open_embedder

TEXTS = ["A transaction is atomic.", "The B+-tree keeps its records in the leaves.", "Slow start doubles the window."]
TEXTS_ZH = ["死锁是指进程互相等待对方占有的资源。", "事务是数据库执行的一个工作单元。", "慢启动使拥塞窗口加倍。"]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return open_embedder(EmbeddingSettings())


@pytest.fixture
def model_copy(tmp_path: Path) -> Path:
    """The bundled model without its weights, for tests that damage it."""
    folder = tmp_path / "模型"
    shutil.copytree(model_folder(EmbeddingSettings()), folder, ignore=shutil.ignore_patterns("*.safetensors"))
    return folder


def test_it_knows_chinese_and_english(embedder: Embedder) -> None:
    assert embedder.unknown_rate("死锁的必要条件有哪些？进程与线程的区别是什么？") == 0
    assert embedder.unknown_rate("Atomicity: either all operations take effect or none does.") == 0
    assert embedder.unknown_rate("") == 0
    assert embedder.unknown_rate("Взаимная блокировка процессов") == 1


def test_the_unknown_rate_of_a_long_book_looks_at_all_its_parts(tmp_path: Path) -> None:
    english, chinese = "A transaction is one unit of work. " * 3000, "死锁的必要条件。" * 13_000
    embedder = open_embedder(EmbeddingSettings(model=str(write_english_model(tmp_path / "english", [english]))))
    assert embedder.unknown_rate(english) == 0 and embedder.unknown_rate(chinese) > 0.5
    assert embedder.unknown_rate(english + chinese) > 0.2
    assert embedder.unknown_rate(chinese + english) > 0.2


def test_other_forms_of_characters_are_read_as_the_ordinary_ones(embedder: Embedder) -> None:
    odd, ordinary = embedder.encode(["An eﬃcient ＴＣＰ connection 𝑛", "An efficient TCP connection n"])
    assert odd == pytest.approx(ordinary, abs=1e-5)
    assert embedder.unknown_rate("eﬃcient ﬁle 𝑛 ＴＣＰ") == 0


def test_traditional_characters_have_the_vectors_of_simplified_ones(embedder: Embedder) -> None:
    traditional = [opencc.OpenCC("s2t").convert(text) for text in TEXTS_ZH]
    assert all(text != simple for text, simple in zip(traditional, TEXTS_ZH, strict=True))
    assert np.array_equal(embedder.encode(traditional), embedder.encode(TEXTS_ZH))


def test_vectors_have_unit_length_and_the_dimension_it_names(embedder: Embedder) -> None:
    vectors = embedder.encode([*TEXTS, *TEXTS_ZH])
    assert vectors.shape == (6, embedder.dimension) and vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(6), abs=1e-5)


def test_the_same_text_has_the_same_vector_in_any_company(embedder: Embedder) -> None:
    alone = embedder.encode([TEXTS[0]])[0]
    assert np.array_equal(alone, embedder.encode([TEXTS[0]])[0])
    assert np.allclose(alone, embedder.encode(TEXTS * 200)[-3], atol=1e-5)


def test_a_question_is_nearest_to_the_text_that_answers_it(embedder: Embedder) -> None:
    question = np.asarray(embedder.embed_query("Which index structure stores the data in leaf nodes?"))
    assert int(np.argmax(embedder.encode(TEXTS) @ question)) == 1


@pytest.mark.parametrize(
    ("question", "best"),
    [
        ("What is a deadlock of processes?", 0),
        ("What is a database transaction?", 1),
        ("How does slow start change the congestion window?", 2),
    ],
)
def test_an_english_question_is_nearest_to_the_chinese_text_that_answers_it(
    embedder: Embedder, question: str, best: int
) -> None:
    assert int(np.argmax(embedder.encode(TEXTS_ZH) @ np.asarray(embedder.embed_query(question)))) == best


def test_it_is_a_langchain_embedder(embedder: Embedder) -> None:
    assert isinstance(embedder, Embeddings)
    documents = embedder.embed_documents(TEXTS)
    assert len(documents) == 3
    assert all(type(x) is float for x in documents[0])
    assert embedder.embed_query(TEXTS[1]) == pytest.approx(documents[1], abs=1e-5)


def test_it_names_the_model_and_its_revision(embedder: Embedder) -> None:
    assert (embedder.name, embedder.dimension) == (BUNDLED, 256)
    assert embedder.revision == model_revision(EmbeddingSettings())


def test_it_is_the_model_that_the_settings_name_when_nobody_names_another() -> None:
    assert EmbeddingSettings().model == BUNDLED
    assert bundled_embedder() is bundled_embedder() and bundled_embedder().name == BUNDLED


def test_it_is_loaded_without_torch() -> None:
    code = (
        "import sys\nfrom vector_db.embedder import bundled_embedder\nbundled_embedder().encode(['死锁'])\n"
        "print(sorted({'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_revision_follows_the_files_of_the_model(model_copy: Path) -> None:
    settings = EmbeddingSettings(model=str(model_copy))
    before = model_revision(settings)
    assert before == model_revision(settings) and len(before) == 12
    (model_copy / "keben.json").write_text("{}", encoding="utf-8")
    changed = model_revision(settings)
    (model_copy / "keben.json").unlink()
    assert len({before, changed, model_revision(settings)}) == 3


def test_a_name_that_is_no_folder_is_refused_and_named(tmp_path: Path) -> None:
    for model in ("no-such-model", str(tmp_path)):
        with pytest.raises(ModelError, match=r"modules\.json is missing") as caught:
            open_embedder(EmbeddingSettings(model=model))
        assert model in caught.value.message
        assert "KEBEN_EMBEDDING__MODEL" in caught.value.mend and BUNDLED in caught.value.mend


def test_the_bundled_model_is_in_memory_once_unless_it_is_instructed() -> None:
    assert open_embedder(EmbeddingSettings(batch_size=64)) is bundled_embedder()
    assert open_embedder(EmbeddingSettings(query_instruction="检索：")) is not bundled_embedder()
