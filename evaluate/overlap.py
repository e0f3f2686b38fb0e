"""How much of a right answer an answer in words holds. Pure functions.

The measures are those of SQuAD, with the tokens of CMRC 2018: each Chinese character and each run of other letters or
digits, without punctuation. Case and English articles do not count; nor do markup, width and script here.
Rajpurkar et al., "SQuAD: 100,000+ Questions for Machine Comprehension of Text", 2016; Cui et al., "A Span-Extraction
Dataset for Chinese Machine Reading Comprehension", 2019.
"""

import re
from collections import Counter
from collections.abc import Sequence

from core.text import plain
from vector_db.tokenizer import normalise

_TOKEN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|[^\\W_\u3400-\u9fff\uf900-\ufaff]+")
_MARKER = re.compile(r"\[\d{1,2}\]")
_ARTICLES = frozenset(("a", "an", "the"))

MEASURES = ("answer_contained", "token_recall", "token_f1")


def answer_tokens(text: str) -> list[str]:
    """The tokens that are compared; the markers of citations are none."""
    found: list[str] = _TOKEN.findall(normalise(plain(_MARKER.sub("", text))))
    return [token for token in found if token not in _ARTICLES]


def overlaps(answer: str, golds: Sequence[str]) -> dict[str, float]:
    """Each of `MEASURES`, 0 to 1, for the right answer that it is best for; empty when none has tokens.

    answer_contained: whether the tokens of a right answer stand in the answer in one run. token_recall: share of the
    tokens of a right answer that the answer holds; a long answer loses nothing by it. token_f1: its harmonic mean with
    the share of the answer's tokens that the right answer holds.
    """
    said = answer_tokens(answer)
    rows = [_overlap(said, wanted) for wanted in map(answer_tokens, golds) if wanted]
    return {name: max(values) for name, values in zip(MEASURES, zip(*rows, strict=True), strict=True)} if rows else {}


def contained(gold: str, text: str) -> bool:
    """Whether the tokens of `gold`, at least one, stand in `text` in one run."""
    wanted = answer_tokens(gold)
    return bool(wanted) and _run(answer_tokens(text), wanted)


def _overlap(said: Sequence[str], wanted: Sequence[str]) -> tuple[float, float, float]:
    shared = sum((Counter(said) & Counter(wanted)).values())
    return float(_run(said, wanted)), shared / len(wanted), 2 * shared / (len(said) + len(wanted))


def _run(said: Sequence[str], wanted: Sequence[str]) -> bool:
    width = len(wanted)
    return any(said[at : at + width] == wanted for at in range(len(said) - width + 1))
