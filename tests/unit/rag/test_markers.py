"""Markers become [n], in whatever pieces the text arrives."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.markers import MarkerStream, book_markers_as_words, may_follow, normalised, without_markers

COUNT = 3
PARTS = [
    *("死锁是互相等待。", "A heap is a tree.", "TCP", "[1]", "[2][3]", "[1, 3]", "【1】", "［２］", "［2］", "[^1]"),
    *("[1-3]", "[[2]]", "[编号1]", "[9]", "[0]", "[", "]", "1", ",", " ", "\n", "\n\n", "`a[1]`", "`", "$x[1]$"),
    *("$", "$$", "\\[", "\\(x[2]\\)", "\\", "\n```\n", "\n~~~\n", " a[1]", " dp[i][1]", "(", "[2023]", "> ", "- "),
    *("[1](https://example.org)", "数组 [1, 2, 3]", "| x[1] |", "$5 ", "$6", "【", "】", "^"),
]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=14).map("".join)


def in_pieces(text: str, cuts: list[int]) -> list[str]:
    stream = MarkerStream(COUNT)
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    pieces = [stream.feed(text[a:b]) for a, b in pairwise(places)]
    return [*pieces, stream.finish()]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("死锁[1]。很坏【3】", "死锁[1]。很坏[3]"),
        ("It is so [1, 3]. So[^2].", "It is so [1][3]. So[2]."),
        ("如此［1］［2］。", "如此[1][2]。"),
        ("All [1-3]", "All [1][2][3]"),
        ("如此[[2]]。", "如此[2]。"),
        ("如此[编号 1]，[Passage 2]。", "如此[1]，[2]。"),
        ("Twice [1] [1][2].", "Twice [1][2]."),
        ("No such passage [9].", "No such passage."),
        ("[9] The beginning.", "The beginning."),
    ],
)
def test_every_form_becomes_a_number_in_brackets(written: str, expected: str) -> None:
    assert normalised(written, COUNT) == expected


@pytest.mark.parametrize(
    "text",
    [
        "`a[1]` is an element",
        "```py\na[1] = b[2]\n```",
        "~~~\n[1]\n~~~\n",
        "$x[1]$ and \\(y[2]\\)",
        "$$\nx[1]\n$$",
        "\\[ x[1] \\]",
        "a[1] and nums[1] and dp[i][1]",
        "[1](https://example.org/)",
        "数组 [1, 2, 3]",
        "in the interval [1, 3]",
        "the values [3, 1]",
        "in the year [2023]",
        "an unclosed [1",
        "[[9]1]",
    ],
)
def test_what_is_no_marker_stays(text: str) -> None:
    assert normalised(text, COUNT) == text == without_markers(text)


def test_after_a_price_there_are_markers() -> None:
    assert normalised("It costs $5 【1】 or $6 【2】.", COUNT) == "It costs $5 [1] or $6 [2]."


def test_a_marker_is_given_once_it_is_whole() -> None:
    stream = MarkerStream(COUNT)
    pieces = [stream.feed(piece) for piece in ("死锁", "[", "1", "]", "。", "很坏", "[7", "]", "。")]
    assert [*pieces, stream.finish()] == ["死锁", "", "", "", "[1]。", "很坏", "", "", "。", ""]


def test_code_is_given_line_by_line() -> None:
    stream = MarkerStream(COUNT)
    pieces = [stream.feed(piece) for piece in ("So:\n``", "`py\na[1]", " = 1\nb", "[2]\n", "```", "\n", "[1]")]
    assert pieces == ["So:\n", "```py", "\na[1] = 1", "\nb[2]", "", "\n```\n", ""]
    assert stream.finish() == "[1]"


def test_blanks_before_a_marker_that_goes_are_never_shown() -> None:
    stream = MarkerStream(COUNT)
    assert stream.feed("A heap ") + stream.feed("[9") + stream.feed("]. B") == "A heap. B"


def test_a_marker_may_not_follow_an_open_bracket() -> None:
    assert not may_follow("见 [1,")
    assert may_follow("见 [图]")


@given(TEXTS, st.lists(st.integers(0, 200), max_size=12))
def test_how_the_text_is_cut_makes_no_difference(text: str, cuts: list[int]) -> None:
    assert "".join(in_pieces(text, cuts)) == normalised(text, COUNT)


@given(TEXTS, st.lists(st.integers(0, 200), max_size=12))
def test_no_marker_is_cut_in_two(text: str, cuts: list[int]) -> None:
    shown = ""
    whole = normalised(text, COUNT)
    markers = [match.span() for match in re.finditer(r"\[[123]\]", whole)]
    for piece in in_pieces(text, cuts):
        shown += piece
        inside = [(a, b) for a, b in markers if a < len(shown) < b]
        # Nothing but an index, which is no marker, is cut.
        assert all(without_markers(whole[:b])[-3:] == whole[a:b] for a, b in inside)


@given(TEXTS)
def test_markers_to_passages_that_do_not_exist_go_and_nothing_else(text: str) -> None:
    assert without_markers(normalised(text, COUNT)) == without_markers(text)
    assert normalised(normalised(text, COUNT), COUNT) == normalised(text, COUNT)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("地球是圆的。[1][3][99]", "地球是圆的。(1)(3)(99)"),
        ("[2] Official Book", "(2) Official Book"),
        ("见 Smith [3]，又见【4】和［5］。", "见 Smith (3)，又见(4)和(5)。"),
        (r"又见 \[6\] 和 &#91;7&#x5D;、[&#56;]。", "又见 (6) 和 (7)、(8)。"),
        (
            "a[3] = dp[i][1]，`b [1]`，$x [2]$，A&amp;B，[1234] 年",
            "a[3] = dp[i][1]，`b [1]`，$x [2]$，A&amp;B，[1234] 年",
        ),
        ("", ""),
    ],
)
def test_a_book_puts_no_marker_into_an_answer(text: str, shown: str) -> None:
    assert book_markers_as_words(text) == shown
    assert book_markers_as_words(shown) == shown
