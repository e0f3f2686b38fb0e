"""Sentences of which one number was changed: whether the check finds it, and leaves the true ones alone."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from citing.pairs import paragraphs, sentences_of
from core.types import Language
from rag.facts import facts, stands, values_in

_DIGITS = re.compile(r"(?<![\w.])\d+(?![\w.])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Found:
    """changed: how many sentences with a wrong number were found, of how many; true ones wrongly flagged likewise."""

    changed: int
    flagged: int
    true: int
    wrongly: int


def numbers_found(data: Path, said: Language, read: Language) -> Found:
    """XQuAD's sentences with numbers, in `said`, against their own paragraph in `read`."""
    rows = list(_swapped(data, said, read))
    return Found(
        len(rows),
        sum(_lacks(changed, passage) for _, changed, passage in rows),
        len(rows),
        sum(_lacks(true, passage) for true, _, passage in rows),
    )


def _swapped(data: Path, said: Language, read: Language) -> Iterator[tuple[str, str, str]]:
    """A sentence, the same with one number changed, and its paragraph."""
    chance = random.Random(1)
    for own, other in zip(paragraphs(data, said), paragraphs(data, read), strict=True):
        for sentence in sentences_of(own["text"]):
            if places := list(_DIGITS.finditer(sentence)):
                place = chance.choice(places)
                wrong = int(place.group()) + chance.choice([-2, -1, 1, 2, 10])
                changed = sentence[: place.start()] + str(abs(wrong)) + sentence[place.end() :]
                if not stands(float(abs(wrong)), values_in(other["text"])):
                    yield sentence, changed, other["text"]


def _lacks(sentence: str, passage: str) -> bool:
    values = values_in(passage)
    return any(not stands(value, values) for _, value in facts(sentence).values)
