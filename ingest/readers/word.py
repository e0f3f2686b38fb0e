"""Word files as their reader sees them: hidden text out, text boxes in."""

import re
import zipfile
from collections.abc import Mapping, Set
from pathlib import Path

from ingest.readers.ooxml import MC, Element, W, parse_xml, unwrap_alternatives, with_parts, xml_bytes
from ingest.readers.word_numbers import number_headings

_TEXT_PARTS = re.compile(r"word/(?:document|footnotes|endnotes)\d*\.xml")
_CONTENTS_STYLE = re.compile(r"toc \d", re.I)
_HEADING_STYLE = re.compile(r"heading ([1-9])", re.I)
_LONGEST_HEADING = 100  # characters; a paragraph in the outline by mistake is longer
_OFF = {"0", "false", "off"}


def word_without_hidden(path: Path) -> bytes:
    """The DOCX at `path` as pandoc shall read it.

    Text that Word does not show (w:vanish, of itself or through a style) is a way to slip instructions to
    a language model and is dropped, as are the lines of a table of contents. The content of a text box,
    which pandoc passes over, follows the paragraph that the box is tied to. The results of simple fields
    (the number of a table or figure) and the numbers that Word counts for headings, which it passes over
    too, are text; a paragraph with an outline level of its own is a heading.
    """
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if _TEXT_PARTS.fullmatch(name)]
        parts = {name: parse_xml(archive.read(name)) for name in names}
        styles, numbering = (_part(archive, f"word/{name}.xml") for name in ("styles", "numbering"))
    hidden = _hidden_styles(styles) if styles is not None else set()
    contents = _contents_styles(styles) if styles is not None else set()
    headings = _heading_styles(styles) if styles is not None else {}
    for root in parts.values():
        _drop_hidden(root, hidden)
        _drop_contents(root, contents)
        _unwrap_fields(root)
        _mark_headings(root, headings)
        _take_out_boxes(root)
    if styles is not None and numbering is not None:
        for name in parts.keys() & {"word/document.xml"}:
            number_headings(parts[name], styles, numbering)
    return with_parts(path, {name: xml_bytes(root) for name, root in parts.items()})


def _part(archive: zipfile.ZipFile, name: str) -> Element | None:
    return parse_xml(archive.read(name)) if name in archive.namelist() else None


def _vanishes(properties: Element | None) -> bool | None:
    """Whether a w:rPr hides its run; None where it says nothing."""
    mark = properties.find(W + "vanish") if properties is not None else None
    return None if mark is None else mark.get(W + "val") not in _OFF


def _hidden_styles(styles: Element) -> set[str]:
    own = {style.get(W + "styleId"): style for style in styles.iter(W + "style")}

    def hides(name: str | None, depth: int) -> bool:
        style = own.get(name)
        if style is None or depth > 20:
            return False
        said = _vanishes(style.find(W + "rPr"))
        base = style.find(W + "basedOn")
        return said if said is not None else base is not None and hides(base.get(W + "val"), depth + 1)

    return {name for name in own if hides(name, 0)}


def _contents_styles(styles: Element) -> set[str]:
    named = ((style, style.find(W + "name")) for style in styles.iter(W + "style"))
    return {
        style.get(W + "styleId")
        for style, name in named
        if name is not None and _CONTENTS_STYLE.fullmatch(name.get(W + "val", ""))
    }


def _style_of(properties: Element | None, tag: str) -> str | None:
    style = properties.find(W + tag) if properties is not None else None
    return None if style is None else str(style.get(W + "val"))


def _drop_hidden(root: Element, hidden: Set[str]) -> None:
    for paragraph in root.iter(W + "p"):
        by_paragraph = _style_of(paragraph.find(W + "pPr"), "pStyle") in hidden
        for run in [run for run in paragraph.iter(W + "r") if _owner(run) is paragraph]:
            properties = run.find(W + "rPr")
            said = _vanishes(properties)
            by_style = by_paragraph or _style_of(properties, "rStyle") in hidden
            if said if said is not None else by_style:
                run.getparent().remove(run)


def _owner(run: Element) -> Element | None:
    """The paragraph that a run stands in: not the one that its text box is tied to."""
    return next(run.iterancestors(W + "p"), None)


def _drop_contents(root: Element, styles: Set[str]) -> None:
    for paragraph in list(root.iter(W + "p")):
        if _style_of(paragraph.find(W + "pPr"), "pStyle") in styles:
            for child in [child for child in paragraph if child.tag != W + "pPr"]:
                paragraph.remove(child)


def _unwrap_fields(root: Element) -> None:
    """The runs of every w:fldSimple in its place."""
    for field in list(root.iterdescendants(W + "fldSimple")):
        for run in field.iterchildren(W + "r", W + "hyperlink", W + "fldSimple"):
            field.addprevious(run)
        field.getparent().remove(field)


def _heading_styles(styles: Element) -> dict[str, str]:
    """The names of the file's own heading styles, by the outline level as Word writes it ("0" to "8")."""
    named = ((style, style.find(W + "name")) for style in styles.iter(W + "style"))
    found = ((style, _HEADING_STYLE.fullmatch(name.get(W + "val", ""))) for style, name in named if name is not None)
    return {str(int(match[1]) - 1): style.get(W + "styleId") for style, match in found if match}


def _mark_headings(root: Element, headings: Mapping[str, str]) -> None:
    """Gives paragraphs that have an outline level of their own the heading style of that level."""
    for paragraph in root.iter(W + "p"):
        properties = paragraph.find(W + "pPr")
        level = properties.find(W + "outlineLvl") if properties is not None else None
        style = headings.get(level.get(W + "val")) if level is not None else None
        said = "".join(text.text or "" for text in paragraph.iter(W + "t"))
        if style is None or len(said) > _LONGEST_HEADING:
            continue
        for given in properties.findall(W + "pStyle"):
            properties.remove(given)
        properties.insert(0, properties.makeelement(W + "pStyle", {W + "val": style}))


def _take_out_boxes(root: Element) -> None:
    for alternate in list(root.iter(MC + "AlternateContent")):
        if alternate.getparent() is not None and next(alternate.iter(W + "txbxContent"), None) is not None:
            unwrap_alternatives(alternate.getparent())
    for anchor in list(root.iter(W + "p")):
        place = anchor
        for box in [box for box in anchor.iter(W + "txbxContent") if _owner(box) is anchor]:
            for block in list(box):
                place.addnext(block)
                place = block
