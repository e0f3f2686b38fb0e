"""Typesetting for ``build_books.py``: fonts, printing with chromium, and joining the PDF book.

Needs ``fonttools``, ``pypdf``, chromium (131 or newer) and fontconfig's ``fc-match`` on the PATH,
and the Noto CJK fonts.
"""

# mypy: disable-error-code="import-untyped,import-not-found"

import html
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont
from pypdf import PdfReader, PdfWriter
from pypdf.constants import PageLabelStyle
from pypdf.generic import NameObject, TextStringObject

CHROMIUM_OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--allow-file-access-from-files",
    "--no-pdf-header-footer",
    "--generate-pdf-document-outline",
]
FACES = {  # name in print.css: fontconfig pattern, CSS weight
    ("Book Serif", "normal"): "Noto Serif CJK SC:regular",
    ("Book Serif", "bold"): "Noto Serif CJK SC:bold",
    ("Book Sans", "bold"): "Noto Sans CJK SC:bold",
    ("Book Mono", "normal"): "Noto Sans Mono CJK SC:regular",
}
Entry = tuple[int, str, int]  # outline level, heading, page index from 0


def open_font(pattern: str) -> TTFont:
    """Open the installed font that matches a fontconfig pattern such as ``Noto Serif CJK SC``."""
    query = ["fc-match", "--format=%{file}\n%{index}", pattern]
    answer = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    file, index = answer.splitlines()
    font = TTFont(file, fontNumber=int(index) & 0xFFFF, lazy=True)
    if not font["name"].getBestFullName().startswith(pattern.split(":")[0]):
        raise RuntimeError(f"the font {pattern} is not installed")
    return font


def true_type_outlines(font: TTFont, order: Sequence[str]) -> dict[str, Any]:
    """Convert the named glyphs from cubic to quadratic curves."""
    glyphs = font.getGlyphSet()
    outlines = {}
    for name in order:
        pen = TTGlyphPen(glyphs)
        glyphs[name].draw(Cu2QuPen(pen, max_err=1.0, reverse_direction=True))
        outlines[name] = pen.glyph()
    return outlines


def make_font(pattern: str, text: str, output: Path) -> None:
    """Write a TrueType font with the characters of the text.

    Chromium embeds the CFF outlines of the Noto CJK fonts as Type 3 fonts, which are large and
    nameless; TrueType outlines are embedded as a small, named subset. A font that holds only the
    characters of the book also cannot map a glyph to a Kangxi radical.
    """
    font = open_font(pattern)
    cmap = {code: glyph for code, glyph in font.getBestCmap().items() if chr(code) in text}
    order = [".notdef", *dict.fromkeys(cmap.values())]
    family, style = pattern.split(":")
    post_name = f"{family.replace(' ', '')}-{style.title()}"
    builder = FontBuilder(font["head"].unitsPerEm, isTTF=True)
    builder.setupGlyphOrder(order)
    builder.setupCharacterMap(cmap)
    builder.setupGlyf(true_type_outlines(font, order))
    shapes, widths = builder.font["glyf"], font["hmtx"]
    builder.setupHorizontalMetrics({name: (widths[name][0], getattr(shapes[name], "xMin", 0)) for name in order})
    up, down = font["hhea"].ascent, font["hhea"].descent
    builder.setupHorizontalHeader(ascent=up, descent=down)
    builder.setupNameTable({"familyName": family, "styleName": style.title(), "psName": post_name})
    weight = 700 if style == "bold" else 400
    builder.setupOS2(
        sTypoAscender=up,
        sTypoDescender=down,
        usWinAscent=up,
        usWinDescent=-down,
        usWeightClass=weight,
    )
    builder.setupPost()
    builder.save(output)


