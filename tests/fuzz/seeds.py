"""Whole files to start from: for every suffix that Keben reads, one made here and samples that lie at hand."""

import csv
import io
import json
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pypandoc
from PIL import Image, ImageDraw, ImageFont

PROJECT = Path(__file__).resolve().parents[2]
sys.path += [str(PROJECT / "tests" / "unit" / "ingest")]

import files  # noqa: E402

# Samples are used as they lie; the bundled books come first. Large ones would fuzz the clock.
SAMPLES = (PROJECT / "knowledge", PROJECT.parent / "shared" / "data" / "formats", PROJECT.parent / "shared/data/books")
LARGEST_SAMPLE = 200 * 2**10
MOST_SAMPLES = 4

MARKDOWN = """# 操作系统

## 死锁

死锁是指两个或两个以上的进程互相等待对方占有的资源。The four conditions are *mutual exclusion* and others:

1. 互斥条件
2. 请求与保持条件
   - 嵌套的一条

| 项目 | 进程 |
| --- | --- |
| 资源 | 独立 |

$$
T = \\frac{1}{n} \\sum_{i=1}^{n} T_i
$$

```c
int main(void) { return 0; }
```

> A quotation with `code`, [a link](http://example.org) and an image ![caption](x.png).
"""
RST = """操作系统
========

Deadlock
--------

死锁是指两个或两个以上的进程互相等待对方占有的资源。
A *deadlock* is a state, :math:`x^2`, in which [1]_ no process runs.

.. code:: c

   int main(void);

===== =====
A     B
===== =====
1     2
===== =====

.. [1] A footnote.
"""
TEX = r"""\documentclass{article}\newcommand{\vect}[1]{\mathbf{#1}}
\title{Calculus}\begin{document}\maketitle
\section{极限}函数在一点的极限是它在这一点附近所趋近的值。A limit $\lim_{x\to 0}\frac{\sin x}{x}=1$ of \vect{x}.
\begin{itemize}\item one\item two\end{itemize}
\begin{tabular}{ll}a & b\\c & d\end{tabular}
\begin{equation}E=mc^2\end{equation}
\end{document}
"""
ROWS = [["项目", "Process", "Pages"], ["资源", "memory", "12"], ["调度", 'a, "quoted" cell', "3.5"]]


def seeds(suffix: str, folder: Path, *, samples: bool) -> list[Path]:
    """Files of this format, made below `folder` and, with `samples`, found; none if none can be had."""
    made: list[Path] = []
    if maker := MAKERS.get(suffix):
        made.append(folder / f"seed{suffix}")
        maker(made[0])
    if not samples:
        return made
    found = [path for place in SAMPLES if place.is_dir() for path in place.rglob("*") if path.suffix == suffix]
    small = [path for path in found if path.stat().st_size <= LARGEST_SAMPLE]
    if not made and not small:
        small = sorted(found, key=lambda path: path.stat().st_size)[:1]
    return made + sorted(small)[:MOST_SAMPLES]


def _text(content: str) -> Callable[[Path], object]:
    return lambda path: files.write(path, content)


def _html(path: Path) -> object:
    body = "<h1>散列</h1><p>装填因子 <b>load</b></p><ul><li>a<li>b</ul><table><tr><td>1</table>" + files.MATHML_FRACTION
    return files.html(path, body)


def _word(path: Path) -> object:
    def fill(document: files.Document) -> None:
        document.add_heading("计算机组成", 1)
        files.add_omml(document, "The fraction ", files.OMML_FRACTION)
        files.add_word_table(document, ROWS)
        document.add_paragraph("一条", style="List Bullet")

    return files.word(path, fill)


def _epub(path: Path) -> object:
    body = "<h1>Chapter {}</h1><p>传输层 and the network.</p>"
    return files.epub(path, {f"c{number}.xhtml": body.format(number) for number in (1, 2)})


def _odt(path: Path) -> object:
    return pypandoc.convert_text(MARKDOWN, "odt", format="markdown", outputfile=str(path))


def _notebook(path: Path) -> object:
    code = {"cell_type": "code", "metadata": {}, "source": ["print(1)"], "outputs": [], "execution_count": 1}
    cells = [{"cell_type": "markdown", "metadata": {}, "source": MARKDOWN.splitlines(True)}, code]
    return files.write(path, json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))


def _pdf(path: Path) -> object:
    """Two pages of text, one stream compressed and one not, with bookmarks."""
    lines = ["1 Deadlock", "A process holds one resource", "and waits for another."]
    shown = "\n".join(f"BT /F1 12 Tf 72 {740 - 20 * row} Td ({line}) Tj ET" for row, line in enumerate(lines)).encode()
    packed = zlib.compress(shown)
    page = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R /Resources %s >>"
    fonts = "<< /Font << /F1 7 0 R >> >>"
    return files.write(path, _pdf_file([
        b"<< /Type /Catalog /Pages 2 0 R /Outlines 8 0 R >>", b"<< /Type /Pages /Kids [3 0 R 4 0 R] /Count 2 >>",
        (page % (5, fonts)).encode(), (page % (6, fonts)).encode(),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(shown), shown),
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(packed), packed),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Type /Outlines /First 9 0 R /Last 9 0 R /Count 1 >>",
        b"<< /Title (Deadlock) /Parent 8 0 R /Dest [3 0 R /Fit] >>",
    ]))  # fmt: skip


def _pdf_file(objects: list[bytes]) -> bytes:
    out, places = io.BytesIO(b"%PDF-1.7\n"), []
    out.seek(0, io.SEEK_END)
    for number, content in enumerate(objects, 1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, content))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.writelines(b"%010d 00000 n \n" % place for place in places)
    out.write(b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start))
    return out.getvalue()


def _workbook(path: Path) -> object:
    from xlsxwriter import Workbook

    with Workbook(str(path)) as book:
        for name in ("进程", "Threads"):
            sheet = book.add_worksheet(name)
            for number, row in enumerate(ROWS):
                sheet.write_row(number, 0, row)
            sheet.write_formula(4, 0, "=SUM(C2:C3)", None, 15.5)
    return path


def _table(separator: str) -> Callable[[Path], object]:
    def make(path: Path) -> object:
        with path.open("w", encoding="utf-8", newline="") as file:
            return csv.writer(file, delimiter=separator).writerows(ROWS)

    return make


def _picture(path: Path) -> object:
    """A line of print that can be recognised."""
    image = Image.new("RGB", (480, 100), "white")
    ImageDraw.Draw(image).text((20, 25), "Operating Systems", "black", ImageFont.load_default(40))
    image.save(path)
    return path


MAKERS: dict[str, Callable[[Path], object]] = {
    **dict.fromkeys((".md", ".markdown", ".txt"), _text(MARKDOWN)),
    **dict.fromkeys((".html", ".htm", ".xhtml"), _html),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"), _picture),
    ".rst": _text(RST), ".tex": _text(TEX), ".ipynb": _notebook, ".docx": _word, ".epub": _epub, ".odt": _odt,
    ".pptx": files.slides, ".pdf": _pdf, ".xlsx": _workbook,
    ".csv": _table(","), ".tsv": _table("\t"),
}  # fmt: skip
