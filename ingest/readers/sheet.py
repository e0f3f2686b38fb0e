"""Rows of cells as text: question banks become questions, other sheets become tables under their header."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from core.text import cjk_count, length
from core.types import BlockKind
from ingest.readers.text_builder import Piece, paragraph_kind, pipe_table

Row = Sequence[str]

_QUESTION = re.compile(
    r"(?:题目|题干|问题|试题|题)(?:内容|描述|正文|文本)?|questions?|stem|question ?text|prompt", re.I
)
_ANSWER = re.compile(
    r"(?:正确|参考|标准)?(?:答案|选项答案)(?:内容)?|正确选项|answers?|correct(?: ?answer| ?option)?|(?:answer )?key",
    re.I,
)
_WHY = re.compile(r"(?:答案|试题|题目|参考)?(?:解析|解答|讲解|解释|分析)|explanations?|rationale|analysis", re.I)
_OPTION = re.compile(r"(?:选项|备选答案|备选项|答案选项|option|choice|answer)?[ _]*([A-Ha-h])(?:选项)?", re.I)
_OPTIONS = re.compile(r"选项(?:内容)?|备选项|备选答案|options?|choices", re.I)
_NUMBER = re.compile(r"序号|编号|题号|id|no\.?|number|#|index", re.I)
_MARKED = re.compile(r"^[A-Ha-h]\s*[.、．:：)）]")
_PART = 200  # words of a table in one block; longer ones go on under the same header


@dataclass(frozen=True, slots=True)
class _Bank:
    """Columns of a question bank. options: column by letter. others: everything else that has a name."""

    question: int
    options: dict[str, int]
    listed: int | None
    answer: int | None
    why: int | None
    number: int | None
    others: tuple[int, ...]


def sheet_pieces(rows: Sequence[Row]) -> list[Piece]:
    """The blocks of a sheet. A row of text is never lost: it stands in a question, a table or a paragraph."""
    kept = _without_empty_columns([[cell.strip() for cell in row] for row in rows])
    for at, row in enumerate(kept[:20]):
        if bank := _bank(row):
            before = [piece for band in _bands(kept[:at]) for piece in _table(band)]
            return [*before, *_questions(bank, row, kept[at + 1 :])]
    return [piece for band in _bands(kept) for piece in _table(band)]


def _without_empty_columns(rows: list[list[str]]) -> list[list[str]]:
    width = max((len(row) for row in rows), default=0)
    rows = [row + [""] * (width - len(row)) for row in rows]
    used = [column for column in range(width) if any(row[column] for row in rows)]
    return [[row[column] for column in used] for row in rows]


def _bands(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Stretches of rows. A blank line parts two tables only where a title or other columns follow."""
    band: list[Row] = []
    for filled, group in groupby(rows, key=any):
        if not filled:
            continue
        new = list(group)
        if band and (_filled(new[0]) == 1 or _columns(new) - _columns(band)):
            yield band
            band = []
        band += new
    if band:
        yield band


def _filled(row: Row) -> int:
    return sum(bool(cell) for cell in row)


def _columns(rows: Sequence[Row]) -> set[int]:
    return {column for row in rows for column, cell in enumerate(row) if cell}


def _table(band: Sequence[Row]) -> Iterator[Piece]:
    """Lines of one cell above the header are titles; the first line of several cells is the header."""
    start = next((at for at, row in enumerate(band) if _filled(row) > 1), None)
    if start is None:
        if len(band) > 2:  # one column: a list with or without a header
            yield Piece(BlockKind.list, "\n".join(f"- {_line(next(filter(None, row)))}" for row in band))
        else:
            yield from (Piece(BlockKind.paragraph, next(filter(None, row))) for row in band)
        return
    for row in band[:start]:
        text = next(filter(None, row))
        last = row is band[start - 1] and len(text) <= 80
        yield Piece(BlockKind.caption if last else paragraph_kind(text), text)
    yield from _parts([list(row) for row in _without_empty_columns([list(row) for row in band[start:]])])


def _parts(rows: list[list[str]]) -> Iterator[Piece]:
    head, part, size = rows[0], [rows[0]], 0
    for row in rows[1:]:
        words = length(" ".join(row))
        if len(part) > 1 and size + words > _PART:
            yield Piece(BlockKind.table, pipe_table(part))
            part, size = [head], 0
        part.append(row)
        size += words
    yield Piece(BlockKind.table, pipe_table(part))


def _bank(row: Row) -> _Bank | None:
    """The columns that `row` names, if it is the header of a question bank."""
    names = [_line(cell).strip("*：: ") for cell in row]
    question, answer, why, listed, number = (
        next((at for at, name in enumerate(names) if name and pattern.fullmatch(name)), None)
        for pattern in (_QUESTION, _ANSWER, _WHY, _OPTIONS, _NUMBER)
    )
    letters = ((at, _OPTION.fullmatch(name)) for at, name in enumerate(names) if name)
    options = {match.group(1).upper(): at for at, match in letters if match}
    if question is None or (answer is None and why is None and listed is None and len(options) < 2):
        return None
    named = {question, answer, why, listed, number, *options.values()}
    return _Bank(question, options, listed, answer, why, number, tuple(at for at in range(len(row)) if at not in named))


def _questions(bank: _Bank, head: Row, rows: Sequence[Row]) -> Iterator[Piece]:
    for row in rows:
        if not any(row) or list(row) == list(head):
            continue
        if not row[bank.question] and _filled(row) == 1:  # a line between parts of the bank
            yield Piece(BlockKind.paragraph, next(filter(None, row)))
            continue
        yield Piece(BlockKind.list, "\n".join(_question(bank, head, row)))


def _question(bank: _Bank, head: Row, row: Row) -> Iterator[str]:
    number = row[bank.number] if bank.number is not None else ""
    yield f"{number}. {row[bank.question]}" if number else row[bank.question]
    for letter, at in sorted(bank.options.items()):
        if row[at]:
            yield row[at] if _MARKED.match(row[at]) else f"{letter}. {row[at]}"
    if bank.listed is not None and row[bank.listed]:
        yield row[bank.listed]
    for place in (bank.answer, bank.why, *bank.others):
        if place is not None and row[place]:
            yield _named(_line(head[place]), row[place])


def _named(name: str, value: str) -> str:
    return value if not name else f"{name}：{value}" if cjk_count(name) else f"{name}: {value}"


def _line(text: str) -> str:
    return " ".join(text.split())