def print_to_pdf(page: Path, output: Path) -> None:
    """Print an HTML file to PDF with a fresh headless chromium."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        raise RuntimeError("chromium was not found on the PATH")
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser,
            *CHROMIUM_OPTIONS,
            f"--user-data-dir={profile}",
            f"--print-to-pdf={output}",
        ]
        done = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=180, check=False)
    if done.returncode or not output.is_file():
        raise RuntimeError(f"chromium failed: {done.stderr[-2000:]}")


def read_outline(reader: PdfReader) -> list[Entry]:
    """List the chapters and sections in the outline of a PDF, in order."""

    def walk(items: Sequence[Any], level: int) -> Iterator[Entry]:
        for item in items:
            if isinstance(item, list):
                yield from walk(item, level + 1)
            elif level <= 2:
                yield level, str(item.title), reader.get_destination_page_number(item) or 0

    return list(walk(reader.outline, 1))


def font_faces(text: str, folder: Path) -> str:
    """Write the fonts for a page's characters into a folder and return the CSS that loads them."""
    used = html.unescape(text) + "目录0123456789ivxlcdm• "
    rules = []
    for (family, weight), pattern in FACES.items():
        file = folder / f"{family}-{weight}.ttf".replace(" ", "-")
        make_font(pattern, used, file)
        rules.append(f'@font-face {{ font-family: "{family}"; font-weight: {weight}; src: url("{file.as_uri()}"); }}')
    return "\n".join(rules)


def polish(page: str) -> str:
    """Set names such as log upright in formulas and keep words such as copy-on-write on one line.

    A hyphen at the end of a line would turn into U+FFFE in the text that PDFium extracts.
    """
    head, body = page.split("<body>", 1)
    body = re.sub(r"<mi>([^<]{2,})</mi>", r'<mi mathvariant="normal">\1</mi>', body)
    word = re.compile(r"\w+(?:-\w+)+", re.ASCII)
    body = re.sub(
        r"(?<=>)[^<]+",
        lambda text: word.sub(r'<span class="word">\g<0></span>', text[0]),
        body,
    )
    return f"{head}<body>{body}"


def move_introduction(chapters: str, preface: str) -> tuple[str, str]:
    """Move what stands before the first chapter heading to the start of the preface."""
    before, after = chapters.split("<h1", 1)
    head, introduction = before.split("<body>", 1)
    preface = preface.replace("</header>", f"</header>{introduction}", 1)
    return f"{head}<body><h1{after}", preface


def front_matter(title: str, author: str, preface: str, entries: Sequence[Entry]) -> str:
    """Put a title page before the preface and a table of contents after it."""
    rows = []
    for level, heading, page in entries:
        kind = "chapter" if level == 1 else "section"
        rows.append(
            f'<p class="entry {kind}"><span>{html.escape(heading)}</span>'
            f'<span class="dots"></span><span>{page + 1}</span></p>'
        )
    cover = f'<div class="titlepage"><p class="name">{title}</p><p>{author}</p></div>'
    contents = "<h1>目录</h1>\n" + "\n".join(rows)
    return preface.replace("<body>", f"<body>{cover}").replace("</body>", f"{contents}</body>")


def running_head(title: str, number: str) -> str:
    """Return the CSS for the head and the printed page number; the title page has neither."""
    bare = "@top-center { content: none; border: none; } @bottom-center { content: none; }"
    first = f"@page :first {{ {bare} }}" if "roman" in number else ""
    head = f'@top-center {{ content: "{title}"; }} @bottom-center {{ content: {number}; }}'
    return f"@page {{ {head} }} {first}"


def join_book(front: PdfReader, body: PdfReader, about: Mapping[str, str], epoch: int, output: Path) -> None:
    """Join front matter and chapters, with page labels, outline and fixed dates."""
    writer = PdfWriter()
    writer.append(front)
    writer.append(body)
    opening, total = len(front.pages), len(front.pages) + len(body.pages)
    writer.set_page_label(0, opening - 1, style=PageLabelStyle.LOWERCASE_ROMAN)
    writer.set_page_label(opening, total - 1, style=PageLabelStyle.DECIMAL, start=1)
    writer.root_object[NameObject("/Lang")] = TextStringObject("zh-CN")
    stamp = time.strftime("D:%Y%m%d%H%M%SZ", time.gmtime(epoch))
    writer.add_metadata({**about, "/CreationDate": stamp, "/ModDate": stamp})
    writer.compress_identical_objects()
    writer.write(output)
