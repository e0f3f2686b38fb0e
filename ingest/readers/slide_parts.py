"""What stands in the frames of a slide: tables, charts and SmartArt diagrams."""

from collections import defaultdict
from typing import Any

from core.types import BlockKind
from ingest.readers.ooxml import DGM, A, C, Element, parse_xml
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
    # From the XML, for python-pptx does not know every kind of chart.
    plots = {series.getparent(): None for series in chart._chartSpace.iter(C + "ser")}
    return pieces + [Piece(BlockKind.table, _plot_table(list(plot.iter(C + "ser")))) for plot in plots]


def _plot_table(series: list[Element]) -> str:
    names = [" ".join(_points(each.find(C + "tx")).values()) for each in series]
    labels = next(filter(None, (_points(each.find(C + "cat")) for each in series)), {})
    labels = labels or next(filter(None, (_numbers(each.find(C + "xVal")) for each in series)), {})
    columns = [_numbers(each.find(C + "val")) or _numbers(each.find(C + "yVal")) for each in series]
    places = sorted(set(labels).union(*columns))
    rows = [[labels.get(at, ""), *(column.get(at, "") for column in columns)] for at in places]
    return pipe_table([["", *names], *rows])


def _points(node: Element | None) -> dict[int, str]:
    """What the file keeps of a range of cells, by place; of labels in levels the lowest level."""
    if node is None:
        return {}
    level = node.find(f".//{C}lvl")
    points = (level if level is not None else node).iter(C + "pt")
    return {int(point.get("idx")): point.findtext(C + "v") or "" for point in points}


def _numbers(node: Element | None) -> dict[int, str]:
    return {at: _number(value) for at, value in _points(node).items()}


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


def _number(value: str) -> str:
    """A number without the noise of its last digits; other text as it is."""
    try:
        return f"{float(value):.12g}"
    except ValueError:
        return value
