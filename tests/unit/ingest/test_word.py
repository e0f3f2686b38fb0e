"""DOCX: what is hidden is gone, what stands in boxes and formulas is there."""

from pathlib import Path

import pytest
from docx.document import Document
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import parse_xml
from files import (
    CONTEXT,
    OMML_FRACTION,
    OMML_SQUARE,
    add_omml,
    add_word_table,
    check_offsets,
    of_kind,
    shown,
    with_part,
    word,
)

from core.errors import UnreadableBookError
from core.types import BlockKind, ExtractedBook
from ingest.readers.pandoc import read_pandoc

WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
BOX = (
    f'<w:p {WORD} xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
    'xmlns:v="urn:schemas-microsoft-com:vml"><w:r><w:t>锚段。</w:t></w:r><w:r><mc:AlternateContent>'
    '<mc:Choice Requires="wps"><w:drawing><wp:anchor><a:graphic><a:graphicData uri="x"><wps:wsp><wps:txbx>'
    "<w:txbxContent>{content}</w:txbxContent></wps:txbx></wps:wsp></a:graphicData></a:graphic></wp:anchor>"
    "</w:drawing></mc:Choice><mc:Fallback><w:pict><v:textbox><w:txbxContent>{content}</w:txbxContent></v:textbox>"
    "</w:pict></mc:Fallback></mc:AlternateContent></w:r></w:p>"
)


def read(path: Path) -> ExtractedBook:
    book = read_pandoc(path, CONTEXT)
    check_offsets(book)
    return book


def test_hidden_text_is_no_text(tmp_path: Path) -> None:
    def fill(document: Document) -> None:
        for name, base, kind in (
            ("HiddenBase", None, WD_STYLE_TYPE.PARAGRAPH),
            ("HiddenChild", "HiddenBase", WD_STYLE_TYPE.PARAGRAPH),
            ("HiddenMark", None, WD_STYLE_TYPE.CHARACTER),
        ):
            style = document.styles.add_style(name, kind)
            if base:
                style.base_style = document.styles[base]
            else:
                style.font.hidden = True
        paragraph = document.add_paragraph("前文")
        paragraph.add_run("隐藏").font.hidden = True
        paragraph.add_run("后文").font.hidden = False
        paragraph.add_run("隐藏", style="HiddenMark")
        document.add_paragraph("隐藏", style="HiddenBase")
        child = document.add_paragraph("隐藏", style="HiddenChild")
        child.add_run("露出").font.hidden = False
        whole = document.add_paragraph()
        whole.add_run("隐藏").font.hidden = True
        whole._p.get_or_add_pPr().append(parse_xml(f"<w:rPr {WORD}><w:vanish/></w:rPr>"))
        cell = document.add_table(1, 1).cell(0, 0).paragraphs[0]
        cell.add_run("格")
        cell.add_run("隐藏").font.hidden = True

    book = read(word(tmp_path / "a.docx", fill))
    assert [text for _, text in shown(book)] == ["前文后文", "露出", "| 格 |\n| --- |"]


def test_hidden_text_of_footnotes(tmp_path: Path) -> None:
    notes = (
        f'<w:footnotes {WORD}><w:footnote w:id="2"><w:p><w:r><w:t>脚注内容</w:t></w:r>'
        "<w:r><w:rPr><w:vanish/></w:rPr><w:t>隐藏</w:t></w:r></w:p></w:footnote></w:footnotes>"
    )

    def fill(document: Document) -> None:
        reference = parse_xml(f'<w:r {WORD}><w:footnoteReference w:id="2"/></w:r>')
        document.add_paragraph("正文")._p.append(reference)

    path = word(tmp_path / "a.docx", fill)
    relations = (
        b'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r9" '
        b'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes" Target="footnotes.xml"/>'
        b"</Relationships>"
    )
    linked = with_part(path, tmp_path / "b.docx", "word/_rels/document.xml.rels", relations)
    book = read(with_part(linked, tmp_path / "c.docx", "word/footnotes.xml", notes.encode()))
    assert book.text == "正文（脚注内容）"


def test_text_boxes_follow_their_paragraph_once(tmp_path: Path) -> None:
    content = (
        "<w:p><w:r><w:t>框中文字。</w:t></w:r></w:p><w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>隐藏</w:t></w:r></w:p>"
    )

    def fill(document: Document) -> None:
        document.add_paragraph("前段。")
        document._body._body.insert(-1, parse_xml(BOX.format(content=content)))
        document.add_paragraph("后段。")

    assert [text for _, text in shown(read(word(tmp_path / "a.docx", fill)))] == [
        "前段。",
        "锚段。",
        "框中文字。",
        "后段。",
    ]


