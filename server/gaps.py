"""Where students ask what the books do not answer: questions by the section that comes nearest."""

from collections.abc import Iterable
from dataclasses import dataclass

from rag.answer_cache import normalised
from server.answer_records import AnswerRecord

_SHOWN = 5
# An answer whose best passage is hardly above the threshold of refusals may well miss the question.
MARGIN = 0.1


@dataclass(frozen=True, slots=True)
class Gap:
    """Questions near one section. last: seconds since 1970. examples: the newest, each once.

    book, heading, page: of the section, as in AnswerRecord; empty where nothing comes near.
    """

    book: str
    heading: str
    page: int | None
    refused: int
    weak: int
    last: float
    examples: tuple[str, ...]


def gaps_of(records: Iterable[AnswerRecord]) -> list[Gap]:
    """The gaps, the one that was asked for most first. records: refused and weakly answered questions."""
    groups: dict[tuple[str, str], list[AnswerRecord]] = {}
    for record in sorted(records, key=lambda record: -record.at):
        groups.setdefault((record.book, record.heading), []).append(record)
    found = [_gap(group) for group in groups.values()]
    return sorted(found, key=lambda gap: (-(gap.refused + gap.weak), -gap.last))


def _gap(group: list[AnswerRecord]) -> Gap:
    newest, refused = group[0], sum(record.refused for record in group)
    questions: dict[str, str] = {}
    for record in group:
        questions.setdefault(normalised(record.question).casefold(), record.question)
    examples = tuple(questions.values())[:_SHOWN]
    return Gap(newest.book, newest.heading, newest.page, refused, len(group) - refused, newest.at, examples)
