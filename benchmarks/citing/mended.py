"""Statements with a wrong marker, and without one, beside five passages: which markers they have after the check."""

import random
import re
from dataclasses import dataclass
from pathlib import Path

from citing.pairs import paragraphs, statements
from core.types import Language
from rag.citation_check import check
from rag.support import Evidence
from vector_db.embedder import bundled_embedder

_PASSAGES = 5


@dataclass(frozen=True, slots=True)
class Mended:
    """Of `total` statements: those whose only marker names their paragraph, that have none, and all others."""

    total: int
    right: int
    none: int
    wrong: int


def mended(data: Path, said: Language, read: Language, limit: int, *, marker: bool) -> Mended:
    """XQuAD's statements, in `said`, beside their paragraph and four near ones in `read`; half 1 alone.

    marker: whether they come with the marker of a near paragraph, else with none.
    """
    chance = random.Random(1)
    texts = [row["text"] for row in paragraphs(data, read)]
    near = [row["title"] for row in paragraphs(data, "en")]
    rows = [(at, text) for at, text, half in statements(data, said) if half]
    counts = {"right": 0, "none": 0, "wrong": 0}
    for at, text in chance.sample(rows, min(limit, len(rows))):
        others = [other for other, title in enumerate(near) if title == near[at] and other != at]
        shown = [at, *chance.sample(others, min(_PASSAGES - 1, len(others)))]
        chance.shuffle(shown)
        evidence = Evidence([texts[place] for place in shown], "", bundled_embedder().encode)
        right = shown.index(at) + 1
        wrong = chance.choice([number for number in range(1, len(shown) + 1) if number != right])
        stop = "。" if said == "zh" else "."
        found = re.findall(r"\[(\d)\]", check(f"{text}{stop}" + f"[{wrong}]" * marker, evidence).text)
        counts["none" if not found else "right" if found == [str(right)] else "wrong"] += 1
    return Mended(sum(counts.values()), **counts)
