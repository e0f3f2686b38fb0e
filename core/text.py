"""Pure functions on text: script, length, sentences, markup. Nothing here changes offsets silently."""

import re
import sys
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from core.types import Language

_CJK = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u2e80-\u2fdf]")
_WORD = re.compile(r"[^\W_\u3400-\u9fff\uf900-\ufaff]+")

# A stop inside a formula or inline code ends no sentence.
_PROTECTED = re.compile(r"\$\$.+?\$\$|\$[^$\n]+\$|`[^`\n]+`", re.DOTALL)
_STOP = re.compile(
    # A ? or ! inside a URL or before = ends nothing.
    r"(?:[。！？]|[!?]++(?![A-Za-z0-9=&]))[。！？!?]*[”’」』）)\"'*]*"
    r"|…{2,}|(?<=[^\s.])\.[\"')*\]]*(?=\s+[\"'(*\[`$]*[A-Z0-9\u4e00-\u9fff])"
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|cf|vs|Fig|Figs|Eq|Eqs|Sec|Ch|No|Dr|Mr|Mrs|Ms|Prof|St|al|approx|resp|Thm|pp)|\b[A-Z]|^\s*\d+)$"
)

# An address may hold one pair of brackets, as in Stack_(data_structure).
_IMAGE = re.compile(r"!\[([^\]]*)\]\((?:[^()]|\([^()]*\))*\)(\{[^}]*\})?")
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?:[^()\s]|\([^()\s]*\))*(?:\s+\"[^\"]*\")?\)")
# Comments, tags with attributes, and the bare tags of HTML: not `vector<int>`, `<stdio.h>` or 0<x且x>y.
_TAG = re.compile(
    r"<!--.*?-->|</?[A-Za-z][^\s/<>]*[\s/][^<>]*=[^<>]*>|</?(?:a|abbr|article|aside|b|big|blockquote|body|br|caption|center|"
    r"cite|code|col|colgroup|dd|del|details|dfn|div|dl|dt|em|figcaption|figure|font|footer|h[1-6]|head|header|hr|html|i|"
    r"iframe|img|input|ins|kbd|label|li|main|mark|nav|ol|p|picture|pre|q|s|script|section|small|source|span|strike|strong|"
    r"style|sub|summary|sup|svg|table|tbody|td|tfoot|th|thead|tr|tt|u|ul|var|video)\s*/?>",
    re.DOTALL | re.IGNORECASE,
)
# Not between Latin letters or digits: 2*3*4, a==b and a__b__c are no emphasis.
_EMPHASIS = re.compile(r"(?<![A-Za-z0-9*])(\*\*\*|\*\*|\*|__|~~|==)(?=\S)(.+?)(?<=\S)\1(?![A-Za-z0-9*])", re.DOTALL)
_LONE_MARK = re.compile(r"(?<![A-Za-z0-9])\*\*|\*\*(?![A-Za-z0-9])")
_HASHES = re.compile(r"^\s{0,3}#{1,6}\s+|\s+#+\s*$|\s*\{[#.][^}]*\}\s*$")
_QUOTE_MARK = re.compile(r"^\s{0,3}>\s?", re.MULTILINE)

# CJK radicals that stand for a character in PDF files and that Unicode does not decompose (⺠ for 民), from Unicode's
# EquivalentUnifiedIdeograph.txt; those that are a part of a character only (⺅) are left out. ⼾ stands in the files of
# Simplified fonts, for 户, though Unicode makes it 戶.
_RADICALS = dict(
    zip(
        "⼾⺁⺄⺈⺊⺌⺎⺒⺓⺝⺟⺠⺧⺩⺬⺶⺻⺼⻁⻄⻅⻆⻉⻋⻏⻑⻓⻔⻗⻘⻙⻚⻛⻜⻝⻢⻣⻤⻥⻦⻧⻨⻩⻪⻫⻬⻭⻮⻯⻰⻱⻲⻳",
        "户厂乙刀卜小兀巳幺月母民牛王示羊聿肉虎西见角贝车邑長长门雨青韦页风飞食马骨鬼鱼鸟卤麦黄黾斉齐歯齿竜龙龜亀龟",
        strict=True,
    )
)
# Where NFKC changes the form and not the meaning: Kangxi radicals, Roman numerals, ligatures, full-width digits and
# letters, letters of formulas. Not ² ½ ① ™, which would become 2, 1⁄2, 1, TM, nor the punctuation of Chinese.
_SAFE = (
    (0x2F00, 0x2FD5), (0x2160, 0x217F), (0xFB00, 0xFB06), (0xFF10, 0xFF19), (0xFF21, 0xFF3A), (0xFF41, 0xFF5A),
    (0x1D400, 0x1D7FF),
)  # fmt: skip
_SAFE_SIGNS = "＋－＝％＃．／"
_COMPATIBLE = str.maketrans(
    {code: unicodedata.normalize("NFKC", chr(code)) for first, last in _SAFE for code in range(first, last + 1)}
    | {ord(sign): unicodedata.normalize("NFKC", sign) for sign in _SAFE_SIGNS}
    | {ord(radical): character for radical, character in _RADICALS.items()}
)


