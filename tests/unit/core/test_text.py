"""Sentences, markup, language and length of Chinese and English text."""

import re

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from core.text import cjk_count, compatible, heading_title, language_of, length, plain, sentences

# Pieces that meet in a textbook; hypothesis strings them together.
PIECES = st.sampled_from(
    ["进程", "是什么", "。", "？", "！", "……", "”", "）", "The kernel", "e.g.", "Fig.", "3.14", "A", ".", "!", "?", " ",
     "\n", "`a. B`", "$x. Y$", "$$\nx! = y\n$$", "**粗体**", "$", "`", "C++", "http://a.b/c?d=e", "n != 0", "；", "："]
)  # fmt: skip
TEXTS = st.one_of(st.lists(PIECES, max_size=30).map("".join), st.text(max_size=200))


def cut(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@examples(max_examples=100, deadline=None)
@given(text=TEXTS, shift=st.integers(0, 10_000))
def test_sentences_are_ordered_and_lose_nothing_but_blanks(text: str, shift: int) -> None:
    spans = list(sentences(text, shift))
    position = shift
    for start, end in spans:
        assert position <= start < end <= shift + len(text)
        assert text[position - shift : start - shift].strip() == ""
        sentence = text[start - shift : end - shift]
        assert sentence == sentence.strip() != ""
        position = end
    assert text[position - shift :].strip() == ""


@examples(max_examples=100, deadline=None)
@given(text=TEXTS)
def test_cutting_at_another_place_shifts_the_spans_only(text: str) -> None:
    assert [(start - 7, end - 7) for start, end in sentences(text, 7)] == list(sentences(text))


def test_chinese_sentences() -> None:
    assert cut("进程是什么？它是程序的一次执行！线程呢……") == ["进程是什么？", "它是程序的一次执行！", "线程呢……"]


def test_english_sentences() -> None:
    assert cut('A process runs. It waits! Does it end? He said "yes." Then it ended.') == [
        "A process runs.", "It waits!", "Does it end?", 'He said "yes."', "Then it ended.",
    ]  # fmt: skip


def test_closing_quotes_stay_with_their_sentence() -> None:
    assert cut("老师说：“先来先服务。”学生记下了。（见下图。）完") == [
        "老师说：“先来先服务。”", "学生记下了。", "（见下图。）", "完",
    ]  # fmt: skip


def test_mixed_text_is_cut_between_the_languages() -> None:
    assert cut("TCP 是面向连接的. 它可靠。UDP is not. 它简单。") == [
        "TCP 是面向连接的.", "它可靠。", "UDP is not.", "它简单。",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "whole",
    [
        "由 $a. B! C$ 可知结论成立",
        "$$\nx = 1. Y\n。\n$$",
        "调用 `open. Read()?` 之后返回",
        "See Fig. 3 and Eq. 4 by Dr. Smith et al. Next to it, e.g. This",
        "圆周率约为 3.14 左右",
        "版本 v2.0.1 的内核",
        "见 http://a.b/c?x=1&y=2 一节",
        "当 n != 0 且 m!=1 时",
        "The C. A. R. Hoare paper",
    ],
)
def test_formulas_code_and_abbreviations_are_not_cut(whole: str) -> None:
    assert cut(whole) == [whole]


def test_a_formula_does_not_hide_the_stop_behind_it() -> None:
    assert cut("设 $a. B$。则 `c. D`。完") == ["设 $a. B$。", "则 `c. D`。", "完"]


def test_a_number_before_a_list_item_is_no_sentence() -> None:
    assert cut("1. First of all. Then the rest.") == ["1. First of all.", "Then the rest."]


@pytest.mark.parametrize(
    ("marked", "words"),
    [
        ("**进程**是*程序*的一次~~执行~~", "进程是程序的一次执行"),
        ("**粗 *斜* 体**", "粗 斜 体"),
        ("***都有***", "都有"),
        ("==重点==与__强调__", "重点与强调"),
        ("见[第 3 章](ch3.md)与[栈](https://zh.w.org/栈_(计算机) \"标题\")。", "见第 3 章与栈。"),
        ("![页表结构](img/a_(1).png){width=50%} 如图", "页表结构 如图"),
        ("> 引用的\n> 两行", "引用的\n两行"),
        ('<p align="center">居中</p><br/>下行<!-- 注释\n两行 -->', "居中下行"),
        ("<kbd>Ctrl</kbd> + H<sub>2</sub>O", "Ctrl + H2O"),
        ("从句子里切出的**半个粗体", "从句子里切出的半个粗体"),
    ],
)  # fmt: skip
def test_plain_takes_the_markup_away(marked: str, words: str) -> None:
    assert plain(marked) == words


@pytest.mark.parametrize(
    "text",
    [
        "当 a<b且b>c 时",
        "if a<b and c>d then",
        "#include <stdio.h>",
        "声明 vector<int> 与 List<String>",
        "2*3*4 与 2**10",
        "if a==b or c==d",
        "snake__case__name 与 self._x",
        "x < y 且 y > z",
        "成本 5 * n * m",
    ],
)
def test_plain_leaves_what_only_looks_like_markup(text: str) -> None:
    assert plain(text) == text


@pytest.mark.parametrize(
    "text",
    ["$a*b*c$", "$$\n\\mathbf{x} <b> **y**\n$$", "`x*y*z`", "`<div>`", "$a_{[1](2)}$ 与 `[a](b)`", "$x<y$ 且 $y>z$"],
)
def test_formulas_and_inline_code_are_untouched(text: str) -> None:
    assert plain(text) == text


TYPICAL = [
    "**进程**是[程序](a.md)的一次执行，见 $O(n*m)$ 与 `a*b*c`。",
    "<div align='center'>![图 1](a.png)</div>\n\n> **注意**：*互斥* 与 __同步__。",
    "The ***scheduler*** uses ==round robin== with `q*2` and $p_i * q_i$, see [Ch. 3](ch3.md).",
    "**a *b* c** ~~d~~ <sup>2</sup> 2*3*4 vector<int> a<b且b>c",
]


@examples(max_examples=100, deadline=None)
@given(parts=st.lists(st.sampled_from(TYPICAL), min_size=1, max_size=4))
def test_plain_twice_is_plain_once(parts: list[str]) -> None:
    text = plain("\n\n".join(parts))
    assert plain(text) == text


@examples(max_examples=100, deadline=None)
@given(text=st.text(alphabet=st.characters(exclude_characters="*_~=<>[]()!`$#{}", exclude_categories=["Cc", "Cs"])))
def test_plain_leaves_text_without_marks(text: str) -> None:
    assert plain(text) == text.strip()


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("操作系统管理资源", "zh"),
        ("操作系统 (operating system, OS) manages the hardware", "zh"),
        ("The operating system manages the hardware and one word 中 in Chinese among many others", "en"),
        ("one two three four five six seven eight nine 字", "zh"),
        ("one two three four five six seven eight nine ten 字", "en"),
        ("", "en"),
    ],
)
def test_a_tenth_of_chinese_makes_chinese(text: str, language: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("进程调度", 4),
        ("round-robin scheduling", 3),
        ("TCP的3次握手", 6),
        ("snake_case", 2),
        ("。，!", 0),
        ("豈⼀", 2),
    ],
)
def test_length_counts_characters_and_words(text: str, words: int) -> None:
    assert length(text) == words


