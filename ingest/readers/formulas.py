"""Formulas of Office (OMML) as LaTeX, through pandoc's reader of Word files."""

import io
import zipfile
from collections.abc import Sequence
from typing import Any

from ingest.readers.ooxml import Element, M, xml_bytes
from ingest.readers.pandoc import pandoc_tree

_TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/word/document.xml" ContentType='
    '"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)
_RELATIONS = (
    '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Target="word/document.xml" Type='
    '"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"/></Relationships>'
)
_DOCUMENT = (
    b'<?xml version="1.0" encoding="utf-8"?><w:document '
    b'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>%s</w:body></w:document>'
)


def latex_of(formulas: Sequence[Element], name: str) -> list[str]:
    """The LaTeX of each m:oMath of the file called `name`, in one call; "" for an empty formula."""
    if not formulas:
        return []
    # A letter in front keeps the paragraph of a formula that pandoc finds empty.
    paragraphs = b"".join(b"<w:p><w:r><w:t>x</w:t></w:r>%s</w:p>" % xml_bytes(formula) for formula in formulas)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("[Content_Types].xml", _TYPES)
        archive.writestr("_rels/.rels", _RELATIONS)
        archive.writestr("word/document.xml", _DOCUMENT % paragraphs)
    blocks = pandoc_tree(name, "docx", out.getvalue())["blocks"]
    return [_math(block["c"]) for block in blocks]


def outermost(root: Element) -> list[Element]:
    """The m:oMath below `root`, in order."""
    return list(root.iter(M + "oMath"))


def _math(inlines: list[Any]) -> str:
    return next((node["c"][1].strip() for node in inlines if node["t"] == "Math"), "")
