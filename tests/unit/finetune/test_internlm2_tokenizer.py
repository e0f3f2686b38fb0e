"""tokenizer.json gives the ids that SentencePiece gives, and the text back."""

import json
import random
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tiny_internlm2 import (
    BYTE,
    CHAT,
    LETTERS,
    NORMAL,
    USER,
    WORDS,
    Pieces,
    random_weights,
    tiny_config,
    tiny_pieces,
    write_json,
    write_model,
    write_tokenizer_model,
)
from transformers import AutoTokenizer

from finetune.layout import convert
from finetune.sentence_pieces import read_sentencepiece
from finetune.tokenizer import build_tokenizer, convert_tokenizer, special_tokens

TEXTS = [
    "什么是死锁？操作系统如何避免死锁（银行家算法）？",
    "进程和线程的区别是什么，𠮷野家 🙂 é",
    r"$\frac{1}{n} \sum_{i=1}^{n} (C_i - A_i)$",
    "def f(x):\n    if x == 0:\n\treturn  print('[UNUSED]')\n\n",
    "  two before,  two   between and three after   ",
    "ＡＢ [UNUSED_TOKEN_0] ▁ \r\n \u3000",
    "<0x0A> <|im_en d|>",
    "",
    " ",
]


def encode_by_the_book(pieces: Pieces, text: str) -> list[int]:
    """SentencePiece's BPE: user-defined pieces first, then join the best-scored neighbours, then bytes for the rest."""
    ids = {piece: number for number, (piece, *_) in enumerate(pieces)}
    score = {piece: value for piece, value, kind in pieces if kind == NORMAL}
    users = [re.escape(piece) for piece, _, kind in pieces if kind == USER]
    found: list[int] = []
    for part in re.split(f"({'|'.join(users)})", text):
        if part in ids and pieces[ids[part]][2] == USER:
            found.append(ids[part])
            continue
        symbols = list(part.replace(" ", "▁"))
        while True:
            pairs = [(-score[a + b], at) for at, (a, b) in enumerate(pairwise(symbols)) if a + b in score]
            if not pairs:
                break
            at = min(pairs)[1]
            symbols[at : at + 2] = [symbols[at] + symbols[at + 1]]
        for symbol in symbols:
            found += [ids[symbol]] if symbol in score else [ids[f"<0x{byte:02X}>"] for byte in symbol.encode()]
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer")
    config = tiny_config()
    convert(write_model(path / "internlm2", config, random_weights(config)), path / "llama")
    return path / "llama"


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


@pytest.mark.parametrize("text", TEXTS)
def test_known_texts(tokenizer: Any, text: str) -> None:
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert ids == encode_by_the_book(tiny_pieces(), text)
    assert tokenizer.decode(ids) == text.replace("▁", " ")
    assert tokenizer.encode(text) == [1, *ids]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(st.sampled_from([*WORDS, *LETTERS, "  ", "==", "Ａ", "\u3000"]), st.text(max_size=3)), max_size=20
    )
)
def test_any_text(tokenizer: Any, parts: list[str]) -> None:
    """But not with the name of a special token in it: that is cut out, as InternLM2's own tokenizer does."""
    text = "".join(parts)
    assume(not any(token in text for token in tokenizer.all_special_tokens))
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert ids == encode_by_the_book(tiny_pieces(), text)
    assert tokenizer.decode(ids) == text.replace("▁", " ")


def test_words_are_single_tokens(tokenizer: Any) -> None:
    assert tokenizer.tokenize("操作系统") == ["操作系统"]
    assert tokenizer.tokenize(" deadlock") == ["▁deadlock"]
    assert tokenizer.tokenize("🙂") == ["<0xF0>", "<0x9F>", "<0x99>", "<0x82>"]


def test_special_tokens_are_not_split(tokenizer: Any) -> None:
    names = [text for text, *_ in tiny_pieces()]
    for piece, token in CHAT.items():
        assert tokenizer.convert_tokens_to_ids(token) == names.index(piece)
        assert tokenizer.encode(f"a{token}b", add_special_tokens=False)[1] == names.index(piece)
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id) == (1, 2, 0)
    assert tokenizer.pad_token_id == 2
    ids = tokenizer.encode("<|im_start|>user\n死锁 Ａ<|im_end|>\n")
    assert tokenizer.decode(ids) == "<s><|im_start|>user\n死锁 Ａ<|im_end|>\n"
    assert tokenizer.decode(ids, skip_special_tokens=True) == "user\n死锁 Ａ\n"
    assert set(CHAT.values()) <= set(tokenizer.all_special_tokens)


