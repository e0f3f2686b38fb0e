"""The pieces of a passage that may stand in an answer: sentences, and whole lists, tables, formulas."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from core.blocks import announces, caption_follows, explains, is_captioned
from core.text import sentences
from core.types import BlockKind, Passage, Span, with_leads

_LABEL = re.compile(r"^\*\*[^*。！？.!?]{1,40}\*\*$")


@dataclass(frozen=True, slots=True)
class Unit:
    """`[start, end)` of the passage's text; `rank` is the passage's place, 0 for the best.

    order: position among the units of its passage. kinds: what it is made of.
    """

    rank: int
    order: int
    start: int
    end: int
    kinds: tuple[BlockKind, ...]

    def text(self, passage: Passage) -> str:
        """The words as they stand in the book; before a later part of a table its caption and header row."""
        return with_leads(passage.chunk.text, passage.chunk.spans, self.start, self.end)

    @property
    def whole_block(self) -> bool:
        """Whether it holds something other than running text."""
        return any(kind is not BlockKind.paragraph for kind in self.kinds)


def units_of(passage: Passage, rank: int) -> list[Unit]:
    """The units of a passage in reading order.

    A list, table, code block or formula is one unit, together with the sentence that announces it, its caption and,
    after a formula, the sentence that explains its symbols.
    """
    parts = list(_parts(passage))
    units: list[Unit] = []
    for (start, end, kind), (_, _, after) in zip(parts, [*parts[1:], (0, 0, None)], strict=True):
        last = units[-1] if units else None
        if last and _joins(passage, last, start, end, kind, after):
            units[-1] = Unit(rank, last.order, last.start, end, (*last.kinds, kind))
        else:
            units.append(Unit(rank, len(units), start, end, (kind,)))
    return units


def _parts(passage: Passage) -> Iterator[tuple[int, int, BlockKind]]:
    for first, last in _paragraph_runs(passage.chunk.spans):
        if first.kind is BlockKind.paragraph:
            for start, end in sentences(passage.chunk.text[first.start : last.end], first.start):
                yield start, end, first.kind
        else:
            yield first.start, last.end, first.kind


def _paragraph_runs(spans: tuple[Span, ...]) -> Iterator[tuple[Span, Span]]:
    """First and last span of each block: a paragraph that goes on over a page break is one."""
    run: list[Span] = []
    for span in spans:
        if run and not span.continues:
            yield run[0], run[-1]
            run = []
        run.append(span)
    if run:
        yield run[0], run[-1]


def _joins(passage: Passage, last: Unit, start: int, end: int, kind: BlockKind, after: BlockKind | None) -> bool:
    before = last.text(passage).rstrip("*_ ")
    text = passage.chunk.text[start:end]
    if last.kinds[-1] is BlockKind.formula and kind is BlockKind.paragraph:
        return explains(text)
    # A bold line of its own is the heading of what follows.
    if last.kinds == (BlockKind.paragraph,) and _LABEL.match(last.text(passage)):
        return True
    if kind is BlockKind.paragraph:
        return False
    if kind is BlockKind.caption and caption_follows(last.kinds[-1], text, after):
        return True
    if announces(before) or (last.kinds[-1] is BlockKind.caption and not is_captioned(last.kinds[-2:][0])):
        return True
    # A formula in the middle of a sentence: what stands before it has no full stop.
    return kind is BlockKind.formula and not before.endswith(("。", "！", "？", ".", "!", "?"))
