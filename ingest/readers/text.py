"""Plain text, and how bytes become text."""

import re
from itertools import pairwise
from pathlib import Path

from charset_normalizer import from_bytes

from core.errors import UnreadableBookError
from core.types import Block, BlockKind, ExtractedBook, Page
from ingest.readers.context import ReaderContext
from ingest.readers.text_builder import visible

_CHINESE_HEADING = re.compile(r"^\s*第[0-9零〇一二三四五六七八九十百]+([章节篇编])[^。！？；;]{0,40}$")
_NUMBERED_HEADING = re.compile(r"^\s*(\d+(?:\.\d+){0,3})[.、]?\s+[^\s。！？.!?；;：:，,][^。！？；;]{0,40}$")
_LIST_ITEM = re.compile(r"^\s*(?:[-*•·]\s|\d{1,2}[.)、]\s?|[（(]\d{1,2}[)）]|[①-⑳])")
# What most of a text in Latin or Chinese script consists of.
_USUAL = re.compile("[\t\n\r -~\u00a0-\u024f\u2010-\u2027\u3000-\u303f\u4e00-\u9fff\uff00-\uff5e]")
_SOUND_PER_DAMAGED, _DAMAGED_PER_WIDE = 20, 4  # characters beyond ASCII, and beyond two bytes
_NUMBERED_ITEM = re.compile(r"^\s*\d{1,2}(?:[.)、]\s*(?!\d)|\s+)\S")


def decode(path: Path) -> str:
    """The text of a file whose encoding may be UTF-8, UTF-16, GB18030, Big5 and others.

    Raises UnreadableBookError when no encoding fits.
    """
    return decoded(path.read_bytes(), path.name)


def decoded(data: bytes, name: str) -> str:
    """`decode` for the bytes of a file called `name`."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data and (wide := _utf_16(data)):
        return wide
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        mended = data.decode("utf-8-sig", errors="replace")
    if _is_damaged_utf_8(mended):
        return mended
    best = from_bytes(data, cp_isolation=["gb18030", "big5", "utf_16", "cp1252", "shift_jis", "euc_kr"]).best()
    if best is None:
        raise UnreadableBookError(
            f"{name} is not text in any known encoding", mend="save it as UTF-8, or give it its real suffix"
        )
    return str(best)


def _is_damaged_utf_8(mended: str) -> bool:
    """Whether a text read as UTF-8 is that but for a few bad bytes: another encoding is damaged nearly everywhere.

    Three bytes that fit together by chance are rare in every other encoding, two are not.
    """
    damaged = mended.count("\ufffd")
    sound = sum(char > "\x7f" for char in mended) - damaged
    wide = sum(char > "\u07ff" for char in mended) - damaged
    return damaged * _SOUND_PER_DAMAGED <= sound or damaged <= _DAMAGED_PER_WIDE * wide


def is_utf8(path: Path) -> bool:
    """Whether the bytes of `path` are UTF-8 as they stand."""
    try:
        path.read_bytes().decode()
    except UnicodeDecodeError:
        return False
    return True


def _utf_16(data: bytes) -> str | None:
    """UTF-16 without a byte order mark, None where the bytes are not that."""
    for encoding in ("utf-16-le", "utf-16-be"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if len(_USUAL.findall(text)) >= 0.95 * len(text):
            return text
    return None


def read_text(path: Path, context: ReaderContext) -> ExtractedBook:
    """Read a TXT file: blank lines or indents part paragraphs, chapter numbers make headings."""
    text = visible(decode(path))
    lines = text.split("\n")
    items = _list_lines(lines)
    blocks: list[Block] = []
    offset = 0
    for number, line in enumerate(lines):
        start = offset + len(line) - len(line.lstrip())
        if stripped := line.strip():
            item = Block(BlockKind.list, start, start + len(stripped))
            blocks.append(item if number in items else _line_block(stripped, start, line))
        offset += len(line) + 1
    return ExtractedBook(text, (Page(None, None, 0, len(text)),), tuple(_merged(blocks, text)))


def _list_lines(lines: list[str]) -> set[int]:
    """Numbered lines that follow one another, or a colon, are a list: sections have text between them."""
    filled = [number for number, line in enumerate(lines) if line.strip()]
    found: set[int] = set()
    for before, number in pairwise(filled):
        if _NUMBERED_ITEM.match(lines[number]):
            if _NUMBERED_ITEM.match(lines[before]):
                found |= {before, number}
            elif lines[before].rstrip().endswith(("：", ":")):
                found.add(number)
    return found


def _line_block(stripped: str, start: int, line: str) -> Block:
    end = start + len(stripped)
    if match := _CHINESE_HEADING.match(line):
        return Block(BlockKind.heading, start, end, 1 if match.group(1) != "节" else 2)
    if match := _NUMBERED_HEADING.match(line):
        return Block(BlockKind.heading, start, end, 1 + match.group(1).count("."))
    return Block(BlockKind.list if _LIST_ITEM.match(line) else BlockKind.paragraph, start, end)


def _merged(blocks: list[Block], text: str) -> list[Block]:
    """Neighbouring list items become one list; wrapped lines become one paragraph."""
    merged: list[Block] = []
    for block in blocks:
        last = merged[-1] if merged else None
        gap = text[last.end : block.start] if last else ""
        same = last is not None and last.kind is block.kind is not BlockKind.heading
        wrapped = gap.count("\n") == 1 and gap.endswith("\n")
        if last and same and (wrapped or (block.kind is BlockKind.list and gap.count("\n") == 1)):
            merged[-1] = Block(last.kind, last.start, block.end)
        else:
            merged.append(block)
    return merged
