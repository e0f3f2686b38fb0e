"""What single lines say of themselves (markers, captions, ends), and how lines are joined. Pure."""

import re
from collections.abc import Sequence
from itertools import pairwise

from ingest.readers.pdf.layout import Row, is_cjk
from ingest.readers.pdf.tables import is_contents_line

BULLET = re.compile(r"^(?:[•●○◦▪■□◆◇➢➤✓✔‣⁃∙❖➔\uf000-\uf0ff]\s*|[-–—*·]\s+)(?=\S)")
DASHES = "-–—*·"  # these begin other lines than list items too
_NUMBERED = re.compile(
    r"^(?:\d{1,3}[.)）．、](?!\d)\s*|[(（]\d{1,3}[)）]|[①-⑳⑴-⒇❶-❿]|[(（][a-zA-Z][)）]|[a-z][.)]\s+"
    r"|[(（][ivx]{1,5}[)）]|[ivx]{1,5}[.)]\s+|[一二三四五六七八九十]{1,3}、|[(（][一二三四五六七八九十]{1,3}[)）]"
    r"|\[\d{1,3}\])\s*(?=\S)"
)
_CAPTION = re.compile(r"^(?:[图表圖]|Figure|Fig\.|FIGURE|Table|TABLE)\s*[\dA-Z]+(?:[.\-–—·]\d+)*(?!\w)")
_CAPTION_CJK = re.compile(r"^[图表圖]\s*\d+(?:[.\-–—·]\d+)*")
_MENTION = re.compile(
    r"^\s*(?:[,，、;；)）]|[中和与及是的]|所示|给出|显示|说明|描述|列出|展示|表示|为例|"
    r"(?:shows?|gives?|is|are|illustrates?|presents?|depicts?|lists?|and|or|summari[sz]es|compares?|in|we|that)\b)"
)
_STOPS, _CLOSERS = ".!?。！？…:：;；", "\"'”’」』）)]"
_DIVIDED = re.compile(r"([A-Za-z]{2,})-$")
_LONGEST_WORD = 64  # characters looked at before a hyphen


def ends_sentence(text: str) -> bool:
    """Whether a sentence ends with the text, quotation marks and brackets after its stop aside."""
    last = text.rstrip(_CLOSERS)[-1:]
    return last != "" and last in _STOPS


def is_full(row: Row) -> bool:
    """Whether the row reaches the right edge of its column, so that its paragraph may go on.

    Chinese lines break anywhere and are set flush; Latin ones may end a long word before the edge.
    """
    ragged = 0.0 if is_cjk(row.text[-1]) else 0.12 * (row.right - row.left)
    return row.right - row.x1 < max(2.2 * row.size, ragged)


def join_lines(lines: Sequence[str], compounds: frozenset[str] = frozenset()) -> str:
    """One paragraph: Chinese without spaces, Latin with, words divided at the line end made whole."""
    text = ""
    for line in (line.strip() for line in lines):
        if not text or not line:
            text += line
        elif line[0].islower() and text[-1] == "-" and (first := _DIVIDED.search(text[-_LONGEST_WORD:])):
            second = re.match(r"[a-z]+", line)
            whole = f"{first[1]}-{second[0]}".lower() if second else ""
            text = (text if whole in compounds else text[:-1]) + line
        else:
            text += ("" if is_cjk(text[-1]) or is_cjk(line[0]) or text.endswith("-") else " ") + line
    return text


def is_caption(row: Row) -> bool:
    """Whether the row is the caption of a figure or table, and not a sentence about one."""
    text = row.text.strip()
    match = _CAPTION.match(text) or _CAPTION_CJK.match(text)
    if not match or _MENTION.match(text[match.end() :]):
        return False
    rest = text[match.end() :]
    centred = row.x0 > row.left + 2 * row.size
    return rest[:1] in ("", ".", ":", "：") or centred or not is_full(row) or not ends_sentence(text)


def marker_of(row: Row) -> str:
    """The list marker that the row begins with, "" without."""
    text = row.text.lstrip()
    match = BULLET.match(text) or _NUMBERED.match(text)
    return match[0] if match else ""


def marker_kind(row: Row) -> str:
    """What sort of marker the row begins with ("1.", "(a)", "•"), "" without; equal along a list."""
    if is_contents_line(row):
        return "contents"
    marker = re.sub(r"\s+", "", marker_of(row))
    if re.match("[①-⑳⑴-⒇❶-❿]", marker):
        return "①"
    marker = re.sub(r"\d+", "1", marker.replace("（", "(").replace("）", ")").replace("．", "."))
    return re.sub("[一二三四五六七八九十]+", "一", re.sub("[a-zA-Z]+", "a", marker))


def code_text(rows: Sequence[Row], leading: float) -> str:
    """Lines as they stand, indented by their distance from the leftmost; wide gaps become blank lines."""
    whole = [row for row in rows if len(row.cells) == 1 and len(row.text) > 3]
    pitches = sorted((row.x1 - row.x0) / len(row.text) for row in whole)
    pitch = pitches[len(pitches) // 2] if pitches else 0.6 * rows[0].size
    left = min(row.x0 for row in rows)
    steps = sorted(b.middle - a.middle for a, b in pairwise(rows) if b.middle > a.middle)
    usual = steps[len(steps) // 3] if steps else leading * rows[0].size
    lines: list[str] = []
    for number, row in enumerate(rows):
        if number and row.middle - rows[number - 1].middle > 1.7 * usual:
            lines.append("")
        line = ""
        for cell in row.cells:
            line = line.ljust(round((cell.x0 - left) / pitch)) + cell.text.strip()
        lines.append(line)
    return "\n".join(lines)
