"""Whether a page's text layer says what the page shows, pure: what goes to character recognition, and why."""

import re
from collections.abc import Sequence

from ingest.readers.pdf.layout import Run, shown

FEW = 10  # visible characters; a page with fewer has no text layer worth the name
_SOME = 120  # visible characters; on a page that is all image these may be a stamp
_IN_BODY = 60  # visible characters between head and foot; with fewer, an image that fills the page is the text
_IMAGE, _ALL_IMAGE = 0.03, 0.8  # share of the page that images cover: with few characters, with a stamp's
_EDGE = 0.12  # of the page's height, at the top and at the bottom
_UNMAPPED = 0.3  # share of characters without meaning at which a text layer is garbage
_LATIN_1 = 0.3  # share of accented letters and signs; 0.1 in languages that use many
_SIGNS = 0.4  # share of signs in a layer below an image, where there are no formulas
_WORDS, _HAN = 40, 80  # least words and Chinese characters from which language is told
_VOWELS, _WITHOUT = 0.2, 0.4  # least share of vowels, most words without one; 0.38 and 0.01 in English
_FREQUENT = 0.03  # least share of the most frequent characters; about 0.3 in Chinese

_CID = re.compile(r"\(cid:\d+\)")
_MEANINGLESS = re.compile("[\ufffd\uffff\ue000-\uf8ff]|锟斤拷")
_HIGH = re.compile("[\x80-\xff]")
_WORD = re.compile(r"[A-Za-z]{4,}")
_VOWEL = re.compile(r"[aeiouyAEIOUY]")
_HAN_CHAR = re.compile("[\u4e00-\u9fff]")
_KANA_OR_HANGUL = re.compile("[\u3040-\u30ff\uac00-\ud7af]")
_COMMON = re.compile(
    "[的一是不了在人有我他这個个们們中大来來上国國和也子时時道说說出而要于於就下得可你年生自会會那后後能对對着事其里所去行"
    "过過家十用发發天如然作方成者多日都三小二无無同经經法当當起与與好看学學进進种種将將还還分此心前面又定见見只主没從从为為以"
    "到数數式表图圖第章理程算设設]"
)


def garbage(runs: Sequence[Run], unmapped: float) -> str:
    """Why the layer is no text in any language, "" where it may be one.

    unmapped: share of characters that pdfium has no meaning for.
    """
    # Code has names without vowels.
    text = "\n".join(run.text for run in runs if run.mono < 0.5)
    visible = shown(text)
    if unmapped >= _UNMAPPED:
        return "characters without a meaning"
    if visible < FEW:
        return ""
    if sum(map(len, _CID.findall(text) + _MEANINGLESS.findall(text))) >= _UNMAPPED * visible:
        return "characters without a meaning"
    if len(_HIGH.findall(text)) >= _LATIN_1 * visible:
        return "another encoding"
    return _no_language(text, visible)


def _no_language(text: str, visible: int) -> str:
    words = _WORD.findall(text)
    letters = sum(map(len, words))
    if len(words) >= _WORDS and letters >= 0.5 * visible:
        vowels = sum(len(_VOWEL.findall(word)) for word in words)
        without = sum(not _VOWEL.search(word) for word in words)
        if vowels < _VOWELS * letters or without > _WITHOUT * len(words):
            return "letters that make no words"
    han = len(_HAN_CHAR.findall(text))
    chinese = han >= max(_HAN, 0.5 * visible) and not _KANA_OR_HANGUL.search(text)
    if chinese and len(_COMMON.findall(text)) < _FREQUENT * han:
        return "Chinese characters that make no words"
    return ""


def sensible(runs: Sequence[Run], unmapped: float) -> int:
    """How many visible characters of a layer say something."""
    text = "\n".join(run.text for run in runs)
    if unmapped < _UNMAPPED and garbage(runs, unmapped):
        return 0
    return round(shown(_CID.sub("", text)) * (1 - unmapped))


def why_recognise(runs: Sequence[Run], height: float, hidden: int, fault: str, image: float) -> str:
    """Why a page is to be recognised from its image, "" if it is not.

    hidden: characters of the layer that show nothing by their code. fault: what `garbage` says of it.
    image: share of the page that images cover.
    """
    visible = sum(shown(run.text) for run in runs)
    if fault and visible >= FEW:
        return fault
    if hidden > max(FEW, visible):
        return "control characters"
    if visible < FEW:
        return "no text layer" if image >= _IMAGE else ""
    if image < _ALL_IMAGE:
        return ""
    body = [run for run in runs if _EDGE * height < run.middle < (1 - _EDGE) * height]
    if visible < _SOME or sum(shown(run.text) for run in body) < _IN_BODY:
        return "little text on an image"
    signs = sum(not char.isalnum() and not char.isspace() for run in runs for char in run.text)
    return "signs that make no words" if signs > _SIGNS * visible else ""
