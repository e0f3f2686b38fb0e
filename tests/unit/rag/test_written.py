"""The units of an answer, and that they stay while more of it arrives."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rag.written import next_unit, rows_of, written_units
from rag.zones import masked, zones

PARTS = [
    *(
        "死锁是互相等待。",
        "A heap is a tree. ",
        "Next e.g. one",
        "“真的？”",
        "好！",
        "……",
        "3.5",
        "1. ",
        "2、",
        "- ",
        "> ",
        "# ",
    ),
    *(
        "\n",
        "\n\n",
        " ",
        "$",
        "$$",
        "`",
        "```\n",
        "\n```",
        "~~~\n",
        "| a | b |",
        "\n|---|\n",
        "\\[",
        "\\]",
        "\\(",
        "\\)",
    ),
    *("\nthe rest", "，\n后文", "$a. B$", "`c. D`", "$5 ", "**", "\\"),
]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=12).map("".join)


def cut(text: str) -> list[tuple[str, str]]:
    return [(unit.kind, text[unit.body : unit.end]) for unit in written_units(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("死锁。为什么？“好！”对", ["死锁。", "为什么？", "“好！”", "对"]),
        ("It is 3.5 MB, e.g. small. See Fig. 3. Done", ["It is 3.5 MB, e.g. small.", "See Fig. 3.", "Done"]),
        ("The value $a. B$ is so. \\(x. Y\\) too", ["The value $a. B$ is so.", "\\(x. Y\\) too"]),
        ("It costs $5. Then $6. End", ["It costs $5.", "Then $6.", "End"]),
        ("a soft\nline break. And", ["a soft\nline break.", "And"]),
        ("一，\n二。\n三", ["一，\n二。", "三"]),
        ("- 一。\n- 二\n1. 三\n2.四", ["一。", "二", "三", "四"]),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert cut(text) == [("sentence", part) for part in expected]


def test_blocks() -> None:
    table, code, formula = "| a |\n| - |\n| b |", "```\nx. Y\n\nz\n```", "$$\na\n= b\n$$"
    text = f"## 标题。副题\n{table}\n\n{code}\n\n结果\n{formula}。\n其中 $$c$$ 是。"
    kinds = [
        ("heading", "标题。副题"),
        ("table", table),
        ("code", code),
        ("sentence", "结果"),
        ("formula", f"{formula}。"),
    ]
    assert cut(text) == [*kinds, ("sentence", "其中 $$c$$ 是。")]
    assert [table[a:b] for a, b in rows_of(table)] == ["| b |"]


def test_zones_are_masked_with_their_length() -> None:
    text = "a `b` $c$ $$d$$ \\(e\\) \\$5 $"
    assert [zone.kind for zone in zones(text)] == ["code", "formula", "display", "formula"]
    assert masked(text) == "a XXX XXX XXXXX XXXXX \\X5 X"


@given(TEXTS)
def test_units_cover_all_but_blanks(text: str) -> None:
    at = 0
    for unit in written_units(text):
        assert not text[at : unit.start].strip()
        assert unit.start <= unit.body <= unit.end and unit.start < unit.end
        at = unit.end
    assert not text[at:].strip()


@given(TEXTS, st.integers(0, 100))
@example("# 死锁是互相等待。死锁是互相等待。\\好！好！好！好！", 47)
def test_units_stay_whatever_arrives_later(text: str, place: int) -> None:
    whole, known = written_units(text), text[: place % (len(text) + 1)]
    at, found = 0, []
    while unit := next_unit(known, at, final=False):
        # A stream waits until something follows.
        if not known[unit.end :].strip():
            break
        found.append(unit)
        at = unit.end
    assert found == whole[: len(found)]
