"""The XML inside Office and EPUB files: parts of the archive in and out, without entities or network."""

import io
import posixpath
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lxml import etree

# Elements of lxml carry no types of their own.
Element = Any

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
DGM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
XmlError = etree.XMLSyntaxError


def parse_xml(data: bytes) -> Element:
    """The root of `data`; raises XmlError."""
    return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False))


def xml_bytes(element: Element) -> bytes:
    """`element` as XML without what follows it."""
    return bytes(etree.tostring(element, with_tail=False))


def with_parts(path: Path, changed: Mapping[str, bytes]) -> bytes:
    """The archive at `path` with the named parts replaced."""
    out = io.BytesIO()
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
        for name in source.namelist():
            target.writestr(name, changed[name] if name in changed else source.read(name))
    return out.getvalue()


def part_of(archive: zipfile.ZipFile, target: str) -> bytes | None:
    """The part that `target`, a path from some folder of the archive, means; None where it is missing or damaged."""
    wanted = posixpath.normpath(target).lstrip("./")
    names = archive.namelist()
    found = wanted if wanted in names else next((name for name in names if name.endswith("/" + wanted)), None)
    try:
        return archive.read(found) if found else None
    except (zipfile.BadZipFile, zlib.error):
        return None


def unwrap_alternatives(root: Element) -> None:
    """Put the first choice of every mc:AlternateContent in its place: its fallback says the same again."""
    for alternate in list(root.iter(MC + "AlternateContent")):
        parent = alternate.getparent()
        chosen = alternate.find(MC + "Choice")
        if chosen is None:
            chosen = alternate.find(MC + "Fallback")
        place = parent.index(alternate)
        for offset, child in enumerate(list(chosen) if chosen is not None else []):
            parent.insert(place + offset, child)
        parent.remove(alternate)
