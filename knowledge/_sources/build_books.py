"""Build the bundled sample textbooks from the Markdown sources in this folder.

Run ``python knowledge/_sources/build_books.py`` [NAME ...]; without names every output is built
into ``knowledge/``:

* ``computer-organization.docx`` - Word headings, tables, OMML formulas (pandoc).
* ``operating-systems.pdf`` - typeset A5 book with text layer, page labels and outline (pandoc,
  chromium, fontTools, pypdf). Front matter has roman numbers, page 1 is the first chapter.
* ``computer-networks.epub`` - EPUB 3, one file per chapter, MathML (pandoc).
* ``data-structures.html`` - one self-contained HTML page, MathML (pandoc).
* ``network-lecture-slides.pptx`` - slides, tables and speaker notes (pandoc).
* ``hashing-scan.pdf`` - three page images without a text layer (pandoc, chromium, pypdfium2,
  pillow); it needs OCR to be read.

Needs: pandoc 3.8 or newer through ``pypandoc-binary``; ``pypdf``, ``pypdfium2``, ``pillow`` and
``fonttools``; a ``chromium`` (131 or newer) and fontconfig's ``fc-match`` on the PATH; the fonts
Noto Serif CJK SC, Noto Sans CJK SC and Noto Sans Mono CJK SC (Debian: ``fonts-noto-cjk``). The
files already built are kept under version control, so nobody needs these tools to run the service.
"""

# mypy: disable-error-code="import-untyped,import-not-found"

import argparse
import io
import os
import random
import re
import subprocess
import tempfile
import time
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path

import book_pdf
import pypandoc
import pypdfium2
from PIL import Image, ImageFilter
from pypdf import PdfReader

SOURCES = Path(__file__).resolve().parent
OUTPUT = SOURCES.parent
EPOCH = 1767225600  # 2026-01-01 00:00 UTC, the date in every output
AUTHOR = "Keben 示例教材"
READER = (
    "markdown-smart-subscript-superscript-citations-example_lists"
    "+east_asian_line_breaks+lists_without_preceding_blankline"
)
PANDOC_OPTIONS = ["--shift-heading-level-by=-1", "--syntax-highlighting=none", "--columns=10000"]
SCAN_DPI = 170
SCAN_SEED = 20260101


def book_title(source: Path) -> str:
    """Return the first-level heading of a source."""
    for line in source.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            return line[2:].strip()
    raise ValueError(f"{source.name} has no first-level heading")


def pandoc(source: Path, target: str, *options: str, output: Path | None = None) -> str:
    """Convert one source with pandoc; the text comes back unless an output file is given."""
    return str(
        pypandoc.convert_file(
            str(source),
            target,
            format=READER,
            extra_args=[*PANDOC_OPTIONS, *options],
            outputfile=None if output is None else str(output),
        )
    )


def metadata(source: Path) -> list[str]:
    """Return the pandoc options that set language, author and a stable identifier."""
    identifier = uuid.uuid5(uuid.NAMESPACE_URL, f"keben-sample:{source.stem}")
    values = {
        "lang": "zh-CN",
        "author": AUTHOR,
        "date": "2026-01-01",
        "identifier": f"urn:uuid:{identifier}",
    }
    return [f"--metadata={key}={value}" for key, value in values.items()]


