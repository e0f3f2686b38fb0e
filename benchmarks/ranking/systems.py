"""The systems beside Keben: each gives every passage a score for a question."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import bm25s
import numpy as np

from evaluate.gold import Unit
from ranking.passages import Passages, Vectors


def bm25(passages: Passages, cut: Callable[[str], list[str]], questions: Iterable[str]) -> Iterator[Vectors]:
    """For each question the score of every passage; 0 where no word is shared."""
    index = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    index.index([cut(words) for words in passages.words], show_progress=False)
    for question in questions:
        known = [word for word in cut(question) if word in index.vocab_dict]
        yield index.get_scores(known) if known else np.zeros(len(passages.units), dtype=np.float32)


def dense(passages: Vectors, questions: Vectors) -> Iterator[Vectors]:
    """For each question the cosine with every passage. Shapes (n, dimension), unit length."""
    return (passages @ question for question in questions)


def best(passages: Passages, scores: Vectors, depth: int) -> list[Unit]:
    """The best passages; what scores 0 is not found, ties go to the earlier one."""
    rows: Sequence[int] = np.argsort(-scores, kind="stable")[:depth].tolist()
    return [passages.units[row] for row in rows if scores[row] > 0]
