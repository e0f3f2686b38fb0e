"""DOCX, EPUB, HTML, RST, LaTeX and notebooks through pandoc itself."""

import json
from pathlib import Path

import pytest
from docx.document import Document
from files import (
    CONTEXT,
    MATHML_FRACTION,
    MATHML_SQUARE,
    OMML_FRACTION,
    OMML_SQUARE,
    add_omml,
    add_word_table,
    check_offsets,
    epub,
    headings,
    html,
    indexed,
    of_kind,
    shown,
    word,
    write,
)

from core.errors import UnreadableBookError
from core.types import BlockKind, ExtractedBook
from ingest.readers.html import without_hidden
from ingest.readers.pandoc import read_pandoc


def read(path: Path) -> ExtractedBook:
    book = read_pandoc(path, CONTEXT)
    check_offsets(book)
    return book


def body(folder: Path, text: str) -> ExtractedBook:
    return read(html(folder / "book.html", text))


def fill(document: Document) -> None:
    document.add_heading("第一章 进程", 1)
    document.add_paragraph("进程是程序的一次执行。").add_run("重点").bold = True
    document.add_heading("状态", 2)
    document.add_paragraph("就绪", style="List Bullet")
    document.add_paragraph("运行", style="List Bullet")
    document.add_paragraph("创建", style="List Number")
    document.add_paragraph("终止", style="List Number")
    add_word_table(document, [["状态", "含义"], ["就绪", "等待|处理器"]])
    add_omml(document, "周转时间为 ", OMML_FRACTION)
    add_omml(document, "", OMML_SQUARE)


def test_docx(tmp_path: Path) -> None:
    book = read(word(tmp_path / "book.docx", fill))
    assert shown(book) == [
        (BlockKind.heading, "第一章 进程"),
        (BlockKind.paragraph, "进程是程序的一次执行。重点"),
        (BlockKind.heading, "状态"),
        (BlockKind.list, "- 就绪\n- 运行"),
        (BlockKind.list, "1. 创建\n2. 终止"),
        (BlockKind.table, "| 状态 | 含义 |\n| --- | --- |\n| 就绪 | 等待\\|处理器 |"),
        (BlockKind.paragraph, "周转时间为 $\\frac{a}{b}$"),
        (BlockKind.formula, "$$x^{2}$$"),
    ]
    assert [level for level, _ in headings(book)] == [1, 2]
    assert book.title == "第一章 进程"
    assert [page.number for page in book.pages] == [None]


def test_a_title_paragraph_of_word_is_the_title(tmp_path: Path) -> None:
    def titled(document: Document) -> None:
        document.add_heading("操作系统教程", 0)
        document.add_heading("第一章", 1)
        document.add_paragraph("正文。")

    assert read(word(tmp_path / "book.docx", titled)).title == "操作系统教程"


def test_epub(tmp_path: Path) -> None:
    chapters = {
        "one.xhtml": f'<h1>第一章</h1><p><a id="p1"/>段落 {MATHML_FRACTION}。</p>{MATHML_SQUARE}',
        "two.xhtml": "<h1>第二章</h1><ul><li>甲</li><li>乙</li></ul><p>H<sub>2</sub>O&amp;Q&#160;E</p>",
    }
    book = read(epub(tmp_path / "book.epub", chapters))
    assert book.title == "计算机网络"
    assert shown(book) == [
        (BlockKind.heading, "第一章"),
        (BlockKind.paragraph, "段落 $\\frac{a}{b}$。"),
        (BlockKind.formula, "$$x^{2}$$"),
        (BlockKind.heading, "第二章"),
        (BlockKind.list, "- 甲\n- 乙"),
        (BlockKind.paragraph, "H_2O&Q E"),
    ]


HIDDEN = [
    '<p style="display:none">隐藏</p>',
    '<p style="color:red; DISPLAY : None">隐藏</p>',
    '<div style="visibility:hidden"><p>隐藏</p></div>',
    '<p hidden="hidden">隐藏</p>',
    '<p style="font-size:0">隐藏</p>',
    '<p style="font-size: 0.0px">隐藏</p>',
    '<p style="opacity:0">隐藏</p>',
    '<p style="opacity: 0 !important">隐藏</p>',
    '<p aria-hidden="true">隐藏</p>',
    '<p style="color: #fff">隐藏</p>',
    '<p style="color:White; font-size:1em">隐<b>藏</b></p>',
    '<p style="color: rgb(255, 255, 255)">隐藏</p>',
    '<p>见<span style="color:transparent">隐藏</span></p>',
    '<p style="text-indent:-9999px">隐藏</p>',
    '<div style="position:absolute; left:-5000px"><p>隐藏</p></div>',
    '<div style="top: -1000px; position: fixed"><p>隐藏</p></div>',
    '<p>见<span style="display:none">隐<b>藏</b></span></p>',
    "<script>隐藏</script>",
    "<style>隐藏</style>",
    "<template><p>隐藏</p></template>",
    "<noscript>隐藏</noscript>",
    "<!-- 隐藏 -->",
    "<p>见<!-- 隐藏 --></p>",
    "<nav>隐藏</nav>",
    "<button>隐藏</button>",
    "<textarea>隐藏</textarea>",
    "<select><option>隐藏</option></select>",
]


