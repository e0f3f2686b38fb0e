"""The words that the embedder knows, the tokenizer that finds them, and their first vectors."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tiny_texts import GLOSSES, write_encoder
from tokenizers import Tokenizer

from core.errors import ConfigError
from finetune.embedder.initial import first_vectors, general_words, open_teacher
from finetune.embedder.vocabulary import UNKNOWN, Counts, Sizes, choose, count_words, tokenizer_json
from vector_db.embedder import Embedder

TEXTS = [
    "死锁是两个进程互相等待。",
    "红黑树 is a balanced search tree",
    "哈希表 hash table",
    "反向传播 backpropagation",
]


@pytest.fixture(scope="module")
def vocabulary() -> dict[str, float]:
    return choose(count_words(TEXTS), GLOSSES, ["the", "of", "is"], Sizes(200, 200, 100, 50))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return open_teacher(write_encoder(tmp_path_factory.mktemp("models") / "encoder"))


def test_words_of_the_texts_are_tokens(vocabulary: dict[str, float]) -> None:
    assert {"进程", "等待", "哈希", "balanced", "hash", "栈"} <= vocabulary.keys()
    assert next(iter(vocabulary)) == UNKNOWN
    assert all(value <= 0 for value in vocabulary.values())


def test_it_is_chosen_by_frequency_and_alike_every_time() -> None:
    counts = Counts(Counter({"甲乙": 5, "丙丁": 500}), Counter({"rare": 1, "common": 99}))
    small = choose(counts, {}, [], Sizes(characters=0, words=1, english=1, pieces=0))
    assert "common" in small and "rare" not in small and "甲乙" not in small
    backwards = Counts(Counter({"丙丁": 500, "甲乙": 5}), Counter({"common": 99, "rare": 1}))
    assert list(choose(backwards, {}, [], Sizes(0, 1, 1, 0)).items()) == list(small.items())


def test_the_tokenizer_finds_whole_words_and_drops_punctuation(vocabulary: dict[str, float]) -> None:
    tokenizer = Tokenizer.from_str(tokenizer_json(vocabulary))
    assert tokenizer.encode("死锁，是“两个”进程……").tokens == ["死锁", "是", "两个", "进程"]
    assert tokenizer.encode("A balanced, SEARCH-tree: 1998!").tokens == ["a", "balanced", "search", "tree", "1998"]
    assert tokenizer.encode("naïve O(n²)").tokens[-2:] == ["o", "n"]
    assert tokenizer.encode("x_1 <= α").tokens == ["x", "1", "<", "=", "α"]


def test_only_other_scripts_are_unknown(vocabulary: dict[str, float]) -> None:
    tokenizer = Tokenizer.from_str(tokenizer_json(vocabulary))
    assert 0 not in tokenizer.encode("zyxwvuts 2.718 《》（）").ids
    assert tokenizer.encode("стек ひらがな").ids == [0, 0]


def test_a_tokenizer_needs_its_unknown_token_first() -> None:
    with pytest.raises(ConfigError, match="unknown token"):
        tokenizer_json({"a": -1.0, UNKNOWN: 0.0})


def test_words_of_one_meaning_begin_as_one(teacher: Embedder) -> None:
    vocabulary = {
        UNKNOWN: 0.0,
        "stack": -9.0,
        "栈": -9.0,
        "queue": -9.0,
        "函数": -9.0,
        "tree": -9.0,
        "二叉树": -9.0,
        "树": -5.0,
    }
    vectors = first_vectors(vocabulary, GLOSSES, teacher, 8)
    assert vectors.shape == (8, 8) and vectors.dtype == np.float32
    row = dict(zip(vocabulary, vectors, strict=True))
    assert row["栈"] == pytest.approx(row["stack"])
    assert np.linalg.norm(row["stack"]) == pytest.approx(1e-3 / (1e-3 + math.exp(-9)), rel=1e-4)
    # A word without glosses is the mean of its parts; a frequent one weighs less.
    assert row["二叉树"] / np.linalg.norm(row["二叉树"]) == pytest.approx(
        row["树"] / np.linalg.norm(row["树"]), abs=1e-5
    )
    assert np.linalg.norm(row["树"]) < np.linalg.norm(row["二叉树"])


def test_more_dimensions_than_the_encoder_has_are_refused(teacher: Embedder) -> None:
    with pytest.raises(ConfigError, match="dimension 17 is not between 1 and the 16"):
        first_vectors({UNKNOWN: 0.0, "stack": -9.0}, GLOSSES, teacher, 17)


def test_common_english_words_come_from_the_encoder(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[PAD]\n!\nthe\na\n##ing\nof\n", encoding="utf-8")
    assert general_words(tmp_path) == ["the", "of"]
