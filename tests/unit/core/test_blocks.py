"""What belongs together on a page."""

import pytest

from core.blocks import announces, caption_follows, explains
from core.types import BlockKind


@pytest.mark.parametrize("text", ["条件如下：", "The steps are:", "**要点：**", "公式为： "])
def test_a_colon_at_the_end_announces(text: str) -> None:
    assert announces(text)


@pytest.mark.parametrize("text", ["条件如下。", "a: b", ""])
def test_other_ends_do_not(text: str) -> None:
    assert not announces(text)


def test_symbols_are_explained_after_a_formula() -> None:
    assert explains("其中 $n$ 是作业数。") and explains("where C is the time.") and not explains("因此很短。")


@pytest.mark.parametrize(
    ("before", "caption", "after", "follows"),
    [
        (None, "表 3-1 比较", BlockKind.table, False),
        (BlockKind.table, "表 3-1 比较", BlockKind.paragraph, True),
        (BlockKind.table, "表 3-1 比较", BlockKind.table, False),
        (BlockKind.code, "图 3-1 程序", BlockKind.table, True),
        (BlockKind.code, "Fig. 3-1 A program", BlockKind.code, True),
        (BlockKind.paragraph, "图 3-1 结构", None, False),
    ],
)
def test_a_caption_belongs_to_its_block(
    before: BlockKind | None, caption: str, after: BlockKind | None, follows: bool
) -> None:
    assert caption_follows(before, caption, after) is follows