@pytest.mark.parametrize("node", HIDDEN)
def test_hidden_nodes_of_a_page_are_no_text(node: str, tmp_path: Path) -> None:
    book = body(tmp_path, f"<p>前文。</p>{node}<p>后文。</p>")
    assert "隐" not in book.text and "藏" not in book.text
    assert "前文。" in book.text and "后文。" in book.text


def test_hidden_nodes_of_an_epub_are_no_text(tmp_path: Path) -> None:
    book = read(epub(tmp_path / "book.epub", {"a.xhtml": f"<p>前文。</p>{''.join(HIDDEN)}<p>后文。</p>"}))
    assert "隐" not in book.text and "藏" not in book.text
    assert "前文。" in book.text and "后文。" in book.text


@pytest.mark.parametrize(
    "node",
    [
        '<p style="font-size:0.9em">可见</p>',
        '<p style="font-size:0.05in;">可见</p>',
        '<p style="opacity:0.5">可见</p>',
        '<p style="display:block">可见</p>',
        '<p aria-hidden="false">可见</p>',
        '<p style="color:white; background:black">可见</p>',
        '<div style="background-color:#000"><p style="color:#fff">可见</p></div>',
        '<table><tr bgcolor="black"><td style="color:#fff">可见</td></tr></table>',
        '<div class="banner"><p style="color:#fff">可见</p></div>',
        '<style>p { background: navy }</style><p style="color:#fff">可见</p>',
        '<p style="background-color:#fff; border-color:#fff">可见</p>',
        '<p style="text-indent:-2em; margin-left:-20px">可见</p>',
        '<div style="position:absolute; left:-5px">可见</div>',
        "<form><p>可见</p></form>",
        "<details><summary>可见</summary></details>",
    ],
)
def test_visible_nodes_of_a_page_are_text(node: str, tmp_path: Path) -> None:
    assert "可见" in body(tmp_path, f"<p>前文。</p>{node}").text


def test_a_page_without_hidden_nodes_keeps_its_words() -> None:
    assert "进程<b>管理</b>" in without_hidden("<p>进程<b>管理</b></p>")


def test_html_blocks(tmp_path: Path) -> None:
    book = body(
        tmp_path,
        "<h1>数据\n结构</h1><h2>散列<br>表</h2><p>见 <code>h(k)</code> 与 <a href='u'>链接</a> “引”。</p>"
        "<ul><li>一</li><li>二<ol><li>子</li></ol></li></ul>"
        "<table><caption>冲突</caption><tr><th>键</th><th>值</th></tr><tr><td colspan=2>空</td></tr></table>"
        "<pre><code>int a;\n\nint b;</code></pre><dl><dt>栈</dt><dd>后进先出</dd></dl>"
        "<blockquote><p>引文</p></blockquote>"
        "<figure><img src=x><figcaption>图题</figcaption></figure><p>x<sup>2</sup> <s>删</s></p>",
    )
    assert shown(book) == [
        (BlockKind.heading, "数据结构"),
        (BlockKind.heading, "散列 表"),
        (BlockKind.paragraph, "见 `h(k)` 与 链接 “引”。"),
        (BlockKind.list, "- 一\n- 二\n   1. 子"),
        (BlockKind.caption, "冲突"),
        (BlockKind.table, "| 键 | 值 |\n| --- | --- |\n| 空 |  |"),
        (BlockKind.code, "int a;\n\nint b;"),
        (BlockKind.list, "- 栈: 后进先出"),
        (BlockKind.paragraph, "引文"),
        (BlockKind.caption, "图题"),
        (BlockKind.paragraph, "x^2"),
    ]
    assert book.title == "数据结构"


def test_mathml_becomes_latex(tmp_path: Path) -> None:
    book = body(tmp_path, f"<p>比值 {MATHML_FRACTION} 很小。</p>{MATHML_SQUARE}")
    assert shown(book) == [(BlockKind.paragraph, "比值 $\\frac{a}{b}$ 很小。"), (BlockKind.formula, "$$x^{2}$$")]


