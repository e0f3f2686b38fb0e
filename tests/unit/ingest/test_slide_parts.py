"""Slides: order of reading, groups, charts, diagrams, formulas, and what nobody sees."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from files import CONTEXT, OMML_FRACTION, OMML_SQUARE, check_offsets, of_kind, shown, slides
from PIL import Image
from pptx.chart.data import CategoryChartData, XyChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.opc.package import Part
from pptx.opc.packuri import PackURI
from pptx.oxml import parse_xml
from pptx.util import Inches

from core.types import BlockKind, ExtractedBook
from ingest.readers.slide_order import Box, in_reading_order
from ingest.readers.slides import read_slides

DRAWING = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
DIAGRAM = 'xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram"'


def read(folder: Path, *fills: Callable[[Any], object], layout: int = 6) -> ExtractedBook:
    def fill(show: Any) -> None:
        for each in fills:
            each(show.slides.add_slide(show.slide_layouts[layout]))

    book = read_slides(slides(folder / "a.pptx", fill), CONTEXT)
    check_offsets(book)
    return book


def texts(book: ExtractedBook) -> list[str]:
    return [text for _, text in shown(book)]


def box(slide: Any, words: str, left: float, top: float, width: float = 3, height: float = 0.5) -> Any:
    shape = slide.shapes.add_textbox(Inches(left), Inches(top), Inches(width), Inches(height))
    shape.text_frame.text = words
    return shape


def test_columns_are_read_one_after_the_other(tmp_path: Path) -> None:
    def fill(slide: Any) -> None:
        for words, left, top in (("右二", 5, 3), ("左二", 1, 3.02), ("右一", 5, 2), ("左一", 1, 2), ("抬头", 1, 0.5)):
            box(slide, words, left, top, 8 if words == "抬头" else 3)

    assert texts(read(tmp_path, fill)) == ["抬头", "左一", "左二", "右一", "右二"]


def test_small_boxes_in_rows_are_read_by_rows() -> None:
    area = Box(0, 0, 1000, 600)
    cells = [(Box(x * 100, y * 100, x * 100 + 90, y * 100 + 90), f"{y}{x}") for x in range(4) for y in range(3)]
    assert in_reading_order(cells, area) == [f"{y}{x}" for y in range(3) for x in range(4)]


def test_boxes_over_one_another_are_read_from_the_top() -> None:
    boxes = [(Box(100, 200, 500, 600), "below"), (Box(0, 0, 400, 400), "above"), (Box(50, 100, 450, 500), "between")]
    assert in_reading_order(boxes, Box(0, 0, 1000, 600)) == ["above", "between", "below"]


def test_groups_are_read_in_their_own_order(tmp_path: Path) -> None:
    def fill(slide: Any) -> None:
        group = slide.shapes.add_group_shape()
        inner = group.shapes.add_group_shape()
        for shapes, words, top in ((inner.shapes, "内", 2), (group.shapes, "外", 1)):
            shape = shapes.add_textbox(Inches(1), Inches(top), Inches(2), Inches(0.5))
            shape.text_frame.text = words

    assert texts(read(tmp_path, fill)) == ["外", "内"]


def test_hidden_slides_hidden_shapes_and_those_off_the_slide(tmp_path: Path) -> None:
    def first(slide: Any) -> None:
        box(slide, "可见", 1, 1)
        box(slide, "隐藏", 1, 2)._element.nvSpPr.cNvPr.set("hidden", "1")
        box(slide, "隐藏", -8, 1)
        box(slide, "隐藏", 1, 30)

    def second(slide: Any) -> None:
        box(slide, "隐藏", 1, 1)
        slide._element.set("show", "0")

    book = read(tmp_path, first, second, lambda slide: box(slide, "第三页", 1, 1))
    assert texts(book) == ["可见", "第三页"]
    assert [page.number for page in book.pages] == [1, 3]


def test_a_chart_is_a_caption_and_a_table(tmp_path: Path) -> None:
    def fill(slide: Any) -> None:
        data = CategoryChartData()
        data.categories = ["一月", "二月"]
        data.add_series("销量", (1.5, 2))
        data.add_series("利润", (0.1, None))
        where = (Inches(1), Inches(1), Inches(5), Inches(4))
        chart = slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *where, data).chart
        chart.has_title = True
        chart.chart_title.text_frame.text = "图 1 季度"

    assert shown(read(tmp_path, fill)) == [
        (BlockKind.caption, "图 1 季度"),
        (BlockKind.table, "|  | 销量 | 利润 |\n| --- | --- | --- |\n| 一月 | 1.5 | 0.1 |\n| 二月 | 2 |  |"),
    ]


def test_a_chart_of_points_and_one_of_a_kind_that_is_not_known(tmp_path: Path) -> None:
    def fill(slide: Any) -> None:
        where = (Inches(1), Inches(1), Inches(5), Inches(4))
        points = XyChartData()
        series = points.add_series("测量")
        series.add_data_point(1, 2.5)
        series.add_data_point(2, 3)
        slide.shapes.add_chart(XL_CHART_TYPE.XY_SCATTER, *where, points)
        data = CategoryChartData()
        data.categories = ["甲"]
        data.add_series("高", (7,))
        chart = slide.shapes.add_chart(XL_CHART_TYPE.LINE, *where, data).chart
        line = next(chart._chartSpace.iter("{http://schemas.openxmlformats.org/drawingml/2006/chart}lineChart"))
        line.tag = line.tag.replace("lineChart", "stockChart")

    assert of_kind(read(tmp_path, fill), BlockKind.table) == [
        "|  | 测量 |\n| --- | --- |\n| 1 | 2.5 |\n| 2 | 3 |",
        "|  | 高 |\n| --- | --- |\n| 甲 | 7 |",
    ]


def test_a_linked_picture(tmp_path: Path) -> None:
    def fill(slide: Any) -> None:
        box(slide, "文字", 1, 1)
        Image.new("RGB", (200, 100)).save(tmp_path / "a.png")
        picture = slide.shapes.add_picture(str(tmp_path / "a.png"), 0, 0)
        blip = picture._element.blipFill.find("{http://schemas.openxmlformats.org/drawingml/2006/main}blip")
        del blip.attrib["{http://schemas.openxmlformats.org/officeDocument/2006/relationships}embed"]

    assert texts(read(tmp_path, fill)) == ["文字"]


def test_merged_cells(tmp_path: Path) -> None:
    def fill(slide: Any) -> None:
        table = slide.shapes.add_table(3, 2, Inches(1), Inches(1), Inches(4), Inches(2)).table
        for number, words in enumerate(["合并", "", "类", "甲", "", "乙"]):
            table.cell(number // 2, number % 2).text = words
        table.cell(0, 0).merge(table.cell(0, 1))
        table.cell(1, 0).merge(table.cell(2, 0))

    assert of_kind(read(tmp_path, fill), BlockKind.table) == ["| 合并 |  |\n| --- | --- |\n| 类 | 甲 |\n|  | 乙 |"]


def test_a_smartart_diagram_is_a_nested_list(tmp_path: Path) -> None:
    points = "".join(
        f'<dgm:pt modelId="{name}" type="{kind}"><dgm:t><a:p><a:r><a:t>{words}</a:t></a:r></a:p></dgm:t></dgm:pt>'
        for name, kind, words in (("0", "doc", ""), ("2", "node", "线程"), ("1", "node", "进程"), ("3", "node", "状态"))
    )
    lines = "".join(
        f'<dgm:cxn modelId="{number}9" srcId="{above}" destId="{below}" srcOrd="{number}"/>'
        for above, below, number in (("0", "1", 0), ("0", "2", 1), ("1", "3", 0))
    )
    body = f"<dgm:ptLst>{points}</dgm:ptLst><dgm:cxnLst>{lines}</dgm:cxnLst>"
    model = f"<dgm:dataModel {DIAGRAM} {DRAWING}>{body}</dgm:dataModel>"
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/diagramData"

    def fill(slide: Any) -> None:
        name = PackURI("/ppt/diagrams/data1.xml")
        part = Part(
            name, "application/vnd.openxmlformats-officedocument.drawingml.diagramData+xml", None, model.encode()
        )
        rel = slide.part.relate_to(part, kind)
        frame = slide.shapes.add_table(1, 1, Inches(1), Inches(1), Inches(4), Inches(1))._element
        data = frame.graphic.graphicData
        data.remove(data[0])
        data.set("uri", "http://schemas.openxmlformats.org/drawingml/2006/diagram")
        ns = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
        data.append(parse_xml(f'<dgm:relIds {DIAGRAM} {ns} r:dm="{rel}" r:lo="" r:qs="" r:cs=""/>'))

    assert shown(read(tmp_path, fill)) == [(BlockKind.list, "- 进程\n  - 状态\n- 线程")]


def test_formulas_become_latex(tmp_path: Path) -> None:
    a14 = 'xmlns:a14="http://schemas.microsoft.com/office/drawing/2010/main"'
    mc = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'

    def fill(slide: Any) -> None:
        # As PowerPoint writes it: the shape with its formula is one choice, a picture of it the other.
        shape = box(slide, "比值", 1, 1)
        shape.text_frame.paragraphs[0]._p.append(parse_xml(f"<a14:m {a14}>{OMML_FRACTION}</a14:m>"))
        alone = shape.text_frame.add_paragraph()
        alone._p.append(parse_xml(f"<a14:m {a14}>{OMML_SQUARE}</a14:m>"))
        tree = shape._element.getparent()
        wrapped = parse_xml(
            f'<mc:AlternateContent {mc}><mc:Choice Requires="a14"/><mc:Fallback/></mc:AlternateContent>'
        )
        fallback = box(slide, "替代", 1, 1)._element
        tree.append(wrapped)
        wrapped[0].append(shape._element)
        wrapped[1].append(fallback)

    assert shown(read(tmp_path, fill)) == [
        (BlockKind.paragraph, "比值$\\frac{a}{b}$"),
        (BlockKind.formula, "$$x^{2}$$"),
    ]


def test_numbered_and_ranked_paragraphs_and_small_raised_text(tmp_path: Path) -> None:
    def fill(slide: Any) -> None:
        frame = box(slide, "引言", 1, 1).text_frame
        for words in ("甲", "乙"):
            properties = frame.add_paragraph()
            properties.text = words
            properties._p.get_or_add_pPr().append(
                parse_xml(f'<a:buAutoNum {DRAWING} type="arabicPeriod" startAt="3"/>')
            )
        ranked = box(slide, "上", 1, 4).text_frame
        below = ranked.add_paragraph()
        below.text, below.level = "下", 1
        run = box(slide, "x", 1, 6).text_frame.paragraphs[0].add_run()
        run.text = "2"
        run._r.get_or_add_rPr().set("baseline", "30000")

    assert shown(read(tmp_path, fill)) == [
        (BlockKind.paragraph, "引言"),
        (BlockKind.list, "3. 甲\n4. 乙"),
        (BlockKind.list, "- 上\n  - 下"),
        (BlockKind.paragraph, "x^2"),
    ]
