"""DOCX, EPUB, HTML, reStructuredText, ODT, LaTeX and Jupyter notebooks, through pandoc.

Pandoc turns each of them into one syntax tree, with OMML and MathML formulas as LaTeX. A document of
hardly any text whose pages are images is read by character recognition.
"""

import json
import subprocess
import zipfile
import zlib
from pathlib import Path

import pypandoc

from core.errors import SourceError, UnreadableBookError
from core.types import ExtractedBook, OcrPage
from ingest.readers.context import ReaderContext
from ingest.readers.html import epub_without_hidden, html_text, without_hidden
from ingest.readers.images import PAGE_SIDE, image_size, is_scan, recognise
from ingest.readers.odt import odt_for_pandoc
from ingest.readers.ooxml import XmlError, part_of
from ingest.readers.pandoc_tree import Node, TreeWalker, image_targets, meta_text
from ingest.readers.text import decode, is_utf8
from ingest.readers.text_builder import Piece, letters
from ingest.readers.word import word_without_hidden

FORMATS = {
    ".docx": "docx", ".epub": "epub", ".odt": "odt", ".ipynb": "ipynb", ".tex": "latex",
    ".rst": "rst", ".html": "html", ".htm": "html", ".xhtml": "html",
}  # fmt: skip
# What HTML marks as LaTeX for MathJax or KaTeX stays LaTeX.
_READ_AS = {form: f"{form}+tex_math_dollars+tex_math_single_backslash" for form in ("html", "epub")}
_WITH_IMAGES = {"docx", "epub", "odt"}
_TEXT = {"rst", "latex", "ipynb"}


def pandoc_version() -> str:
    """That of the program. Raises SourceError where there is none."""
    try:
        return str(pypandoc.get_pandoc_version())
    except OSError as error:
        raise SourceError(f"pandoc is not there: {error}", mend="install the locked requirements again") from error


def read_pandoc(path: Path, context: ReaderContext) -> ExtractedBook:
    """Read a file whose suffix is in `FORMATS`; one page without a number.

    Raises UnreadableBookError with pandoc's own words when it cannot be read.
    """
    form = FORMATS[path.suffix.lower()]
    source = _without_hidden(path, form)
    tree = pandoc_tree(path.name, form, source if source is not None else path)
    book = _build(tree, meta_text(tree, "title"), {}, ())
    if form in _WITH_IMAGES and (targets := image_targets(tree["blocks"])):
        return _with_recognised(path, context, tree, book, targets)
    return book


def pandoc_tree(name: str, form: str, source: bytes | Path) -> Node:
    """Pandoc's tree of a file called `name`, given as bytes or by its path.

    Raises UnreadableBookError with pandoc's own words when it cannot be read.
    """
    # The memory bound makes a document that explodes fail with a message instead of a kill.
    command = [pypandoc.get_pandoc_path(), "+RTS", "-M1500m", "-RTS", "--sandbox", "-t", "json"]
    command += ["-f", _READ_AS.get(form, form)]
    command += [str(source)] if isinstance(source, Path) else []
    given = source if isinstance(source, bytes) else None
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    if done.returncode:
        raise UnreadableBookError(
            f"{name} is not a readable {form} file: {_reason(done.stderr.decode(errors='replace'))}",
            mend="open it in the program that made it and save it again",
        )
    tree: Node = json.loads(done.stdout)
    return tree


def _reason(stderr: str) -> str:
    """Pandoc's message on one line, without the marks under the place and without the calls of its own code."""
    words = [line.strip() for line in stderr.split("CallStack")[0].splitlines() if any(map(str.isalnum, line))]
    return "; ".join(words)[:300] or "pandoc failed without a word"


def _without_hidden(path: Path, form: str) -> bytes | None:
    """What pandoc reads in place of the file; None: the file itself."""
    if form == "html":
        return without_hidden(html_text(path.read_bytes(), path.name)).encode()
    if form in _TEXT and not is_utf8(path):
        return decode(path).encode()
    try:
        if form == "epub":
            return epub_without_hidden(path)
        if form == "docx":
            return word_without_hidden(path)
        if form == "odt":
            return odt_for_pandoc(path)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, XmlError, KeyError) as error:
        raise UnreadableBookError(
            f"{path.name} is not a readable {form} file: {error}", mend="it may be cut short: copy it again"
        ) from error
    return None


def _with_recognised(
    path: Path, context: ReaderContext, tree: Node, book: ExtractedBook, targets: list[str]
) -> ExtractedBook:
    """The book with the text of its images where they are its pages; else `book` as it is."""
    targets = list(dict.fromkeys(targets))
    if not is_scan(letters(book.text), [(PAGE_SIDE, PAGE_SIDE)] * len(targets)):
        return book  # were they all pages; so the sizes need not be looked up
    with zipfile.ZipFile(path) as archive:
        sizes = [image_size(part_of(archive, target) or b"") for target in targets]
        if not is_scan(letters(book.text), sizes):
            return book
        shown = [target for target, size in zip(targets, sizes, strict=True) if min(size) > 0]
        pages, ocr = recognise((part_of(archive, target) or b"" for target in shown), path.name, context)
    return _build(tree, book.title, dict(zip(shown, pages, strict=True)), ocr)


def _build(tree: Node, title: str | None, said: dict[str, list[Piece]], ocr: tuple[OcrPage, ...]) -> ExtractedBook:
    walker = TreeWalker()
    for node in tree["blocks"]:
        walker.blocks([node])
        for target in image_targets([node]) if said else []:
            walker.builder.add_all(said.pop(target, []))
    return walker.builder.build(title=title or None, ocr=ocr)
