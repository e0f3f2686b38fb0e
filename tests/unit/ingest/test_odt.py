"""ODT: merged cells, inner tables and formulas lose nothing, hidden text is gone."""

import zipfile
from pathlib import Path

import pytest
from files import CONTEXT, MATHML_SQUARE, check_offsets, of_kind, shown

from core.types import BlockKind, ExtractedBook
from ingest.readers.pandoc import read_pandoc

SPACES = {"office": "office", "style": "style", "table": "table", "text": "text", "draw": "drawing"}
ROOT = 'xmlns:xlink="http://www.w3.org/1999/xlink" ' + " ".join(
    f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for short, name in SPACES.items()
)


def read(path: Path, body: str, styles: str = "", formula: str = "") -> ExtractedBook:
    content = (
        f"<office:document-content {ROOT}><office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body><office:text>{body}</office:text></office:body></office:document-content>"
    )
    manifest = (
        '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><manifest:file-entry '
        'manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>'
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        archive.writestr("META-INF/manifest.xml", manifest)
        archive.writestr("styles.xml", f"<office:document-styles {ROOT}/>")
        archive.writestr("content.xml", content)
        archive.writestr("Object 1/content.xml", formula)
    book = read_pandoc(path, CONTEXT)
    check_offsets(book)
    return book


def cell(content: str, more: str = "") -> str:
    return f"<table:table-cell {more}>{content}</table:table-cell>"


def text(words: str) -> str:
    return f"<text:p>{words}</text:p>"


def table(*rows: str) -> str:
    lines = "".join(f"<table:table-row>{row}</table:table-row>" for row in rows)
    return f'<table:table><table:table-column table:number-columns-repeated="3"/>{lines}</table:table>'


def test_merged_cells_stay_in_their_columns(tmp_path: Path) -> None:
    two = 'table:number-{}-spanned="2"'
    covered = "<table:covered-table-cell><text:p>遮住</text:p></table:covered-table-cell>"
    body = table(
        cell(text("甲"), two.format("rows")) + cell(text("乙"), two.format("columns")) + covered,
        covered + cell(text("丙")) + cell(text("丁"), two.format("rows")),
        cell("", 'table:number-columns-repeated="2"') + "<table:covered-table-cell/>",
        cell("", 'table:number-columns-repeated="x"') + cell(text("戊")) + cell(""),
    )
    assert of_kind(read(tmp_path / "a.odt", body), BlockKind.table) == [
        "| 甲 | 乙 |  |\n| --- | --- | --- |\n|  | 丙 | 丁 |\n|  |  |  |\n|  | 戊 |  |"
    ]


def test_inner_tables_keep_their_text(tmp_path: Path) -> None:
    items = f"<text:list><text:list-item>{text('项')}</text:list-item></text:list>"
    inner = table(cell(text("内一")) + cell(table(cell(text("内二")))) + cell(items))
    within = f"<text:list><text:list-item>{inner}</text:list-item></text:list>"
    body = table(cell(text("外")) + cell(within) + cell(""))
    assert of_kind(read(tmp_path / "a.odt", body), BlockKind.table) == [
        "| 外 | 1. 内一 内二 1. 项 |  |\n| --- | --- | --- |"
    ]


def test_text_hidden_by_its_style_is_no_text(tmp_path: Path) -> None:
    styles = (
        '<style:style style:name="H" style:family="text"><style:text-properties text:display="none"/></style:style>'
    )
    body = (
        '<text:p>前<text:span text:style-name="H">隐藏</text:span>后</text:p><text:p text:style-name="H">隐藏</text:p>'
    )
    assert shown(read(tmp_path / "a.odt", body, styles)) == [(BlockKind.paragraph, "前后")]


@pytest.mark.parametrize("target", ["./Object 1", "Object 1", "Object 1/"])
def test_formulas_of_libreoffice_and_others(target: str, tmp_path: Path) -> None:
    frame = f'<draw:frame><draw:object xlink:href="{target}"/></draw:frame>'
    book = read(tmp_path / "a.odt", text("式") + text(frame), formula=MATHML_SQUARE)
    assert shown(book) == [(BlockKind.paragraph, "式"), (BlockKind.formula, "$$x^{2}$$")]
