"""Whether it helped: ranks on held-out pairs, paired differences, the verdict."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluate.intervals import bootstrap
from finetune.embedder.adapted_card import AdaptFacts, adapted_card
from finetune.embedder.books import Books, Example
from finetune.embedder.proof import MRR, RECALL, Score, compare_ranks, ranks, verdict
from vector_db.embedder import Embedder, Vectors

SCORE = Score("held-out sections", MRR, 30, 0.5, 0.6, 0.1, 0.02, 0.18)


class Letters(Embedder):
    """Counts letters: rankings that can be worked out by hand."""

    name, revision, dimension = "letters", "0", 26

    def encode(self, texts: Sequence[str]) -> Vectors:
        counts = np.array([[text.count(chr(97 + n)) for n in range(26)] for text in texts], dtype=np.float32)
        return counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return self.encode(texts)

    def unknown_rate(self, text: str) -> float:
        return 0.0


def test_ranks_among_the_chunks_of_other_sections() -> None:
    books = Books(Path(), (), (), ("aaab", "abbb", "ccca", "a"), (0, 0, 1, 2))
    examples = [
        Example("heading", "b", "aaab", 0),  # another chunk of its section answers better
        Example("sentence", "b", "aaab", 0),  # its own passage must: no chunk elsewhere has a b
        Example("sentence", "a", "ccca", 1),
        Example("sentence", "z", "ccca", 1),  # nothing is found, and a tie is lost
        Example("question", "c", "cc", -1),
    ]
    assert ranks(Letters(), books, examples) == [1, 1, 4, 4, 1]


def test_each_section_counts_once() -> None:
    examples = [Example("heading", "a", "b", 0), Example("sentence", "a", "b", 0), Example("question", "a", "b", -1)]
    mrr, recall = compare_ranks(examples, [1, 2, 20], [1, 1, 5], bootstrap)
    assert (mrr.measure, recall.measure, mrr.units) == (MRR, RECALL, 2)
    assert (mrr.before, mrr.now) == pytest.approx((0.375, 0.6))
    assert (recall.before, recall.now) == pytest.approx((0.5, 1.0))
    assert mrr.difference == pytest.approx(0.225) and mrr.low <= mrr.difference <= mrr.high


def test_questions_without_a_section_stand_for_themselves() -> None:
    examples = [Example("question", "a", "b", -1)] * 3
    assert compare_ranks(examples, [1, 2, 4], [1, 2, 4], bootstrap)[0].units == 3


@pytest.mark.parametrize(
    ("held_out", "query_set", "said"),
    [
        ((0.02, 0.18), None, "helped"),
        ((-0.02, 0.18), None, "did not help"),
        ((-0.2, -0.01), None, "worse"),
        ((0.02, 0.18), (-0.05, 0.05), "did not help"),
        ((-0.05, 0.05), (0.01, 0.05), "helped"),
        ((0.02, 0.18), (-0.05, -0.01), "worse"),
        ((-0.05, -0.01), (0.01, 0.05), "worse"),
    ],
)
def test_the_verdict(held_out: tuple[float, float], query_set: tuple[float, float] | None, said: str) -> None:
    scores = [
        replace(SCORE, low=low, high=high) for low, high in (bounds for bounds in (held_out, query_set) if bounds)
    ]
    assert verdict([*scores, replace(SCORE, measure=RECALL, low=-1.0, high=-0.5)]) == said


def test_the_card_says_the_verdict_and_what_it_rests_on() -> None:
    card = adapted_card(
        AdaptFacts(
            "keben finetune embedder --kb 数学",
            "keben-zh-en",
            "math",
            7,
            120,
            {"heading": 1500},
            {"heading": 9},
            [SCORE],
            "did not help",
        )
    )
    assert "**Did not help**" in card and "keep the base" in card and "Seed 7, 120 steps" in card
    assert "| held-out sections | mrr@10 | 30 | 0.500 | 0.600 | +0.100 (+0.020 to +0.180) |" in card
    assert "| heading | 1,500 | 9 |" in card and "keben finetune embedder --kb 数学" in card
