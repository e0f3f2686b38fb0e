"""Addresses that stand in books of every format: none is ever asked for, neither by a rebuild nor by an answer.

Parsers run in processes of their own, with the network that this machine has: the server below would hear them.
"""

import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import openpyxl
import pypandoc
import pytest
from docx import Document
from fakes import serving
from openpyxl.packaging.relationship import Relationship
from openpyxl.workbook.external_link.external import ExternalBook, ExternalLink, ExternalSheetNames
from pptx import Presentation

from core.settings import Settings
from ingest.readers import SUFFIXES
from ingest.rebuild import rebuild

TRUTH = "装填因子是散列表中已有元素的个数与表长之比。"
QUESTION = "什么是装填因子？"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
# Read after LibreOffice has made another format of them, or by eye alone.
WITHOUT = {".doc", ".ppt", ".xls", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"}
MARKDOWN = f"""# 散列表

## 装填因子

{TRUTH} ![图](URL/a.png) [链](URL/b) <URL/c> <img src="URL/d.png"> <script src="URL/e.js"></script>

![图][1] <iframe src="URL/f"></iframe> <link rel="stylesheet" href="URL/g.css"> <object data="URL/h"></object>

[1]: URL/i.png
"""
HTML = f"""<!DOCTYPE html><html lang="zh" manifest="URL/manifest"><head><title>散列表</title><base href="URL/base/">
<link rel="stylesheet" href="URL/a.css"><link rel="prefetch" href="URL/b"><script src="URL/c.js"></script>
<style>@import "URL/d.css"; body {{ background: url(URL/e.png) }}</style>
<meta http-equiv="refresh" content="0;url=URL/f"></head><body style="background:url(URL/g.png)"><h1>散列表</h1>
<h2>装填因子</h2><p>{TRUTH}</p><img src="URL/h.png" srcset="URL/i.png 2x"><iframe src="URL/j"></iframe>
<object data="URL/k"></object><embed src="URL/l"><video src="URL/m" poster="URL/n"></video><audio src="URL/o"></audio>
<svg xmlns:xlink="http://www.w3.org/1999/xlink"><image xlink:href="URL/p.png"/><use href="URL/q.svg#x"/></svg>
<math><semantics><annotation-xml src="URL/r"></annotation-xml></semantics></math><form action="URL/s"></form>
</body></html>"""
XHTML = (
    '<?xml version="1.0"?><!DOCTYPE html SYSTEM "URL/xhtml.dtd" [<!ENTITY out SYSTEM "URL/entity">]>'
    f'<html xmlns="http://www.w3.org/1999/xhtml"><head><title>散列表</title></head><body><h1>散列表</h1><p>{TRUTH}</p>'
    '<img src="URL/a.png"/>&out;</body></html>'
)
LATEX = rf"""\documentclass{{article}}\usepackage{{graphicx,hyperref}}\begin{{document}}\section{{装填因子}}{TRUTH}
\input{{URL/a.tex}}\include{{URL/b}}\includegraphics{{URL/c.png}}\href{{URL/d}}{{x}}\url{{URL/e}}\bibliography{{URL/f}}
\end{{document}}"""
RST = f"""装填因子
========

{TRUTH}

.. image:: URL/a.png
.. figure:: URL/b.png
.. include:: URL/c.rst
.. raw:: html
   :url: URL/d
"""


def as_it_is(content: str) -> Callable[[Path, str], None]:
    def write(path: Path, url: str) -> None:
        path.write_text(content.replace("URL", url), encoding="utf-8")

    return write


def notebook(path: Path, url: str) -> None:
    text = MARKDOWN.replace("URL", url)
    output = {"output_type": "display_data", "metadata": {}, "data": {"text/html": f'<img src="{url}/output.png">'}}
    code = {"cell_type": "code", "metadata": {}, "source": "1", "outputs": [output], "execution_count": 1}
    cells = [{"cell_type": "markdown", "metadata": {}, "source": text}, code]
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), encoding="utf-8")


def word(path: Path, url: str) -> None:
    document = Document()
    document.add_heading("装填因子", 1)
    document.add_paragraph(TRUTH)
    for number, kind in enumerate(("attachedTemplate", "image", "hyperlink", "oleObject", "subDocument", "frame")):
        relation = document.part.relate_to(f"{url}/{number}", f"{OFFICE}/{kind}", is_external=True)
        if kind == "image":
            run = document.add_paragraph().add_run()._r
            run.append(run.makeelement(f"{{{DRAWING}}}blip", {f"{{{OFFICE}}}link": relation}))
    document.save(str(path))


def odt(path: Path, url: str) -> None:
    pypandoc.convert_text(f"# 装填因子\n\n{TRUTH}\n\n[x]({url}/link)", "odt", format="markdown", outputfile=str(path))
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    frame = f'<draw:frame><draw:image xlink:href="{url}/picture.png" xlink:type="simple"/></draw:frame>'
    section = f'<text:section text:name="s"><text:section-source xlink:href="{url}/section.odt"/></text:section>'
    parts["content.xml"] = parts["content.xml"].replace(
        b"</office:text>", f"<text:p>{frame}</text:p>{section}</office:text>".encode()
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)


