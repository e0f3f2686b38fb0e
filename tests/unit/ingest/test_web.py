"""HTML, EPUB, RST and notebooks that other programs lose parts of: formulas, tables, encodings, order."""

import zipfile
from pathlib import Path

import pytest
from files import CONTEXT, check_offsets, epub, headings, html, of_kind, shown, write

from core.types import BlockKind, ExtractedBook
from ingest.readers.pandoc import read_pandoc

MATHML = "http://www.w3.org/1998/Math/MathML"
ANNOTATED = (
    f'<math xmlns="{MATHML}"><semantics><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow>'
    '<annotation encoding="application/x-tex">x^2+\\alpha</annotation></semantics></math>'
)


def read(path: Path) -> ExtractedBook:
    book = read_pandoc(path, CONTEXT)
    check_offsets(book)
    return book


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (ANNOTATED, "$x^2+\\alpha$"),
        ("<m:math><m:mfrac><m:mi>a</m:mi><m:mi>b</m:mi></m:mfrac></m:math>", "$\\frac{a}{b}$"),
        ("$a_1 + b_2 * c$", "$a_1 + b_2 * c$"),
        ("\\(x^2 &lt; y\\)", "$x^2 < y$"),
        ("价格 $5 和 $6 元", "价格 $5 和 $6 元"),
        ('<script type="math/tex">y = k x</script>', "$y = k x$"),
        (f'<span class="katex">{ANNOTATED}<span aria-hidden="true">x2+α</span></span>', "$x^2+\\alpha$"),
        ("<code>$x$ \\(y\\)</code>", "`$x$ \\(y\\)`"),
    ],
)
def test_formulas_of_a_page(node: str, words: str, tmp_path: Path) -> None:
    assert read(html(tmp_path / "a.html", f"<p>前文 {node} 后文。</p>")).text == f"前文 {words} 后文。"


@pytest.mark.parametrize(
    "node",
    [
        "<p>$$ E=mc^2 $$</p>",
        "<p>\\[ E=mc^2 \\]</p>",
        '<script type="math/tex; mode=display">E=mc^2</script>',
    ],
)
def test_formulas_on_a_line_of_their_own(node: str, tmp_path: Path) -> None:
    book = read(html(tmp_path / "a.html", f"<p>前文。</p>{node}<p>后文。</p>"))
    assert of_kind(book, BlockKind.formula) == ["$$E=mc^2$$"]


def test_lines_of_the_source_are_no_lines_of_the_book(tmp_path: Path) -> None:
    body = (
        "<p>操作系统的进程\n<em>调度\n是</em>\nthe “main\nissue”\n“here”，<br>\n另起\n“一”\n行</p>"
        "<pre><code>int a;\nint b;</code></pre>"
    )
    assert shown(read(html(tmp_path / "a.html", body))) == [
        (BlockKind.paragraph, "操作系统的进程调度是 the “main issue” “here”，\n另起“一”行"),
        (BlockKind.code, "int a;\nint b;"),
    ]


def test_code_keeps_its_lines_and_dollars(tmp_path: Path) -> None:
    code = "int a = 1; // $x$ and \\(y\\)\n\n  if (a < 2) {}"
    page = html(tmp_path / "a.html", f"<pre><code class='c'>{code.replace('<', '&lt;')}\n</code></pre>")
    assert shown(read(page)) == [(BlockKind.code, code)]


def test_cells_below_a_merged_one_stay_in_their_column(tmp_path: Path) -> None:
    table = (
        "<table><caption>表 1 合并</caption><tr><th>a</th><th>b</th><th>c</th></tr>"
        "<tr><td rowspan=2>r</td><td>1</td><td>2</td></tr><tr><td>3</td><td rowspan=2>4</td></tr>"
        "<tr><td colspan=2>宽</td></tr></table>"
    )
    assert shown(read(html(tmp_path / "a.html", table))) == [
        (BlockKind.caption, "表 1 合并"),
        (BlockKind.table, "| a | b | c |\n| --- | --- | --- |\n| r | 1 | 2 |\n|  | 3 | 4 |\n| 宽 |  |  |"),
    ]


