"""What stands before questions and passages."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import ModelError
from core.settings import EmbeddingSettings
from vector_db.instructions import Instructions, instructions

BGE = "为这个句子生成表示以用于检索相关文章："


def of(folder: Path, model: str = "some-model", **settings: Any) -> Instructions:
    return instructions(EmbeddingSettings(model=model, **settings), folder)


def write(folder: Path, **config: Any) -> Path:
    (folder / "config_sentence_transformers.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def test_a_model_that_says_nothing_and_is_not_known_gets_none(tmp_path: Path) -> None:
    assert of(tmp_path) == Instructions("", "")
    assert of(write(tmp_path)) == of(write(tmp_path, prompts=None)) == Instructions()


@pytest.mark.parametrize("key", ["document", "passage", "corpus"])
def test_the_folder_of_the_model_says_them(tmp_path: Path, key: str) -> None:
    assert of(write(tmp_path, prompts={"query": "q: ", key: "p: "})) == Instructions("q: ", "p: ")


def test_a_prompt_by_default_stands_where_none_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path, prompts={"query": "q: ", "all": "a: "}, default_prompt_name="all")
    assert of(folder) == Instructions("q: ", "a: ")


@pytest.mark.parametrize(
    "model",
    [
        "BAAI/bge-small-zh-v1.5",
        "/models/bge-large-zh",
        "~/hf/hub/models--BAAI--bge-base-zh-v1.5/snapshots/0a1b2c",
        r"C:\models\BGE-small-zh-v1.5",
    ],
)
def test_well_known_models_are_known_by_their_names(tmp_path: Path, model: str) -> None:
    assert of(tmp_path, model) == Instructions(BGE, "")


def test_other_models_are_not_taken_for_well_known_ones(tmp_path: Path) -> None:
    assert of(tmp_path, "intfloat/multilingual-e5-small") == Instructions("query: ", "passage: ")
    for model in ("BAAI/bge-m3", "me/bge-small-zh-v1.5-physics", "me/not-bge-small-zh"):
        assert of(tmp_path, model) == Instructions()


def test_two_empty_prompts_say_nothing_and_one_says_that_the_other_is_none(tmp_path: Path) -> None:
    model = "intfloat/e5-base"
    assert of(write(tmp_path, prompts={"query": "", "document": ""}), model) == Instructions("query: ", "passage: ")
    assert of(write(tmp_path, prompts={"query": "q: ", "document": ""}), model) == Instructions("q: ", "")


def test_the_settings_have_the_last_word(tmp_path: Path) -> None:
    folder = write(tmp_path, prompts={"query": "q: ", "document": "p: "})
    assert of(folder, query_instruction="问：") == Instructions("问：", "p: ")
    assert of(folder, query_instruction="", document_instruction="") == Instructions()


@pytest.mark.parametrize("content", ["{", "[]", '{"prompts": ["a"]}', '{"prompts": "query"}'])
def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "config_sentence_transformers.json").write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be read") as caught:
        of(tmp_path)
    assert str(tmp_path) in caught.value.message and "config_sentence_transformers.json" in caught.value.mend