def reference_docx(output: Path) -> None:
    """Write pandoc's reference document with ruled tables and a style for program code."""
    command = [pypandoc.get_pandoc_path(), "--print-default-data-file", "reference.docx"]
    default = io.BytesIO(subprocess.run(command, capture_output=True, check=True).stdout)
    borders = (SOURCES / "word-borders.xml").read_text(encoding="utf-8")
    extra = (SOURCES / "word-styles.xml").read_text(encoding="utf-8")
    with zipfile.ZipFile(default) as old, zipfile.ZipFile(output, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "word/styles.xml":
                text = data.decode().replace("<w:tblCellMar>", f"{borders}<w:tblCellMar>")
                data = text.replace("</w:styles>", f"{extra}</w:styles>").encode()
            new.writestr(zipfile.ZipInfo(name, time.gmtime(EPOCH)[:6]), data)


def build_docx(output: Path) -> None:
    """Build the Word book."""
    source = SOURCES / "computer-organization.md"
    with tempfile.TemporaryDirectory() as folder:
        reference = Path(folder) / "reference.docx"
        reference_docx(reference)
        pandoc(source, "docx", *metadata(source), f"--reference-doc={reference}", output=output)


def build_epub(output: Path) -> None:
    """Build the EPUB book with one file per chapter."""
    source = SOURCES / "computer-networks.md"
    pandoc(
        source,
        "epub3",
        *metadata(source),
        "--mathml",
        "--split-level=1",
        "--toc",
        "--toc-depth=2",
        output=output,
    )


def build_html(output: Path) -> None:
    """Build the web page; the style sheet stands inside it and nothing is loaded from elsewhere.

    The table of contents needs the chapters at the first level; below the title they are h2.
    """
    source = SOURCES / "data-structures.md"
    page = html_page(source, "web.css", "--toc", "--toc-depth=2", "--variable=cover")
    head, body = page.split("</header>", 1)
    body = re.sub(r"(</?h)([1-5])\b", lambda tag: f"{tag[1]}{int(tag[2]) + 1}", body)
    output.write_text(f"{head}</header>{body}", encoding="utf-8")


def build_pptx(output: Path) -> None:
    """Build the lecture slides; their title stands in a metadata block, so headings stay."""
    source = SOURCES / "network-lecture-slides.md"
    pandoc(source, "pptx", "--shift-heading-level-by=0", "--slide-level=2", output=output)


def html_page(source: Path, style: str, *options: str) -> str:
    """Convert a source to a standalone HTML page with one of the style sheets inside."""
    css = (SOURCES / style).read_text(encoding="utf-8")
    template = f"--template={SOURCES / 'page.html'}"
    return pandoc(source, "html5", "--standalone", "--mathml", template, f"--variable=style={css}", *options)


def build_pdf(output: Path) -> None:
    """Typeset the PDF book: chapters first, since the table of contents needs their pages."""
    source = SOURCES / "operating-systems.md"
    title = book_title(source)
    preface = SOURCES / "operating-systems-preface.md"
    chapters, opening = book_pdf.move_introduction(
        html_page(source, "print.css"), html_page(preface, "print.css", "--variable=cover")
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        faces = book_pdf.font_faces(chapters + opening + title + AUTHOR, folder)

        def typeset(page: str, stem: str, number: str) -> PdfReader:
            style = faces + book_pdf.running_head(title, number)
            page = book_pdf.polish(page).replace("</style>", f"{style}</style>", 1)
            (folder / f"{stem}.html").write_text(page, encoding="utf-8")
            book_pdf.print_to_pdf(folder / f"{stem}.html", folder / f"{stem}.pdf")
            return PdfReader(folder / f"{stem}.pdf")

        body = typeset(chapters, "body", "counter(page)")
        opening = book_pdf.front_matter(title, AUTHOR, opening, book_pdf.read_outline(body))
        front = typeset(opening, "front", "counter(page, lower-roman)")
        about = {"/Title": title, "/Author": AUTHOR}
        book_pdf.join_book(front, body, about, EPOCH, output)


def scan_page(page: Image.Image, rng: random.Random) -> Image.Image:
    """Make a clean page image look scanned: slightly turned, soft, grey and noisy."""
    turned = page.rotate(rng.uniform(-0.5, 0.5), Image.Resampling.BICUBIC, fillcolor=255)
    noise = Image.frombytes("L", page.size, rng.randbytes(page.width * page.height))
    return Image.blend(turned.filter(ImageFilter.GaussianBlur(0.6)), noise, 0.05)


def build_scan(output: Path) -> None:
    """Build the scanned handout, page images only."""
    rng = random.Random(SCAN_SEED)
    source = SOURCES / "hashing-scan.md"
    with tempfile.TemporaryDirectory() as name:
        page = Path(name) / "page.html"
        text = html_page(source, "scan.css", "--shift-heading-level-by=0")
        page.write_text(text, encoding="utf-8")
        book_pdf.print_to_pdf(page, Path(name) / "clean.pdf")
        clean = pypdfium2.PdfDocument(Path(name) / "clean.pdf")
        pages = [scan_page(sheet.render(scale=SCAN_DPI / 72, grayscale=True).to_pil(), rng) for sheet in clean]
        clean.close()
    stamp = time.gmtime(EPOCH)
    options = {"resolution": SCAN_DPI, "quality": 55, "creationDate": stamp, "modDate": stamp}
    title = f"{book_title(source)}讲义"
    pages[0].save(output, "PDF", save_all=True, append_images=pages[1:], title=title, **options)


BUILDERS: dict[str, Callable[[Path], None]] = {
    "computer-organization.docx": build_docx,
    "operating-systems.pdf": build_pdf,
    "computer-networks.epub": build_epub,
    "data-structures.html": build_html,
    "network-lecture-slides.pptx": build_pptx,
    "hashing-scan.pdf": build_scan,
}


def main() -> None:
    """Build the named books, or all of them."""
    parser = argparse.ArgumentParser(description="Build the bundled sample textbooks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="file names; all without any")
    names: list[str] = parser.parse_args().names or list(BUILDERS)
    os.environ["SOURCE_DATE_EPOCH"] = str(EPOCH)
    for name in names:
        BUILDERS[name](OUTPUT / name)
        print(f"{name}: {(OUTPUT / name).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
