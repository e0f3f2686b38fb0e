"""The writer that needs no model: it answers with the book's own sentences, each one cited."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.text import length, plain
from core.types import BlockKind, Passage
from rag.question import QuestionKind, kind_of, topic_of
from rag.retrieve import coverage
from rag.units import Unit, units_of
from vector_db.tokenizer import normalise, tokens
from vector_db.writer import heading_of

_MAX_UNITS = 4
_MAX_WORDS = 320
# How good a further unit must be beside the best one: in the same section, and elsewhere.
_FURTHER_HERE, _FURTHER_ELSEWHERE = 0.6, 0.85
_SAME = 0.8
_LEAST_COVERED = 0.5
_AFTER_DEFINITION = 2
_CODE_UNASKED = 0.3
_LONG = 120
_EXERCISE = re.compile(r"^(?:\W{0,3})(?:例|习题|练习|思考题|Example|Exercise|Problem)\s*\d", re.I)
_EXERCISES = re.compile(r"习题|练习|思考题|\bexercises?\b|\bproblems\b", re.I)
_EXERCISE_UNASKED = 0.15
_CAPTION_ALONE = 0.2
# A later part of a section is as far from its heading as so many units.
_PART = 4
_REASON = re.compile(
    r"因为|由于|因此|所以|原因|从而|导致|为了|\bbecause\b|\bsince\b|\btherefore\b|\bdue to\b|\bso that\b", re.I
)
_CONTRAST = re.compile(r"而|区别|不同|相比|然而|\bwhereas\b|\bwhile\b|\bunlike\b|\bdiffer|\bboth\b|\bbut\b", re.I)
_DEFINES = re.compile(
    r"^\s*(?:[（(][^）)]*[）)])?\s*(?:是|指|为|即|就是|称为|又称|也称|：|:|,?\s*(?:is|are|means|refers to|denotes)\b)"
)
_NAMES = re.compile(r"(?:称为|称作|叫做|叫作|即|called|known as|termed|referred to as)\s*(?:an?\s|the\s)?[*_“\"「]*$")
_LIST_WORDS = re.compile(r"以下|如下|分别|包括|分为|第一|首先|（1）|①|\bfollowing\b|\bfirst\b|\binclud", re.I)


@dataclass(frozen=True, slots=True)
class Scored:
    """A unit and how well it answers, for one question. covered: share of the question, headings included."""

    unit: Unit
    score: float
    covered: float
    terms: frozenset[str]


def select_units(question: str, weights: Mapping[str, float], passages: Sequence[Passage]) -> list[Unit]:
    """The units that answer best, in reading order; empty when no unit shares a term with the question.

    weights: importance of each term of the question.
    """
    kind, topic = kind_of(question), normalise(topic_of(question))
    scored = [
        item
        for rank, passage in enumerate(passages)
        for item in _score_passage(passage, rank, kind, topic, weights, passages[0].score)
    ]
    # A unit that leaves out the rarest words of the question talks of something else.
    most = max((item.covered for item in scored), default=0.0)
    scored = [item for item in scored if item.covered >= _LEAST_COVERED * most]
    scored.sort(key=lambda item: (-item.score, item.unit.rank, item.unit.order))
    if not scored or scored[0].score <= 0:
        return []
    chosen = [scored[0]]
    words = length(_text(scored[0].unit, passages))
    for item in scored[1:]:
        size = length(_text(item.unit, passages))
        fits = len(chosen) < _MAX_UNITS and words + size <= _MAX_WORDS
        new = not any(_alike(item.terms, other.terms) for other in chosen)
        if fits and new and _adds(item, chosen[0], kind, passages):
            chosen.append(item)
            words += size
    return sorted((item.unit for item in chosen), key=lambda unit: _place(unit, passages))


def _adds(item: Scored, best: Scored, kind: QuestionKind, passages: Sequence[Passage]) -> bool:
    """Whether a further unit belongs in the answer beside the best one."""
    chunk, home = passages[item.unit.rank].chunk, passages[best.unit.rank].chunk
    here = (chunk.book_id, chunk.heading_path) == (home.book_id, home.heading_path)
    if kind is QuestionKind.definition and _is_prose(best.unit):
        # What follows a definition explains it; other mentions of the word do not.
        return item.unit.rank == best.unit.rank and 0 < item.unit.order - best.unit.order <= _AFTER_DEFINITION
    if kind is QuestionKind.listing and not _is_prose(best.unit):
        return False
    if here:
        return item.score >= _FURTHER_HERE * best.score
    return item.score >= _FURTHER_ELSEWHERE * best.score and item.covered >= _FURTHER_ELSEWHERE * best.covered


def _is_prose(unit: Unit) -> bool:
    return BlockKind.list not in unit.kinds and BlockKind.table not in unit.kinds


def _text(unit: Unit, passages: Sequence[Passage]) -> str:
    return unit.text(passages[unit.rank])


def _place(unit: Unit, passages: Sequence[Passage]) -> tuple[int, int, int]:
    """Reading order: books by their best passage, then by position in the book."""
    book = passages[unit.rank].chunk.book_id
    first = next(rank for rank, passage in enumerate(passages) if passage.chunk.book_id == book)
    return first, passages[unit.rank].chunk.ordinal, unit.start


def _score_passage(
    passage: Passage, rank: int, kind: QuestionKind, topic: str, weights: Mapping[str, float], best: float
) -> list[Scored]:
    heading = tokens(heading_of(passage.book.title, passage.chunk.heading_path))
    leaf = tokens(passage.chunk.heading_path[-1]) if passage.chunk.heading_path else []
    prior = passage.score / best if best else 0.0
    exercises = any(_EXERCISES.search(title) for title in passage.chunk.heading_path)
    units = units_of(passage, rank)
    result: list[Scored] = []
    for unit in units:
        text = _text_of(unit, passage)
        terms = tokens(text)
        if not terms:
            continue
        body = coverage(weights, terms)
        both = coverage(weights, [*terms, *heading])
        about = coverage(weights, leaf)
        score = 0.5 * body + 0.3 * both + 0.25 * prior
        # Under a heading that is the question, the first words answer it.
        score += 0.3 * about / (1 + unit.order + _PART * passage.chunk.part)
        score += both * _form_bonus(kind, topic, unit, text)
        if _EXERCISE.match(text) or exercises:
            score -= _EXERCISE_UNASKED
        if unit.kinds == (BlockKind.caption,):
            score -= _CAPTION_ALONE
        if body + about == 0:
            score = 0.0
        result.append(Scored(unit, score, both, frozenset(terms)))
    return result


def _text_of(unit: Unit, passage: Passage) -> str:
    return plain(unit.text(passage))


def _form_bonus(kind: QuestionKind, topic: str, unit: Unit, text: str) -> float:
    """Whether the unit has the form of an answer to this kind of question; negative when it has another."""
    if BlockKind.code in unit.kinds and kind is not QuestionKind.code:
        return -_CODE_UNASKED
    match kind:
        case QuestionKind.code:
            return 0.3 * (BlockKind.code in unit.kinds)
        case QuestionKind.definition:
            return 0.35 if _defines(topic, normalise(text)) else 0.0
        case QuestionKind.listing:
            listed = BlockKind.list in unit.kinds or BlockKind.table in unit.kinds
            return 0.25 * listed + 0.1 * bool(_LIST_WORDS.search(text))
        case QuestionKind.reason:
            return 0.15 if _REASON.search(text) else 0.0
        case QuestionKind.comparison:
            return 0.15 * (BlockKind.table in unit.kinds) + 0.1 * bool(_CONTRAST.search(text))
        case QuestionKind.quantity:
            return 0.15 if re.search(r"\d|[一二三四五六七八九十百千万]+[个种位层次]", text) else 0.0
    # A long list covers many words without being about any.
    return -0.1 if unit.whole_block and length(text) > _LONG else 0.0


def _defines(topic: str, text: str) -> bool:
    """Whether `text` says what `topic` is, in its first words or by 「称为」."""
    at = text.find(topic, 0, 40 + len(topic)) if topic else -1
    if at >= 0 and _DEFINES.match(text[at + len(topic) :]):
        return True
    return bool(topic) and any(_NAMES.search(text[: found.start()]) for found in re.finditer(re.escape(topic), text))


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    union = len(one | other)
    return bool(union) and len(one & other) / union >= _SAME
