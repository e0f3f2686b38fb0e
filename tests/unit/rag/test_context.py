"""What fits into a model's context, and how many tokens a text is thought to have."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

from core.errors import ConfigError
from core.settings import PROJECT
from rag.context import Fitted, cut, estimated_tokens, fit


def words(text: str) -> int:
    return len(text)


@pytest.mark.parametrize(
    ("room", "fitted"),
    [
        (100, Fitted(3, 3)),
        (91, Fitted(3, 3)),
        (90, Fitted(2, 3)),
        (81, Fitted(2, 3)),
        (80, Fitted(1, 3)),
        (61, Fitted(1, 3)),
        (60, Fitted(0, 3)),
        (58, Fitted(0, 3)),
        (57, Fitted(0, 2)),
        (45, Fitted(0, 2)),
        (44, Fitted(0, 1)),
        (25, Fitted(0, 1)),
        (24, Fitted(0, 1, 1)),
        (10, Fitted(0, 1, 15)),
    ],
)
def test_the_oldest_history_goes_first_then_the_lowest_passages(room: int, fitted: Fitted) -> None:
    assert fit(10, [10, 20, 3], [15, 20, 13], room) == fitted


def test_a_question_that_does_not_fit_names_the_tokens_and_the_limit() -> None:
    with pytest.raises(ConfigError, match=r"take 11 tokens, there is room for 10") as caught:
        fit(11, [1], [1], 10)
    assert "shorter question" in caught.value.mend and "KEBEN_LLM__CONTEXT_TOKENS" in caught.value.mend


def test_without_passages_and_history_nothing_is_dropped() -> None:
    assert fit(10, [], [], 10) == Fitted(0, 0)


COSTS = st.lists(st.integers(1, 50), max_size=6)


@given(st.integers(0, 50), COSTS, COSTS, st.integers(0, 400))
def test_what_is_kept_fits_and_no_more_could_be(fixed: int, rounds: list[int], passages: list[int], room: int) -> None:
    if fixed > room:
        with pytest.raises(ConfigError):
            fit(fixed, rounds, passages, room)
        return
    fitted = fit(fixed, rounds, passages, room)

    def total(kept_rounds: int, kept: int) -> int:
        return fixed + sum(rounds[len(rounds) - kept_rounds :]) + sum(passages[:kept])

    assert fitted.over == max(0, total(fitted.rounds, fitted.passages) - room)
    if fitted.over:
        assert (fitted.rounds, fitted.passages) == (0, 1)
    if fitted.passages < len(passages):
        assert fitted.rounds == 0
        assert total(0, fitted.passages + 1) > room
    elif fitted.rounds < len(rounds):
        assert total(fitted.rounds + 1, fitted.passages) > room
    assert fitted.passages or not passages


SENTENCES = "死锁是互相等待。它有四个条件！\n\n能预防吗？能 yes"


@pytest.mark.parametrize(
    ("room", "text"),
    [
        (99, SENTENCES),
        (len(SENTENCES), SENTENCES),
        (len(SENTENCES) - 1, "死锁是互相等待。它有四个条件！\n\n能预防吗？"),
        (20, "死锁是互相等待。它有四个条件！"),
        (15, "死锁是互相等待。它有四个条件！"),
        (14, "死锁是互相等待。"),
        (8, "死锁是互相等待。"),
        (7, "死锁是互相等待"),
        (1, "死"),
        (0, ""),
        (-5, ""),
    ],
)
def test_a_text_is_cut_at_the_end_of_a_sentence(room: int, text: str) -> None:
    assert cut(SENTENCES, lambda part: len(part) <= room) == text


def test_code_is_cut_at_the_end_of_a_line() -> None:
    code = "for x in y:\n    print(x)\n    return x"
    assert cut(code, lambda part: len(part) <= 30) == "for x in y:\n    print(x)"


def test_a_formula_is_not_cut() -> None:
    assert cut("由此得证。又有 $a。b。c$ 成立。", lambda part: len(part) <= 12) == "由此得证。"


def books() -> list[str]:
    names = ("advanced-mathematics.md", "database-systems.md", "data-structures.html")
    return [(PROJECT / "knowledge" / name).read_text(encoding="utf-8") for name in names]


@pytest.fixture(scope="module")
def byte_pairs() -> Tokenizer:
    """A tokenizer built as those of Qwen and Llama 3 are, with a twentieth of their vocabulary."""
    made = Tokenizer(BPE())
    split = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(split), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(
        books(),
        BpeTrainer(vocab_size=8000, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()),
    )
    return made


def test_no_paragraph_of_a_book_has_more_tokens_than_estimated(byte_pairs: Tokenizer) -> None:
    paragraphs = [part for book in books() for part in re.split(r"\n\n+", book) if part.strip()]
    assert len(paragraphs) > 200
    pairs = [(estimated_tokens(part), len(byte_pairs.encode(part).ids)) for part in paragraphs]
    assert [part for part, (estimate, count) in zip(paragraphs, pairs, strict=True) if estimate < count] == []
    assert sum(estimate for estimate, _ in pairs) < 2.5 * sum(count for _, count in pairs)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("死锁。", 3),
        ("deadlock", 3),
        ("a dead lock", 5),
        ("TCPHeader", 4),
        ("3.14", 4),
        ("x = 1", 5),
        (r"\frac{a}{b}", 9),
        ("    x", 3),
        ("α", 2),
        ("𠀀", 4),
        ("\ud800", 3),
    ],
)
def test_how_tokens_are_estimated(text: str, tokens: int) -> None:
    assert estimated_tokens(text) == tokens


@given(st.text(), st.text())
def test_a_longer_text_is_never_estimated_to_be_shorter(first: str, second: str) -> None:
    assert estimated_tokens(first + second) >= estimated_tokens(first) - 1
