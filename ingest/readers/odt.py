"""OpenDocument texts as pandoc reads them without loss: hidden text out, tables made rectangular."""

import zipfile
from collections.abc import Set
from copy import deepcopy
from pathlib import Path

from ingest.readers.ooxml import Element, parse_xml, with_parts, xml_bytes

_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_OBJECT = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}object"
_TARGET = "{http://www.w3.org/1999/xlink}href"
_CELLS = (_TABLE + "table-cell", _TABLE + "covered-table-cell")
_MOST = 64  # times that a cell is repeated; spreadsheets fill their edge with thousands


def odt_for_pandoc(path: Path) -> bytes:
    """The ODT at `path` as pandoc shall read it.

    Pandoc drops cells beyond the number of cells in the first row, and tables inside cells. So a merged cell
    becomes one with text and empty ones, and the paragraphs of an inner table stand in its place. It finds formulas
    only where they are named as LibreOffice does. Text that its style hides is a way to slip instructions to a
    language model and is dropped.
    """
    with zipfile.ZipFile(path) as archive:
        names = [name for name in ("content.xml", "styles.xml") if name in archive.namelist()]
        roots = {name: parse_xml(archive.read(name)) for name in names}
    content = roots["content.xml"]
    _drop_hidden(content, {name for root in roots.values() for name in _hidden_styles(root)})
    for table in list(content.iterdescendants(_TABLE + "table")):
        if any(True for _ in table.iterancestors(*_CELLS)):
            _flatten(table)
    for cell in list(content.iterdescendants(*_CELLS)):
        _make_single(cell)
    for part in content.iterdescendants(_OBJECT):
        if target := part.get(_TARGET):
            part.set(_TARGET, "./" + target.removeprefix("./").rstrip("/"))
    return with_parts(path, {"content.xml": xml_bytes(content)})


def _hidden_styles(root: Element) -> set[str]:
    return {
        style.get(_STYLE + "name")
        for style in root.iterdescendants(_STYLE + "style")
        for properties in style.iterchildren(_STYLE + "text-properties")
        if properties.get(_TEXT + "display") == "none"
    }


def _drop_hidden(content: Element, hidden: Set[str]) -> None:
    for node in list(content.iterdescendants(_TEXT + "p", _TEXT + "h", _TEXT + "span")):
        if node.get(_TEXT + "style-name") in hidden:
            tail = node.tail
            node.clear()
            node.tail = tail


def _flatten(table: Element) -> None:
    lists = list(table.iterdescendants(_TEXT + "list"))
    for block in list(table.iterdescendants(_TEXT + "p", _TEXT + "h", _TEXT + "list")):
        if not any(above in lists for above in block.iterancestors(_TEXT + "list")):
            table.addprevious(block)
    table.getparent().remove(table)


def _make_single(cell: Element) -> None:
    """One cell that is not merged, and as many more as it stands for."""
    for span in ("number-columns-spanned", "number-rows-spanned"):
        cell.attrib.pop(_TABLE + span, None)
    repeated = cell.attrib.pop(_TABLE + "number-columns-repeated", "1")
    if cell.tag == _CELLS[1]:
        cell.tag = _CELLS[0]
        for child in list(cell):
            cell.remove(child)
    for _ in range(min(int(repeated), _MOST) - 1 if repeated.isdecimal() else 0):
        cell.addnext(deepcopy(cell))