def test_formulas_inline_on_their_own_and_in_boxes(tmp_path: Path) -> None:
    def fill(document: Document) -> None:
        add_omml(document, "比值 ", OMML_FRACTION)
        add_omml(document, "", OMML_SQUARE)
        document._body._body.insert(-1, parse_xml(BOX.format(content=f"<w:p>{OMML_SQUARE}</w:p>")))

    assert shown(read(word(tmp_path / "a.docx", fill))) == [
        (BlockKind.paragraph, "比值 $\\frac{a}{b}$"),
        (BlockKind.formula, "$$x^{2}$$"),
        (BlockKind.paragraph, "锚段。"),
        (BlockKind.formula, "$$x^{2}$$"),
    ]


def test_own_heading_styles_and_the_table_of_contents(tmp_path: Path) -> None:
    def fill(document: Document) -> None:
        style = document.styles.add_style("章标题", WD_STYLE_TYPE.PARAGRAPH)
        style.base_style = document.styles["Heading 2"]
        contents = document.styles.add_style("toc 1", WD_STYLE_TYPE.PARAGRAPH)
        document.add_paragraph("第一章 概述\t1", style=contents)
        document.add_paragraph("概述", style="章标题")
        document.add_paragraph("正文。")

    book = read(word(tmp_path / "a.docx", fill))
    assert [(block.kind, block.level) for block in book.blocks] == [(BlockKind.heading, 2), (BlockKind.paragraph, 0)]


@pytest.mark.parametrize("label", ["Table", "Figure", "表", "图"])
@pytest.mark.parametrize("simple", [True, False])
def test_captions_keep_the_numbers_that_word_counts(label: str, simple: bool, tmp_path: Path) -> None:
    counted = f" SEQ {label} \\* ARABIC "
    parts = [f'<w:fldSimple {WORD} w:instr="{counted}"><w:r><w:t>2</w:t></w:r></w:fldSimple>']
    if not simple:
        begin, between, end = (f'<w:fldChar w:fldCharType="{kind}"/>' for kind in ("begin", "separate", "end"))
        inside = (begin, f"<w:instrText>{counted}</w:instrText>", between, "<w:t>2</w:t>", end)
        parts = [f"<w:r {WORD}>{each}</w:r>" for each in inside]

    def fill(document: Document) -> None:
        caption = document.add_paragraph(f"{label} ", style="Caption")
        for part in parts:
            caption._p.append(parse_xml(part))
        caption.add_run(" 调度算法的比较")
        add_word_table(document, [["算法", "抢占"], ["轮转", "是"]])

    book = read(word(tmp_path / "a.docx", fill))
    assert shown(book)[0] == (BlockKind.caption, f"{label} 2 调度算法的比较")


def test_outline_levels_of_paragraphs_are_headings(tmp_path: Path) -> None:
    numbered = f'<w:numPr {WORD}><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr>'

    def fill(document: Document) -> None:
        for level, text in (("1", "调度"), ("9", "正文。"), ("x", "坏"), ("0", "误入大纲的长段" * 20)):
            properties = document.add_paragraph(text)._p.get_or_add_pPr()
            properties.append(parse_xml(numbered)) if text == "调度" else None
            properties.append(parse_xml(f'<w:outlineLvl {WORD} w:val="{level}"/>'))

    book = read(word(tmp_path / "a.docx", fill))
    assert [(block.kind, block.level) for block in book.blocks] == [
        (BlockKind.heading, 2),
        *[(BlockKind.paragraph, 0)] * 3,
    ]


def _numbering(*levels: tuple[str, str, str]) -> str:
    """Two lists of one scheme, the second starting anew at 5. levels: form, text and style."""
    shown = "".join(
        f'<w:lvl w:ilvl="{at}"><w:start w:val="1"/><w:numFmt w:val="{form}"/><w:pStyle w:val="{style}"/>'
        f'<w:lvlText w:val="{text}"/></w:lvl>'
        for at, (form, text, style) in enumerate(levels)
    )
    return (
        f'<w:numbering {WORD}><w:abstractNum w:abstractNumId="1">{shown}</w:abstractNum><w:num w:numId="1">'
        '<w:abstractNumId w:val="1"/></w:num><w:num w:numId="2"><w:abstractNumId w:val="1"/><w:lvlOverride w:ilvl="0">'
        '<w:startOverride w:val="5"/></w:lvlOverride></w:num></w:numbering>'
    )