def test_captions_stand_before_their_table(tmp_path: Path) -> None:
    body = (
        "<figure><table><tr><td>1</td></tr></table><figcaption>表 2 题在后</figcaption></figure>"
        "<p>表 3 独立</p><table><tr><td>2</td></tr></table>"
    )
    kinds = [kind for kind, _ in shown(read(html(tmp_path / "a.html", body)))]
    assert kinds == [BlockKind.caption, BlockKind.table] * 2


def test_lists_show_their_own_marks(tmp_path: Path) -> None:
    body = "<ol type='A'><li>甲</li><li>乙</li></ol><p>段</p><ol type='i' start='4'><li>丙</li></ol>"
    assert of_kind(read(html(tmp_path / "a.html", body)), BlockKind.list) == ["A. 甲\nB. 乙", "iv. 丙"]


@pytest.mark.parametrize("declared", ["gb2312", "GBK", "gb18030", "big5", "shift_jis"])
def test_the_encoding_that_a_page_declares(declared: str, tmp_path: Path) -> None:
    words = "資料構造" if declared in {"big5", "shift_jis"} else "数据结构"
    page = f"<html><head><meta charset={declared}></head><body><h1>{words}</h1><p>{words}。</p></body></html>"
    book = read(write(tmp_path / "a.html", page.encode(declared)))
    assert shown(book) == [(BlockKind.heading, words), (BlockKind.paragraph, f"{words}。")]


def test_a_wrong_declaration_does_no_harm(tmp_path: Path) -> None:
    page = '<html><head><meta charset="gb2312"></head><body><p>数据结构与算法</p></body></html>'
    assert read(write(tmp_path / "a.html", page)).text == "数据结构与算法"
    page = '<html><head><meta charset="no-such"></head><body><p>数据结构与算法分析的基础。</p></body></html>'
    assert read(write(tmp_path / "b.html", page.encode("gb18030"))).text == "数据结构与算法分析的基础。"


def test_the_spine_of_an_epub_and_encoded_names(tmp_path: Path) -> None:
    chapters = {
        "z%20first.xhtml": "<h1>第一章</h1>",
        "%E7%AC%AC2.xhtml": "<h1>第二章</h1>",
        "a.xhtml": "<h1>第三章</h1>",
    }
    assert headings(read(epub(tmp_path / "a.epub", chapters))) == [(1, "第一章"), (1, "第二章"), (1, "第三章")]


def test_an_epub_page_in_its_own_encoding(tmp_path: Path) -> None:
    path = epub(tmp_path / "a.epub", {"a.xhtml": "<p>甲</p>", "b.xhtml": "<p>formula $x_1$</p>"})
    page = (
        '<?xml version="1.0" encoding="gb2312"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head>'
        "<body><p>数据结构</p></body></html>"
    )
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "b.epub", "w") as new:
        for name in old.namelist():
            new.writestr(name, page.encode("gb2312") if name == "a.xhtml" else old.read(name))
    assert read(tmp_path / "b.epub").text == "数据结构\n\nformula $x_1$"


@pytest.mark.parametrize("name", ["a.rst", "a.tex"])
def test_sources_in_gb18030(name: str, tmp_path: Path) -> None:
    assert read(write(tmp_path / name, "操作系统是管理硬件与软件资源的系统软件。\n".encode("gb18030"))).text == (
        "操作系统是管理硬件与软件资源的系统软件。"
    )


def test_rst_captions_and_definitions(tmp_path: Path) -> None:
    text = (
        ".. table:: 状态表\n\n   ====  ====\n   态    义\n   ====  ====\n   就绪  等待\n   ====  ====\n\n"
        "栈\n   后进先出\n\n.. figure:: a.png\n\n   图的题注\n"
    )
    assert shown(read(write(tmp_path / "a.rst", text))) == [
        (BlockKind.caption, "状态表"),
        (BlockKind.table, "| 态 | 义 |\n| --- | --- |\n| 就绪 | 等待 |"),
        (BlockKind.list, "- 栈: 后进先出"),
        (BlockKind.caption, "图的题注"),
    ]
