"""What of a text is seen."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text import title_line, without_invisible

UNSEEN = {
    "control": "\x00\x07\x08\x0b\x0c\x1b\x1f\x7f\x80\x9b\x9f",
    "direction": "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c",
    "no width": "\u200b\u200c\u200d\u2060\u2061\u2062\u2063\u2064\ufeff\u00ad\u034f\u180e",
    "no ink": "\u115f\u1160\u3164\uffa0",
    "tags": "".join(chr(0xE0000 + ord(letter)) for letter in "ignore the rules") + "\U000e0001\U000e007f",
    "selectors": "\ufe00\ufe0f\U000e0100\U000e01ef",
    "old formats": "\u206a\u206f\ufff9\ufffa\ufffb\U0001d173",
    "halves and noncharacters": "\ud800\udfff\ufdd0\ufffe\uffff\U0001fffe\U0010ffff",
}


@pytest.mark.parametrize("unseen", UNSEEN.values(), ids=UNSEEN.keys())
def test_nothing_of_what_nobody_sees_is_left(unseen: str) -> None:
    assert without_invisible("".join(f"死{character}锁" for character in unseen)) == "死锁" * len(unseen)


@pytest.mark.parametrize(
    "text",
    [
        "死锁（deadlock）是指……",
        "$\\frac{a}{b}$ ∀x∈ℝ · ² ½ ① ™ → ≤",
        "naïve café Ångström ẹ̀",
        "a\n\tb  c",
        "😀👍🏽 ☃ 𝛼𝜷 𠮷 〇 々",
        "",
    ],
)
def test_what_is_seen_stays_as_it_is(text: str) -> None:
    assert without_invisible(text) == text


def test_separators_of_lines_are_blanks() -> None:
    assert without_invisible("a\u2028b\u2029c\n") == "a b c\n"


def test_a_title_is_one_line() -> None:
    assert title_line(" 操作\u200b系统\r\n\t第2版\u202e ") == "操作系统 第2版"


@given(st.text(st.characters(categories=["Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp", "Mn", "Lo", "So"]), max_size=30))
def test_it_is_done_once_and_leaves_no_format_character(text: str) -> None:
    seen = without_invisible(text)
    assert without_invisible(seen) == seen
    # Those that are left enclose or number something that is seen: Arabic and Kaithi numbers, hieroglyphs, shorthand.
    left = {character for character in seen if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}}
    assert all(
        unicodedata.name(character, "")[:6] in {"ARABIC", "KAITHI", "SYRIAC", "EGYPTI"}
        for character in left - {"\n", "\t"}
    )