def slides(path: Path, url: str) -> None:
    show = Presentation()
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes.title.text = "装填因子"
    slide.placeholders[1].text_frame.text = TRUTH
    for number, kind in enumerate(("image", "video", "audio", "hyperlink", "oleObject", "slideMaster")):
        relation = slide.part.relate_to(f"{url}/{number}", f"{OFFICE}/{kind}", is_external=True)
        if kind == "image":
            tree = slide.shapes._spTree
            tree.append(tree.makeelement(f"{{{DRAWING}}}blip", {f"{{{OFFICE}}}link": relation}))
    show.save(str(path))


def workbook(path: Path, url: str) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    rows = [["题目", "答案"], [QUESTION, TRUTH], [f'=WEBSERVICE("{url}/a")', f"='[{url}/b.xlsx]S'!A1"]]
    rows.append([f'=HYPERLINK("{url}/c","x")', f'=IMAGE("{url}/d.png")'])
    for row in rows:
        sheet.append(row)
    sheet["A2"].hyperlink = f"{url}/e"
    linked = ExternalLink(externalBook=ExternalBook(sheetNames=ExternalSheetNames(["S"])))
    linked.file_link = Relationship(type="externalLinkPath", Target=f"{url}/f.xlsx", TargetMode="External")
    book._external_links.append(linked)
    book.save(path)
    with zipfile.ZipFile(path) as archive:
        assert f"{url}/f.xlsx" in archive.read("xl/externalLinks/_rels/externalLink1.xml.rels").decode()


def table(separator: str) -> Callable[[Path, str], None]:
    def write(path: Path, url: str) -> None:
        rows = [("题目", "答案"), (QUESTION, TRUTH), (f'=WEBSERVICE("{url}/a")', f"{url}/b")]
        path.write_text("\n".join(separator.join(row) for row in rows), encoding="utf-8")

    return write


def epub(path: Path, url: str) -> None:
    container = (
        '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile '
        'full-path="b.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="i"><metadata '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="i">x</dc:identifier><dc:title>散列表</dc:title>'
        '<dc:language>zh</dc:language></metadata><manifest><item id="c" href="c.xhtml" '
        f'media-type="application/xhtml+xml"/><item id="r" href="{url}/remote.mp3" media-type="audio/mpeg"/>'
        f'<item id="s" href="{url}/remote.css" media-type="text/css"/></manifest><spine><itemref idref="c"/></spine>'
        "</package>"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("b.opf", package)
        archive.writestr(
            "c.xhtml", XHTML.replace("&out;", "").partition("?>")[2].partition("]>")[2].replace("URL", url)
        )


def pdf(path: Path, url: str) -> None:
    """A page of text with an address under it, one that is opened with the file, and a form that is sent away."""
    text = "The load factor is the number of stored elements over the length of the table."
    content = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET".encode()
    fonts = b"/Resources << /Font << /F1 5 0 R >> >>"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R /OpenAction << /S /URI /URI (%s/open) >> >>" % url.encode(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R %s /Annots [6 0 R 7 0 R] >>" % fonts,
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Type /Annot /Subtype /Link /Rect [72 690 300 712] /A << /S /URI /URI (%s/link) >> >>" % url.encode(),
        b"<< /Type /Annot /Subtype /Widget /Rect [0 0 9 9] /A << /S /SubmitForm /F (%s/form) >> >>" % url.encode(),
    ]
    out, places = bytearray(b"%PDF-1.7\n"), list[int]()
    for number, one in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    path.write_bytes(bytes(out))


MAKERS: dict[str, Callable[[Path, str], None]] = {
    **dict.fromkeys((".md", ".markdown", ".txt"), as_it_is(MARKDOWN)),
    **dict.fromkeys((".html", ".htm"), as_it_is(HTML)),
    ".xhtml": as_it_is(XHTML),
    ".tex": as_it_is(LATEX),
    ".rst": as_it_is(RST),
    ".ipynb": notebook,
    ".docx": word,
    ".odt": odt,
    ".pptx": slides,
    ".xlsx": workbook,
    ".csv": table(","),
    ".tsv": table("\t"),
    ".epub": epub,
    ".pdf": pdf,
}


@pytest.fixture
def canary() -> Iterator[tuple[str, list[str]]]:
    """The address of a server that nobody must ask, and what it was asked for."""
    asked: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            asked.append(self.rfile.readline(1000).decode("latin-1").strip())
            self.wfile.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            self.close_connection = True

    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_no_address_in_a_book_of_any_format_is_asked_for(settings: Settings, canary: tuple[str, list[str]]) -> None:
    url, asked = canary
    assert set(MAKERS) == SUFFIXES - WITHOUT, "a format is not tried: write a maker"
    for suffix, make in MAKERS.items():
        make(settings.source_dir / f"book{suffix}", url)
    report = rebuild(settings, settings.kb)
    failed = {file.source: file.reason for file in report.files if file.status != "indexed"}
    assert not failed
    with serving(settings) as client:
        for suffix in MAKERS:
            body = {"question": QUESTION, "books": [f"book{suffix}"]}
            if suffix == ".pdf":
                body["question"] = "What is the load factor?"
            answer = client.post("/ask", json=body).json()
            found = client.post("/search", json=body).json()
            assert found["passages"], suffix
            for text in (answer["answer"], *(passage["text"] for passage in found["passages"])):
                html = client.post("/render", json={"markdown": text}).json()["html"]
                assert "<img" not in html and "<script" not in html and "<iframe" not in html
    assert asked == []
    httpx.get(f"{url}/control", trust_env=False)
    assert asked == ["GET /control HTTP/1.1"]
