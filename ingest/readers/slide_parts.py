"""What stands in the frames of a slide: tables, charts and SmartArt diagrams."""

from collections import defaultdict
from itertools import zip_longest
from typing import Any

from core.types import BlockKind
from ingest.readers.ooxml import DGM, A, Element, parse_xml
from ingest.readers.slide_text import line_of
from ingest.readers.text_builder import Piece, pipe_table

_DATA = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}dm"


def table_text(table: Any) -> str:
    """The table in Markdown; a merged cell stands in its first place, the others are empty."""
    return pipe_table(
        [["" if cell.is_spanned else line_of(cell.text_frame) for cell in row.cells] for row in table.rows]
    )


def chart_pieces(chart: Any) -> list[Piece]:
    """The title of a chart as a caption, and its data as a table: categories down, series across."""
    pieces = []
    if chart.has_title and chart.chart_title.has_text_frame:
        pieces.append(Piece(BlockKind.caption, line_of(chart.chart_title.text_frame)))
    for plot in chart.plots:
        labels = [str(label) for label in plot.categories]
        series = [(each.name, [_number(value) for value in each.values]) for each in plot.series]
        rows = zip_longest(labels, *(values for _, values in series), fillvalue="")
        head = ["", *(name for name, _ in series)]
        pieces.append(Piece(BlockKind.table, pipe_table([head, *(list(row) for row in rows)])))
    return pieces


def is_diagram(shape: Any) -> bool:
    """Whether a shape is SmartArt."""
    return next(shape._element.iter(DGM + "relIds"), None) is not None


def diagram_text(shape: Any) -> str:
    """The words of a SmartArt diagram as a nested list."""
    ids = next(shape._element.iter(DGM + "relIds"))
    model = parse_xml(shape.part.related_part(ids.get(_DATA)).blob)
    points = {point.get("modelId"): point for point in model.iter(DGM + "pt")}
    below: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for line in model.iter(DGM + "cxn"):
        if line.get("type", "parOf") == "parOf":
            below[line.get("srcId")].append((int(line.get("srcOrd") or 0), line.get("destId")))
    roots = [name for name, point in points.items() if point.get("type") == "doc"]
    lines: list[str] = []
    seen: set[str] = set()

    def walk(name: str, depth: int) -> None:
        if name in seen or name not in points:
            return
        seen.add(name)
        words = _words(points[name])
        if words:
            lines.append("  " * depth + "- " + words)
        for _, child in sorted(below[name]):
            walk(child, depth + bool(words))

    for root in roots:
        walk(root, 0)
    return "\n".join(lines)


def _words(point: Element) -> str:
    paragraphs = ("".join(text.text or "" for text in each.iter(A + "t")) for each in point.iter(A + "p"))
    return " ".join(" ".join(paragraphs).split())


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.15g}"
