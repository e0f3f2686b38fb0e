"""Lengths in tokens, with the bundled embedder's tokenizer and small ones made here."""

import json
from pathlib import Path

import pytest
import small_models
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from core.errors import ModelError
from core.settings import EmbeddingSettings
from vector_db.embedder import model_folder
from vector_db.token_counter import TokenCounter

BUNDLED = model_folder(EmbeddingSettings())


@pytest.fixture(scope="module")
def count() -> TokenCounter:
    return TokenCounter(BUNDLED)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that reads 24 tokens of a text."""
    return small_models.bert(tmp_path_factory.mktemp("models") / "bert")


def test_it_counts_as_the_embedders_tokenizer_does(bert: Path) -> None:
    # Imported here: it takes seconds.
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(bert), local_files_only=True)
    texts = ["what is a transaction?", "死锁 的 必要 条件", "", "the transaction " * 300]
    wanted = [
        len(tokenizer(text, add_special_tokens=False, truncation=False, verbose=False).input_ids) for text in texts
    ]
    assert TokenCounter(bert)(texts) == wanted


def test_the_bundled_embedder_counts_words_of_both_languages_in_simplified_characters(count: TokenCounter) -> None:
    assert count(["死锁的必要条件", "死鎖的必要條件", "A transaction is atomic.", ""]) == [3, 3, 4, 0]


def test_markup_and_other_forms_of_characters_are_counted_as_they_are_read(count: TokenCounter) -> None:
    assert count(["见 **[死锁](https://example.org/a/very/long/address.html)**"]) == count(["见 死锁"])
    assert count(["eﬃcient ＴＣＰ"]) == count(["efficient TCP"])


def test_a_long_run_of_letters_is_no_single_token(count: TokenCounter) -> None:
    assert count(["x" * 50_000])[0] > 3000


@examples(max_examples=50, deadline=None)
@given(texts=st.lists(st.text(max_size=50), max_size=5))
def test_a_text_counts_the_same_in_any_company(count: TokenCounter, texts: list[str]) -> None:
    assert count(texts) == [count([text])[0] for text in texts]


def test_it_says_how_much_the_embedder_reads(count: TokenCounter, bert: Path) -> None:
    assert TokenCounter(bert).reads == 22  # 24 less the two marks around a text
    assert count.reads is None


def test_what_is_written_before_a_text_leaves_less_to_be_read(bert: Path) -> None:
    assert TokenCounter(bert, "passage: ").reads == 20
    assert TokenCounter(bert, "passage: " * 300).reads == 1
    assert TokenCounter(BUNDLED, "passage: ").reads is None


def test_a_text_of_which_no_token_comes_is_unknown(tmp_path: Path) -> None:
    Tokenizer(models.BPE({"a": 0, "b": 1}, [])).save(str(tmp_path / "tokenizer.json"))
    count = TokenCounter(tmp_path)
    assert (count.unknown_rate("死锁"), count.unknown_rate("ab"), count.unknown_rate("。")) == (1, 0, 0)


def test_a_tokenizer_of_special_tokens_alone_is_refused(tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.add_special_tokens(["[CLS]", "[SEP]"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ModelError, match="knows no token") as caught:
        TokenCounter(tmp_path)
    assert str(tmp_path) in caught.value.message


def static_model(folder: Path) -> Path:
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "死锁": 1}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_truncation(2)
    tokenizer.enable_padding(length=9)
    (folder / "0_StaticEmbedding").mkdir()
    tokenizer.save(str(folder / "0_StaticEmbedding" / "tokenizer.json"))
    return folder


def test_a_static_model_keeps_its_tokenizer_in_a_folder_of_its_own_and_reads_all(tmp_path: Path) -> None:
    count = TokenCounter(static_model(tmp_path))
    assert count(["死锁 死锁 死锁 x", ""]) == [4, 0]
    assert count.reads is None


def test_the_limit_may_stand_with_the_tokenizer(tmp_path: Path) -> None:
    folder = static_model(tmp_path)
    config = folder / "0_StaticEmbedding" / "tokenizer_config.json"
    for limit, reads in ((512, 512), (10**30, None)):
        config.write_text(json.dumps({"model_max_length": limit}), encoding="utf-8")
        assert TokenCounter(folder).reads == reads


def test_a_folder_with_a_vocabulary_alone_will_do(tmp_path: Path) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##believ", "##able", "死", "锁"]
    (tmp_path / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    for name, content in (
        ("tokenizer_config.json", {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512}),
        ("config.json", {"model_type": "bert"}),
    ):
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    count = TokenCounter(tmp_path)
    assert count(["Unbelievable 死锁"]) == [5] and count.unknown_rate("unbelievable 死亡") == 0.2
    assert count.reads == 510


def test_a_model_that_knows_normalised_words_reads_other_characters_as_those(tmp_path: Path) -> None:
    folder = static_model(tmp_path)
    assert TokenCounter(folder).unknown_rate("死鎖") == 1
    (folder / "keben.json").write_text('{"normalised": true}', encoding="utf-8")
    assert TokenCounter(folder).unknown_rate("死鎖") == 0


@pytest.mark.parametrize("content", [None, "", "{}", "not json"])
def test_a_tokenizer_that_cannot_be_read_is_an_error_with_the_folder(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        TokenCounter(tmp_path)
    assert str(tmp_path) in caught.value.message and caught.value.mend
