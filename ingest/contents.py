"""Recognises what a reader skips: tables of contents. They name every topic and explain none."""

import re
from collections.abc import Iterator

from core.text import heading_title
from core.types import Block, BlockKind, ExtractedBook

_TITLE = re.compile(r"^(?:目\s*录|目\s*次|contents|table of contents)$", re.I)
# 「2.3 进程与线程 …… 31」: begins like a heading or holds a leader, ends with a page number.
_ENTRY = re.compile(
    r"^\W{0,4}(?:第[\d一二三四五六七八九十百]+[章节篇]|\d+(?:\.\d+)*|chapter\b|appendix\b|附录).{1,80}?[\s.…·]+(?:\d{1,4}|[ivxlc]{1,6})$"
    r"|^.{1,80}?(?:\.\s?){4,}\s*(?:\d{1,4}|[ivxlc]{1,6})$|^.{1,80}?[…·]{2,}\s*(?:\d{1,4}|[ivxlc]{1,6})$",
    re.I,
)
_LEAST_ENTRIES = 4
_SHARE = 0.7


def body_blocks(book: ExtractedBook) -> Iterator[Block]:
    """The blocks of `book` without its tables of contents; all of them if nothing else were left."""
    kept = list(_without_contents(book))
    bodies = any(block.kind is not BlockKind.heading for block in kept)
    yield from kept if bodies else (block for block in book.blocks if block.kind is not BlockKind.contents)


def _without_contents(book: ExtractedBook) -> Iterator[Block]:
    inside: int | None = None
    for block in book.blocks:
        text = book.text[block.start : block.end]
        if block.kind is BlockKind.heading:
            if inside is not None and block.level <= inside:
                inside = None
            if _TITLE.match(heading_title(text)):
                inside = block.level
        if inside is None and block.kind is not BlockKind.contents and not _is_listing(block, text):
            yield block


def _is_listing(block: Block, text: str) -> bool:
    if block.kind is BlockKind.heading:
        return False
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    entries = sum(bool(_ENTRY.match(line)) for line in lines)
    return entries >= _LEAST_ENTRIES and entries >= _SHARE * len(lines)