@examples(max_examples=100, deadline=None)
@given(left=TEXTS, right=TEXTS)
def test_length_adds_up_over_a_blank(left: str, right: str) -> None:
    assert length(f"{left}\n{right}") == length(left) + length(right)
    assert cjk_count(left) <= length(left)


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("# 第一章 进程", "第一章 进程"),
        ("## Memory  management ##", "Memory management"),
        ("### 死锁 {#deadlock .unnumbered}", "死锁"),
        ("#### **银行家**算法 `safe()`", "银行家算法 safe()"),
        ("Setext\n======", "Setext"),
        ("# C#", "C#"),
        ("   # 1.1 $O(n)$ 的含义", "1.1 $O(n)$ 的含义"),
        ("第 2 章 [网络](a.md)", "第 2 章 网络"),
        ("", ""),
    ],
)
def test_heading_title_is_the_words_of_the_line(line: str, title: str) -> None:
    assert heading_title(line) == title


@examples(max_examples=100, deadline=None)
@given(words=st.lists(st.from_regex(re.compile(r"[a-z进程]{1,6}"), fullmatch=True), min_size=1, max_size=5))
def test_heading_marks_do_not_matter(words: list[str]) -> None:
    title = " ".join(words)
    assert heading_title(title) == heading_title(f"## {title} ##") == heading_title(f"# {title} {{#id}}") == title


@pytest.mark.parametrize(
    ("shown", "ordinary"),
    [
        ("使⽤⼀个⽂件", "使用一个文件"),
        ("⺠法⻓度⻚⾯⻅⻔⻋", "民法长度页面见门车"),
        ("\uf9e4解", "理解"),
        ("ＴＣＰ／ＩＰ３．０，Ｃ＋＋", "TCP/IP3.0，C++"),
        ("eﬃcient ﬁle", "efficient file"),
        ("第Ⅳ章", "第IV章"),
        ("𝑥𝟏", "x1"),
        ("e\u0301", "é"),
    ],
)
def test_characters_of_another_form_become_ordinary(shown: str, ordinary: str) -> None:
    assert compatible(shown) == ordinary


@pytest.mark.parametrize("text", ["x² + ½", "①②", "Keben™", "log₂8", "ℝ", "℃", "（一），。！？：；“”……", "1～5", "﹣"])
def test_characters_whose_meaning_would_change_are_kept(text: str) -> None:
    assert compatible(text) == text


@given(text=st.text(max_size=60))
def test_ordinary_characters_stay_so(text: str) -> None:
    assert compatible(compatible(text)) == compatible(text)
