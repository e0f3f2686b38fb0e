"""What a reader of a web page does not see is not text of the book."""

import io
import re
import zipfile
from pathlib import Path

from bs4 import BeautifulSoup
from bs4.element import Comment, Tag

from core.errors import UnreadableBookError
from ingest.readers.text import decoded

_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|(?:opacity|font-size)\s*:\s*0(?![.\d]*[1-9])")
# Off the screen.
_FAR_AWAY = re.compile(
    r"text-indent\s*:\s*-\d{3}"
    r"|\A(?=.*position\s*:\s*(?:absolute|fixed))(?=.*(?<![-\w])(?:left|top)\s*:\s*-\d{3})",
    re.S,
)
_WHITE = re.compile(
    r"(?<![-\w])color\s*:\s*(?:white\b|#f{3}\b|#f{6}\b|rgb\(\s*255\s*,\s*255\s*,\s*255\s*\)|transparent\b)"
)
_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_.:-]+)""", re.I)
_XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
# Elements whose end tag must not be left out.
_NESTING = re.compile(
    r"<(/?)(?:div|span|a|b|i|u|em|strong|font|sub|sup|big|small|code|blockquote|ul|ol|dl|table|section|article)\b[^<>]*>",
    re.I,
)
_DEEPEST = 500
# Pandoc takes $ and \\ for formulas in inline code too. These code points are never characters.
SHIELD = {ord("$"): "\ufdd0", ord("\\"): "\ufdd1"}
_TEX_SCRIPT = re.compile(r"^math/tex")
_NOT_TEXT = "script style noscript template nav iframe object select textarea button svg".split()


def html_text(data: bytes, name: str) -> str:
    """The text of a page: UTF-8 where it is that, else in the encoding that it declares, else in a likely one."""
    if declared := _DECLARED.search(data[:4096]):
        said = declared.group(1).decode().lower()
        for encoding in ("utf-8-sig", "gb18030" if said in {"gb2312", "gbk"} else said):
            try:
                return data.decode(encoding)
            except (UnicodeDecodeError, LookupError):
                pass
    return decoded(data, name)


def without_hidden(html: str) -> str:
    """`html` without scripts, navigation, comments and nodes hidden by attribute or inline style, white on white and
    off the screen too.

    Hidden text is a way to slip instructions to a language model, so it is never indexed.
    """
    if _depth(html) > _DEEPEST:
        raise RecursionError("elements are nested too deeply")  # as later the parser would, after minutes
    soup = BeautifulSoup(_XML_DECLARATION.sub("", html), "lxml")
    _keep_formulas_and_images(soup)
    white = _white_on_white(soup)
    for tag in soup.find_all(_NOT_TEXT):
        tag.decompose()
    for comment in soup.find_all(string=lambda node: isinstance(node, Comment)):
        comment.extract()
    for tag in [*white, *soup.find_all(_is_hidden)]:
        if not tag.decomposed:
            tag.decompose()
    return str(soup)


def _keep_formulas_and_images(soup: BeautifulSoup) -> None:
    """Formulas that MathJax finds in scripts, and images that pages of scanned books wrap in SVG."""
    for script in soup.find_all("script", type=_TEX_SCRIPT):
        left, right = ("\\[", "\\]") if "display" in str(script["type"]) else ("\\(", "\\)")
        script.replace_with(f"{left}{script.get_text()}{right}")
    for code in soup.find_all(["code", "samp", "tt"]):
        for string in list(code.find_all(string=True)):
            string.replace_with(str(string).translate(SHIELD))
    for drawing in soup.find_all("svg"):
        for image in drawing.find_all("image"):
            if source := image.get("xlink:href") or image.get("href"):
                drawing.insert_before(soup.new_tag("img", src=str(source)))


def _depth(html: str) -> int:
    """How deep elements are nested at most, by their tags alone."""
    depth = deepest = 0
    for match in _NESTING.finditer(html):
        depth = max(depth - 1, 0) if match.group(1) else depth + 1
        deepest = max(deepest, depth)
    return deepest


def epub_without_hidden(path: Path) -> bytes:
    """The EPUB at `path` with `without_hidden` applied to its pages."""
    cleaned = io.BytesIO()
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(cleaned, "w") as target:
        for entry in source.infolist():
            data = source.read(entry)
            if b"<html" in data[:4096].lower():
                data = without_hidden(_chapter(data, entry.filename)).encode()
            target.writestr(entry.filename, data)
    return cleaned.getvalue()


def _chapter(data: bytes, name: str) -> str:
    """A page of a book; where it is damaged, the rest of it is worth more than none of the book."""
    try:
        return html_text(data, name)
    except UnreadableBookError:
        return data.decode(errors="replace")


def _style(tag: Tag) -> str:
    return str(tag.get("style") or "").lower()


def _is_hidden(tag: Tag) -> bool:
    style = _style(tag)
    return (
        tag.has_attr("hidden")
        or tag.get("aria-hidden") == "true"
        or bool(_HIDDEN_STYLE.search(style) or _FAR_AWAY.search(style))
    )


def _white_on_white(soup: BeautifulSoup) -> list[Tag]:
    """White text by its own style, where nothing on the page can give it a background."""
    if soup.find("link", rel="stylesheet") or any("background" in str(style) for style in soup.find_all("style")):
        return []
    white = soup.find_all(lambda tag: bool(_WHITE.search(_style(tag))))
    return [tag for tag in white if not any(map(_may_have_a_background, [tag, *tag.parents]))]


def _may_have_a_background(tag: Tag) -> bool:
    return "background" in _style(tag) or any(tag.has_attr(name) for name in ("bgcolor", "background", "class", "id"))