def _number(document: Document, text: str, style: str, number: str = "") -> None:
    properties = document.add_paragraph(text, style=style)._p.get_or_add_pPr()
    if number:
        properties.append(parse_xml(f'<w:numPr {WORD}><w:numId w:val="{number}"/></w:numPr>'))


def test_headings_carry_the_numbers_that_word_counts(tmp_path: Path) -> None:
    def fill(document: Document) -> None:
        for style in ("Heading 1", "Heading 2"):
            number = parse_xml(f'<w:numPr {WORD}><w:numId w:val="1"/></w:numPr>')
            document.styles[style].element.get_or_add_pPr().append(number)
        for text, style in [("概述", "Heading 1"), ("历史", "Heading 2"), ("分类", "Heading 2"), ("进程", "Heading 1")]:
            _number(document, text, style)
        _number(document, "前言", "Heading 1", "0")
        _number(document, "线程", "Heading 2")
        _number(document, "附记", "Heading 1", "2")

    schemes = _numbering(("chineseCounting", "第%1章", "Heading1"), ("decimal", "%1.%2", "Heading2"))
    schemes = schemes.replace('<w:pStyle w:val="Heading2"/>', '<w:pStyle w:val="Heading2"/><w:isLgl/>')
    path = with_part(word(tmp_path / "a.docx", fill), tmp_path / "b.docx", "word/numbering.xml", schemes.encode())
    assert [text for _, text in shown(read(path))] == [
        "第一章 概述",
        "1.1 历史",
        "1.2 分类",
        "第二章 进程",
        "前言",
        "2.1 线程",
        "第五章 附记",
    ]


def test_broken_numbering_does_no_harm(tmp_path: Path) -> None:
    numbering = (
        f'<w:numbering {WORD}><w:num w:numId="1"/><w:abstractNum><w:lvl w:ilvl="x"/></w:abstractNum></w:numbering>'
    )
    path = word(tmp_path / "a.docx", lambda document: _number(document, "概述", "Heading 1", "1"))
    book = read(with_part(path, tmp_path / "b.docx", "word/numbering.xml", numbering.encode()))
    assert shown(book) == [(BlockKind.heading, "概述")]


def test_lettered_options_keep_their_letters(tmp_path: Path) -> None:
    levels = "".join(
        f'<w:lvl w:ilvl="{level}"><w:start w:val="1"/><w:numFmt w:val="{form}"/>'
        f'<w:lvlText w:val="%{level + 1}{end}"/></w:lvl>'
        for level, (form, end) in enumerate([("decimal", "."), ("upperLetter", ".")])
    )
    numbering = (
        f'<w:numbering {WORD}><w:abstractNum w:abstractNumId="1"><w:multiLevelType w:val="multilevel"/>{levels}'
        '</w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="1"/></w:num></w:numbering>'
    )

    def fill(document: Document) -> None:
        for level, text in ((0, "死锁是什么？"), (1, "互相等待"), (1, "饥饿"), (0, "下一题")):
            numbered = f'<w:numPr {WORD}><w:ilvl w:val="{level}"/><w:numId w:val="1"/></w:numPr>'
            document.add_paragraph(text)._p.get_or_add_pPr().append(parse_xml(numbered))

    path = with_part(word(tmp_path / "a.docx", fill), tmp_path / "b.docx", "word/numbering.xml", numbering.encode())
    assert of_kind(read(path), BlockKind.list) == ["1. 死锁是什么？\n   A. 互相等待\n   B. 饥饿\n2. 下一题"]


def test_merged_cells_and_a_caption(tmp_path: Path) -> None:
    def fill(document: Document) -> None:
        document.add_paragraph("表 1-1 合并", style="Caption")
        table = document.add_table(3, 3)
        for number in range(9):
            table.cell(number // 3, number % 3).text = f"{number // 3}{number % 3}" if number not in {1, 6} else ""
        table.cell(0, 0).merge(table.cell(0, 1))
        table.cell(1, 0).merge(table.cell(2, 0))

    assert shown(read(word(tmp_path / "a.docx", fill))) == [
        (BlockKind.caption, "表 1-1 合并"),
        (BlockKind.table, "| 00 |  | 02 |\n| --- | --- | --- |\n| 10 | 11 | 12 |\n|  | 21 | 22 |"),
    ]


def test_a_part_that_is_no_xml_is_named(tmp_path: Path) -> None:
    path = word(tmp_path / "a.docx", lambda document: document.add_paragraph("正文") and None)
    broken = with_part(path, tmp_path / "broken.docx", "word/document.xml", b"<w:document")
    with pytest.raises(UnreadableBookError, match=r"broken\.docx is not a readable docx file"):
        read_pandoc(broken, CONTEXT)
