"""From chosen units to the text of an answer and its citations. Pure functions."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import dedent

from core.text import cjk_count, plain
from core.types import BlockKind, Citation, Passage
from rag.markers import book_markers_as_words
from rag.units import Unit

_FENCE = re.compile(r"`{3,}|~{3,}")
# How a list ends whose last item holds code or a displayed formula.
_CLOSINGS = ("```", "~~~", "$$")


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the answer and the citation it rests on."""

    text: str
    citation: Citation


def segments_of(units: Sequence[Unit], passages: Sequence[Passage]) -> list[Segment]:
    """One segment for each run of neighbouring units of a passage, with citations 1, 2, ..."""
    runs: list[list[Unit]] = []
    for unit in units:
        last = runs[-1][-1] if runs else None
        if last and last.rank == unit.rank and last.order + 1 == unit.order:
            runs[-1].append(unit)
        else:
            runs.append([unit])
    return [_segment(number, run, passages[run[0].rank]) for number, run in enumerate(runs, 1)]


def answer_text(segments: Iterable[Segment]) -> str:
    """The answer in Markdown, each segment closed by its marker."""
    return "\n\n".join(segment.text for segment in segments)


def _segment(number: int, run: Sequence[Unit], passage: Passage) -> Segment:
    text = ""
    previous: Unit | None = None
    for unit in run:
        shown = _shown(unit, passage)
        new_block = previous is not None and "\n\n" in passage.chunk.text[previous.end : unit.start]
        text += ("\n\n" if new_block else _joint(text)) + shown if text else shown
        previous = unit
    # A marker must not become part of a table row, a code block or a displayed formula.
    closed = run[-1].kinds[-1] in {BlockKind.table, BlockKind.code, BlockKind.formula} or text.endswith(_CLOSINGS)
    text += ("\n\n" if closed else "") + f"[{number}]"
    return Segment(text, cite(number, passage, run[0].start, run[-1].end))


def _joint(text: str) -> str:
    return "" if cjk_count(text[-2:]) or text[-1:] in "。！？；：”）" else " "


def _shown(unit: Unit, passage: Passage) -> str:
    """The unit as Markdown: as in the book, less links, images and raw HTML."""
    parts: list[str] = []
    for span in passage.chunk.spans:
        start, end = max(span.start, unit.start), min(span.end, unit.end)
        if start >= end:
            continue
        raw = passage.chunk.text[start:end]
        if span.kind is BlockKind.code:
            parts.append(fenced(dedent(raw)))
        elif span.kind is BlockKind.table:
            parts.append(_closed(book_markers_as_words(span.lead + raw)))
        elif span.kind is BlockKind.formula:
            parts.append(raw)
        elif span.kind is BlockKind.list:
            parts.append(re.sub(r"\n\s*\n", "\n", _prose(raw)))
        elif span.continues and parts:
            parts[-1] += _joint(parts[-1]) + _prose(raw)
        else:
            parts.append(_prose(raw))
    return "\n\n".join(part for part in parts if part)


def _prose(raw: str) -> str:
    return book_markers_as_words(plain(raw))


def _closed(table: str) -> str:
    """A part of an HTML table with the end that it has lost."""
    tags = table.lower()
    return table + "\n</table>" * (tags.count("<table") - tags.count("</table"))


def fenced(code: str) -> str:
    """Code in one closed fence; a part of a long block has lost one end of its own, or both."""
    lines = code.split("\n")
    opened, closed = _FENCE.match(lines[0]), _FENCE.fullmatch(lines[-1].strip()) if len(lines) > 1 else None
    if opened and closed:
        return code
    body = "\n".join(lines[bool(opened) : len(lines) - bool(closed)])
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", body)), default=0))
    return f"{fence}\n{body}\n{fence}"


def cite(number: int, passage: Passage, start: int, end: int) -> Citation:
    """A citation of `[start, end)` of the passage, cut at the page break if it runs over one.

    The quote is then the longer part, and the page the one on which that part stands.
    """
    chunk = passage.chunk
    page, label, left, right = max(_page_parts(passage, start, end), key=lambda part: part[3] - part[2])
    return Citation(
        id=number,
        book=passage.book.title,
        source=passage.book.source,
        heading_path=chunk.heading_path,
        page=page,
        page_label=label,
        quote=chunk.text[left:right],
        start=chunk.start + left,
        end=chunk.start + right,
        score=passage.score,
    )


def _page_parts(passage: Passage, start: int, end: int) -> list[tuple[int | None, str | None, int, int]]:
    parts: list[tuple[int | None, str | None, int, int]] = []
    for span in passage.chunk.spans:
        left, right = max(span.start, start), min(span.end, end)
        if left >= right:
            continue
        if parts and parts[-1][0] == span.page:
            page, label, first, _ = parts[-1]
            parts[-1] = (page, label, first, right)
        else:
            parts.append((span.page, span.label, left, right))
    return parts