def test_a_list_of_links_alone_is_contents(tmp_path: Path) -> None:
    book = body(
        tmp_path,
        "<ul><li><a href='#a'>甲</a><ul><li><a href='#b'>乙</a></li></ul></li></ul>"
        "<ul><li><a href='#a'>甲</a> 说明</li></ul>",
    )
    assert [kind for kind, _ in shown(book)] == [BlockKind.contents, BlockKind.list]


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
def test_encodings_of_a_page(encoding: str, tmp_path: Path) -> None:
    page = "<html><body><h1>操作系统</h1><p>操作系统是管理计算机硬件与软件资源的系统软件。</p></body></html>"
    book = read(write(tmp_path / "book.htm", page.encode(encoding)))
    assert indexed(book) == "操作系统\n操作系统是管理计算机硬件与软件资源的系统软件。"


def test_xhtml_with_a_declaration(tmp_path: Path) -> None:
    page = (
        '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml">'
        "<head><title>书</title></head><body><p><a id='x'/>正文。</p></body></html>"
    )
    book = read(write(tmp_path / "book.xhtml", page))
    assert (book.title, book.text) == ("书", "正文。")


def test_rst(tmp_path: Path) -> None:
    text = """操作系统
========

进程
----

段落 :math:`x^2` 与 ``code``。

.. math:: a = b

- 一
- 二

.. code-block:: c

   int a;

=====  =====
状态   含义
=====  =====
就绪   等待
=====  =====

.. 注释不是正文
"""
    book = read(write(tmp_path / "book.rst", text))
    assert headings(book) == [(1, "操作系统"), (2, "进程")]
    assert shown(book)[2:] == [
        (BlockKind.paragraph, "段落 $x^2$ 与 `code`。"),
        (BlockKind.formula, "$$a = b$$"),
        (BlockKind.list, "- 一\n- 二"),
        (BlockKind.code, "int a;"),
        (BlockKind.table, "| 状态 | 含义 |\n| --- | --- |\n| 就绪 | 等待 |"),
    ]


def test_latex_and_its_title(tmp_path: Path) -> None:
    text = (
        "\\documentclass{book}\\title{操作系统}\\begin{document}\\maketitle\\chapter{进程}\n"
        "周期 $T_i$。\n\n\\[ \\frac{a}{b} \\]\n\\end{document}"
    )
    book = read(write(tmp_path / "book.tex", text))
    assert book.title == "操作系统"
    assert headings(book) == [(1, "进程")]
    assert indexed(book).endswith("周期 $T_i$。\n$$\\frac{a}{b}$$")


def test_latex_does_not_read_other_files(tmp_path: Path) -> None:
    write(tmp_path / "secret.tex", "别的文件")
    book = read(write(tmp_path / "book.tex", f"正文。\n\n\\input{{{tmp_path / 'secret.tex'}}}\n"))
    assert book.text == "正文。"


def test_notebook(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": ["# 标题\n", "\n", "段落 $x$。"]},
        {
            "cell_type": "code", "id": "b", "metadata": {}, "execution_count": 1, "source": ["print(1)"],
            "outputs": [{"output_type": "stream", "name": "stdout", "text": ["1\n"]}],
        },
    ]  # fmt: skip
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
    book = read(write(tmp_path / "book.ipynb", json.dumps(notebook)))
    assert shown(book)[:3] == [
        (BlockKind.heading, "标题"),
        (BlockKind.paragraph, "段落 $x$。"),
        (BlockKind.code, "print(1)"),
    ]


def test_no_markdown_escapes_in_the_text(tmp_path: Path) -> None:
    words = "a_b * c [1] #2 <x> ~ $5 `q` \\n"
    assert body(tmp_path, f"<p>{words.replace('<', '&lt;')}</p>").text == words


@pytest.mark.parametrize("name", ["broken.docx", "broken.epub", "broken.odt", "broken.ipynb"])
def test_a_corrupt_file_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableBookError) as caught:
        read_pandoc(write(tmp_path / name, b"PK\x03\x04 this is no archive"), CONTEXT)
    assert name in caught.value.message
    assert caught.value.mend


@pytest.mark.parametrize("name", ["cut.docx", "cut.epub"])
def test_a_truncated_file_is_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    whole = word(path, fill) if path.suffix == ".docx" else epub(path, {"a.xhtml": "<p>正文。</p>" * 200})
    write(path, whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(UnreadableBookError, match=name.replace(".", r"\.")):
        read_pandoc(path, CONTEXT)


def test_lists_hold_paragraphs_and_code(tmp_path: Path) -> None:
    book = body(tmp_path, "<ol start=3><li><p>一</p><pre><code>if x:\n    y</code></pre></li><li>二</li></ol>")
    assert of_kind(book, BlockKind.list) == ["3. 一\n   if x:\n       y\n4. 二"]