def test_chat_template_gives_one_token_for_each_mark(tokenizer: Any) -> None:
    turns = [{"role": "user", "content": "死锁"}, {"role": "assistant", "content": "的"}]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert text == ("<s><|im_start|>user\n死锁<|im_end|>\n<|im_start|>assistant\n的<|im_end|>\n<|im_start|>assistant\n")
    ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True)["input_ids"]
    assert ids == tokenizer.encode(text, add_special_tokens=False)
    names = [text for text, *_ in tiny_pieces()]
    assert ids.count(1) == 1
    assert ids.count(names.index("[UNUSED_TOKEN_146]")) == 3


def test_files_say_chinese_as_chinese(folder: Path) -> None:
    assert "操作系统" in (folder / "tokenizer.json").read_text(encoding="utf-8")
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert "auto_map" not in config
    assert config["padding_side"] == "left"
    assert config["model_input_names"] == ["input_ids", "attention_mask"]


@pytest.mark.parametrize("named", [False, True])
def test_chat_tokens_that_the_folder_does_not_name(tmp_path: Path, named: bool) -> None:
    """Early releases have no added_tokens_decoder; transformers 5 saves the template in a file of its own."""
    write_tokenizer_model(tmp_path / "tokenizer.model", tiny_pieces())
    if named:
        write_json(tmp_path / "tokenizer_config.json", {"eos_token": {"content": "<|im_end|>"}, "bos_token": "<s>"})
        (tmp_path / "chat_template.jinja").write_text("{{ '你好' }}", encoding="utf-8")
    (tmp_path / "out").mkdir()
    names = [text for text, *_ in tiny_pieces()]
    end = names.index("[UNUSED_TOKEN_145]")
    assert convert_tokenizer(tmp_path, tmp_path / "out", 5000) == ([end] if named else [2, end])
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out", local_files_only=True)
    written = tokenizer.apply_chat_template([{"role": "user", "content": "的"}], tokenize=False)
    assert written == ("你好" if named else "<s><|im_start|>user\n的<|im_end|>\n")
    assert tokenizer.encode("<|im_end|>", add_special_tokens=False) == [end]


def test_tokens_added_behind_the_vocabulary(tmp_path: Path) -> None:
    """As in InternVL's language models; one token also replaces a piece that merges had made."""
    pieces = tiny_pieces()
    word = next(number for number, (text, *_) in enumerate(pieces) if text == "deadlock")
    added = {str(len(pieces)): {"content": "<image>"}, str(len(pieces) + 1): {"content": "甲乙", "special": False}}
    added[str(word)] = {"content": "<|custom|>"}
    write_tokenizer_model(tmp_path / "tokenizer.model", pieces)
    write_json(tmp_path / "tokenizer_config.json", {"added_tokens_decoder": added})
    (tmp_path / "out").mkdir()
    convert_tokenizer(tmp_path, tmp_path / "out", len(pieces) + 2)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out", local_files_only=True)
    ids = tokenizer.encode("<image>甲乙<|custom|>的", add_special_tokens=False)
    assert ids[:3] == [len(pieces), len(pieces) + 1, word]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "甲乙的"
    assert len(tokenizer.encode("deadlock", add_special_tokens=False)) == 2


@pytest.mark.parametrize("prefix", [False, True])
def test_the_same_as_sentencepiece(tmp_path: Path, prefix: bool) -> None:
    sentencepiece = pytest.importorskip("sentencepiece")
    path = tmp_path / "tokenizer.model"
    write_tokenizer_model(path, tiny_pieces(), prefix=prefix)
    model = read_sentencepiece(path)
    ours = build_tokenizer(model, special_tokens(model.pieces, {}), path)
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(path))
    choices = random.Random(0)
    parts = [*WORDS, *LETTERS, " ", "  ", "🙂", "é", "▁"]
    for text in ["".join(choices.choices(parts, k=choices.randint(1, 30))) for _ in range(500)]:
        ids = ours.encode(text, add_special_tokens=False).ids
        assert ids == theirs.encode(text)
        assert ours.decode(ids) == theirs.decode(ids)


@pytest.mark.parametrize("text", ["死锁 的", "deadlock  the", " 进程", "🙂"])
def test_a_model_that_puts_a_space_before(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tokenizer.model"
    write_tokenizer_model(path, tiny_pieces(), prefix=True)
    model = read_sentencepiece(path)
    tokenizer = build_tokenizer(model, special_tokens(model.pieces, {}), path)
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert ids == encode_by_the_book(tiny_pieces(), f" {text}")
    assert tokenizer.decode(ids) == text


def test_pieces_are_read_as_written(tmp_path: Path) -> None:
    write_tokenizer_model(tmp_path / "tokenizer.model", tiny_pieces(), prefix=True)
    model = read_sentencepiece(tmp_path / "tokenizer.model")
    assert [(piece.text, piece.score, piece.kind) for piece in model.pieces] == tiny_pieces()
    assert model.dummy_prefix
    assert sum(piece.kind == BYTE for piece in model.pieces) == 256
