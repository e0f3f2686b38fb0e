"""From tokens to text, a few at a time."""

from itertools import pairwise

import pytest
from fakes import TINY_REPLY, write_tokenizer
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from rag.engine.text import TextStream


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("tokenizer") / "tiny"
    write_tokenizer(folder)
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


@given(
    text=st.text(st.sampled_from("死锁进程é😀 a[1]。")),
    cuts=st.lists(st.integers(0, 80)),
    stop=st.text("死锁a。", max_size=3),
)
def test_pieces_add_up_and_no_character_comes_in_halves(
    tokenizer: Tokenizer, text: str, cuts: list[int], stop: str
) -> None:
    tokens = tokenizer.encode(text, add_special_tokens=False).ids
    stream = TextStream(tokenizer, [stop] if stop else [])
    pieces = []
    places = [0, *sorted(min(cut, len(tokens)) for cut in cuts), len(tokens)]
    for start, end in pairwise(places):
        if not stream.ended:
            pieces.append(stream.feed(tokens[start:end]))
    pieces.append(stream.finish())
    whole = "".join(pieces)
    assert whole == (text.split(stop)[0] if stop else text)
    assert stream.ended == bool(stop and stop in text)


def test_special_tokens_are_not_text(tokenizer: Tokenizer) -> None:
    tokens = tokenizer.encode(f"{TINY_REPLY}<|im_end|>", add_special_tokens=False).ids
    assert TextStream(tokenizer).feed(tokens).strip() == TINY_REPLY


@given(st.lists(st.integers(5, 260)))
@example(tokens=[133, 5, 5, 5, 5, 199, 133, 5, 133, 5, 5, 5])
def test_bytes_that_make_no_character_are_no_failure(tokenizer: Tokenizer, tokens: list[int]) -> None:
    stream = TextStream(tokenizer)
    whole = "".join([*map(stream.feed, [[token] for token in tokens]), stream.finish()])
    assert len(whole) <= len(tokens)
    assert not whole.endswith("\ufffd") or len(tokens) > 3
