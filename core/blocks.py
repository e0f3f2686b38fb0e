"""What belongs together on a page: the same rules for cutting a book into chunks and for quoting from it."""

import re

from core.types import BlockKind

_ANNOUNCES = ("：", ":")
_EXPLAINS = re.compile(r"^\s*(?:其中|式中|这里|此处|where\b|here\b)", re.I)
_FIGURE = re.compile(r"^\W{0,3}(?:图|Fig)", re.I)
_CAPTIONED = frozenset({BlockKind.table, BlockKind.code})


def announces(text: str) -> bool:
    """Whether `text` leads to what follows it: 「条件如下：」."""
    return text.rstrip("*_ ").endswith(_ANNOUNCES)


def explains(text: str) -> bool:
    """Whether `text` says what the symbols of the formula before it are."""
    return bool(_EXPLAINS.match(text))


def is_captioned(kind: BlockKind | None) -> bool:
    """Whether blocks of this kind have captions."""
    return kind in _CAPTIONED


def caption_follows(before: BlockKind | None, caption: str, after: BlockKind | None) -> bool:
    """Whether `caption` belongs to the block before it: it alone may have one, or the caption is a figure's.

    Between two blocks, that of a figure stands below it, that of a table or a program above.
    """
    return is_captioned(before) and (not is_captioned(after) or bool(_FIGURE.match(caption)))
