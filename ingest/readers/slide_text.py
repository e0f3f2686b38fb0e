"""The text of a shape of a slide: paragraphs, lists and formulas."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from core.types import BlockKind
from ingest.readers.ooxml import A, Element, M
from ingest.readers.text_builder import Piece, paragraph_kind

TEX = "keben-tex"  # the attribute of an m:oMath that holds its LaTeX
_NUMBERS = {"slidenum", "datetime"}  # fields of the slide's furniture


def line_of(frame: Any) -> str:
    """All of a text frame on one line."""
    return " ".join(" ".join(_text(paragraph._p) for paragraph in frame.paragraphs).split())


def frame_pieces(frame: Any) -> list[Piece]:
    """Its paragraphs; those with bullets or numbers, or one below the other in rank, are a list."""
    paragraphs = [(paragraph, _text(paragraph._p)) for paragraph in frame.paragraphs]
    paragraphs = [(paragraph, text) for paragraph, text in paragraphs if text.strip()]
    marked = [_is_marked(paragraph._p) for paragraph, _ in paragraphs]
    ranked = any(paragraph.level for paragraph, _ in paragraphs) and not any(marked)
    pieces: list[Piece] = []
    for is_list, group in groupby(paragraphs, key=lambda each: ranked or _is_marked(each[0]._p)):
        if is_list:
            pieces.append(Piece(BlockKind.list, "\n".join(_items(list(group)))))
        else:
            pieces += [Piece(_kind(paragraph._p, text), text) for paragraph, text in group]
    return pieces


def _is_marked(paragraph: Element) -> bool:
    properties = paragraph.find(A + "pPr")
    return properties is not None and any(
        properties.find(A + tag) is not None for tag in ("buChar", "buAutoNum", "buBlip")
    )


def _items(paragraphs: list[tuple[Any, str]]) -> Iterator[str]:
    counts: dict[int, int] = {}
    for paragraph, text in paragraphs:
        counts = {level: count for level, count in counts.items() if level <= paragraph.level}
        automatic = paragraph._p.find(f"{A}pPr/{A}buAutoNum")
        mark = "-"
        if automatic is not None:
            first = int(automatic.get("startAt") or 1)
            counts[paragraph.level] = counts.get(paragraph.level, first - 1) + 1
            mark = f"{counts[paragraph.level]}."
        yield f"{'  ' * paragraph.level}{mark} {' '.join(text.split())}"


def _kind(paragraph: Element, text: str) -> BlockKind:
    if text.startswith("$$") and text.endswith("$$") and text.count("$$") == 2:
        return BlockKind.formula
    return paragraph_kind(text)


def _text(paragraph: Element) -> str:
    alone = not any(node.text and node.text.strip() for node in paragraph.iter(A + "t"))
    return "".join(_parts(paragraph, display=alone)).replace("\v", "\n").strip()


def _parts(node: Element, *, display: bool) -> Iterator[str]:
    for child in node:
        if child.tag == A + "r":
            yield _run(child)
        elif child.tag == A + "br":
            yield "\n"
        elif child.tag == A + "fld":
            kind = (child.get("type") or "").rstrip("0123456789")
            yield "" if kind in _NUMBERS else _run(child)
        elif child.tag == M + "oMath":
            tex = child.get(TEX) or ""
            mark = "$$" if display else "$"
            yield f"{mark}{tex}{mark}" if tex else ""
        elif child.tag not in {A + "pPr", A + "endParaRPr"}:
            yield from _parts(child, display=display)


def _run(run: Element) -> str:
    text = "".join(node.text or "" for node in run.iter(A + "t"))
    properties = run.find(A + "rPr")
    raised = int(properties.get("baseline") or 0) if properties is not None else 0
    if not raised or not text.strip():
        return text
    return ("^" if raised > 0 else "_") + text
