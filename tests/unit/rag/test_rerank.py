"""A cross-encoder of chance, loaded and asked for real."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_models
from made_generations import CALIBRATION, book_of

from core.errors import ModelError
from core.settings import RetrievalSettings, Settings
from core.types import Passage
from rag.build import build_reranker, build_retriever
from rag.rerank import CrossEncoderReranker
from vector_db.reader import Generation

QUESTION = "what is a transaction"
TEXTS = ["死锁 必要 条件", "a transaction is the query", "**进程** [查询](https://example.org/a)", "the passage"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_models.cross_encoder(tmp_path_factory.mktemp("models") / "cross")


@pytest.fixture(scope="module")
def reranker(made: Path) -> CrossEncoderReranker:
    return CrossEncoderReranker(str(made))


def passages() -> list[Passage]:
    content = book_of("book", [(("死锁", f"the {number}"), text) for number, text in enumerate(TEXTS)], read=False)
    return [Passage(chunk, content.record.book(), 1 / (1 + at), 0.4) for at, chunk in enumerate(content.chunks)]


def test_the_model_itself_scores_question_and_passage_with_its_headings(
    reranker: CrossEncoderReranker, made: Path
) -> None:
    from sentence_transformers import CrossEncoder

    found = reranker.rerank(QUESTION, passages())
    read = ["死锁 必要 条件", "a transaction is the query", "进程 查询", "the passage"]
    pairs = [(QUESTION, f"book > 死锁 > the {number}\n{text}") for number, text in enumerate(read)]
    wanted = CrossEncoder(str(made), local_files_only=True).predict(pairs)
    assert len(set(np.round(wanted, 6))) == len(TEXTS)
    assert [passage.chunk.ordinal for passage in found] == np.argsort(-wanted).tolist()
    assert [passage.score for passage in found] == pytest.approx(sorted(wanted, reverse=True), abs=1e-5)


def test_passages_stay_what_they_are_but_for_score_and_order(reranker: CrossEncoderReranker) -> None:
    found = reranker.rerank(QUESTION, passages())
    by_id = {passage.chunk.id: passage for passage in found}
    assert [replace(by_id[passage.chunk.id], score=passage.score) for passage in passages()] == passages()
    assert reranker.rerank(QUESTION, passages()[::-1]) == found


def test_no_passages_are_no_work(reranker: CrossEncoderReranker) -> None:
    assert reranker.rerank(QUESTION, []) == []


def test_the_settings_name_the_cross_encoder(made: Path, opened: Generation, settings: Settings) -> None:
    assert build_reranker(settings) is None
    retrieval = RetrievalSettings(reranker=str(made), rerank=3)
    one = build_retriever(settings.model_copy(update={"retrieval": retrieval}), None)
    usual = build_retriever(settings, None).search(opened, "死锁", 3)
    found = one.search(opened, "死锁", 3)
    assert {passage.chunk.id for passage in found} == {passage.chunk.id for passage in usual}
    assert [passage.score for passage in found] == sorted((passage.score for passage in found), reverse=True)
    assert {passage.relevance for passage in found} == {passage.relevance for passage in usual}
    assert opened.manifest.calibration == CALIBRATION


def test_a_name_that_is_neither_a_folder_nor_to_be_had_is_refused() -> None:
    with pytest.raises(ModelError, match="no-such-model") as caught:
        CrossEncoderReranker("no-such-model")
    assert "KEBEN_RETRIEVAL__RERANKER" in caught.value.mend


def test_a_cross_encoder_of_the_hub_is_found_in_the_local_cache(
    made: Path, reranker: CrossEncoderReranker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As most are there: without modules.json."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repository, commit = tmp_path / "models--textbooks--cross", "0123456789abcdef0123456789abcdef01234567"
    shutil.copytree(made, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit, encoding="utf-8")
    assert not (made / "modules.json").exists()
    assert CrossEncoderReranker("textbooks/cross").rerank(QUESTION, passages()) == reranker.rerank(QUESTION, passages())


def test_the_network_is_forbidden_only_once_the_model_is_there(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    told: list[str | None] = []

    def downloaded(name: str, *_: object, **__: object) -> Path:
        told.append(os.environ.get("HF_HUB_OFFLINE"))
        return made

    monkeypatch.setattr("rag.rerank.hub_folder", downloaded)
    CrossEncoderReranker("textbooks/cross")
    assert told == [None] and os.environ["HF_HUB_OFFLINE"] == "1"


@pytest.mark.parametrize("damage", ["config.json", "model.safetensors"])
def test_a_damaged_cross_encoder_is_refused_and_the_setting_named(made: Path, tmp_path: Path, damage: str) -> None:
    folder = Path(shutil.copytree(made, tmp_path / "cross"))
    (folder / damage).write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match="cross-encoder") as caught:
        CrossEncoderReranker(str(folder))
    assert str(folder) in caught.value.message and "KEBEN_RETRIEVAL__RERANKER" in caught.value.mend