# What a person does not see, and a program may obey: controls but for tab and line feed, soft hyphens, marks of
# direction, what has no width or no ink, variation selectors, tags, halves of pairs, noncharacters, U+FFFC and U+FFFD.
# Joiners and selectors shape letters of Persian and Indic scripts, and emoji; in Chinese and English they mean nothing.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\U0001bca0-\U0001bca3"
    f"\U0001d173-\U0001d17a\U000e0000-\U000e0fff{''.join(chr(plane << 16 | 0xFFFE) for plane in range(1, 17))}"
    f"{''.join(chr(plane << 16 | 0xFFFF) for plane in range(1, 17))}]"
)
# Ends of lines to some programs, and to none that writes books.
_SEPARATORS = str.maketrans("\u2028\u2029", "  ")


def without_invisible(text: str) -> str:
    """`text` without the characters that nobody sees; line ends and tabs stay, separators become blanks."""
    return _INVISIBLE.sub("", text.translate(_SEPARATORS))


def title_line(text: str) -> str:
    """`text` as a title or a name is shown: on one line, without the characters that nobody sees."""
    return " ".join(without_invisible(text).split())


def compatible(text: str) -> str:
    """`text` in ordinary characters, as it is embedded, searched and shown to a model; never what is quoted.

    NFC, which also folds compatibility ideographs, and NFKC where that keeps the meaning.
    """
    return unicodedata.normalize("NFC", text.translate(_COMPATIBLE))


def cjk_count(text: str) -> int:
    """Number of Chinese characters."""
    return len(_CJK.findall(text))


def length(text: str) -> int:
    """Length in words: each Chinese character and each run of other letters or digits is one."""
    return cjk_count(text) + len(_WORD.findall(text))


def language_of(text: str) -> Language:
    """'zh' if at least a tenth of the words are Chinese characters, else 'en'."""
    return "zh" if cjk_count(text) * 10 >= max(length(text), 1) else "en"


def sentences(text: str, start: int = 0) -> Iterator[tuple[int, int]]:
    """`[start, end)` of each sentence of a paragraph, shifted by `start`; blanks are left out.

    Stops are 。！？!? and a Latin full stop before a new sentence; formulas, inline code and common
    abbreviations are not cut.
    """
    kept = protected(text)
    begin = 0
    for stop in _STOP.finditer(text):
        if span_over(kept, stop.start(), stop.end()):
            continue
        if stop.group().startswith(".") and _ABBREVIATION.search(text[max(begin, stop.start() - 12) : stop.start()]):
            continue
        yield from _trimmed(text, begin, stop.end(), start)
        begin = stop.end()
    yield from _trimmed(text, begin, len(text), start)


def protected(text: str) -> list[tuple[int, int]]:
    """`[start, end)` of each formula and each piece of inline code: nothing is cut in them."""
    return [match.span() for match in _PROTECTED.finditer(text)]


def span_over(spans: Sequence[tuple[int, int]], start: int, end: int) -> tuple[int, int] | None:
    """The one of the ordered spans that holds `[start, end)`, if any."""
    place = bisect_right(spans, (start, sys.maxsize)) - 1
    return spans[place] if place >= 0 and start < end <= spans[place][1] else None


def _trimmed(text: str, begin: int, end: int, shift: int) -> Iterator[tuple[int, int]]:
    body = text[begin:end]
    if body.strip():
        left = begin + len(body) - len(body.lstrip())
        yield left + shift, left + len(body.strip()) + shift


def plain(text: str) -> str:
    """`text` without Markdown and HTML markup: images to their caption, links to their words.

    Formulas and inline code stay as they are.
    """
    kept: list[str] = []

    def shield(match: re.Match[str]) -> str:
        kept.append(match.group())
        return f"\x00{len(kept) - 1}\x00"

    text = _PROTECTED.sub(shield, text)
    text = _LINK.sub(r"\1", _IMAGE.sub(r"\1", text))
    text = _QUOTE_MARK.sub("", _TAG.sub("", text))
    # Where a sentence is cut out of bold text, one of its two marks is left.
    for _ in range(3):  # emphasis inside emphasis
        text = _EMPHASIS.sub(r"\2", text)
    text = _LONE_MARK.sub("", text)
    return re.sub("\x00(\\d+)\x00", lambda match: kept[int(match.group(1))], text).strip()


def heading_title(text: str) -> str:
    """The words of a heading line."""
    return " ".join(plain(_HASHES.sub("", text.strip().split("\n")[0])).replace("`", "").split())
