"""Questions and tables of the search benchmark."""

from pathlib import Path

from searching.load import Took, questions
from searching.table import Row, tables


def test_questions_ask_for_headings_in_their_language(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Book 0\n\n## 队列\n\n### 循环队列 12\n\n队列先进先出。\n", encoding="utf-8")
    (tmp_path / "b.md").write_text("# Book 1\n\n## Trees\n\n### red black 0\n\nA tree is balanced.\n", encoding="utf-8")
    assert questions(tmp_path, 2) == {"zh": ["什么是循环队列？"] * 2, "en": ["What is red black?"] * 2}


def test_growth_is_told_as_ratios_to_the_first_row() -> None:
    small = Row(1000, 9.0, 4.0, 0.5, 500.0, 600.0, {("zh", 1): Took(10.0, 20.0, 90.0)})
    large = Row(9000, 60.0, 5.0, 1.0, 750.0, 900.0, {("zh", 1): Took(15.0, 60.0, 60.0)})
    sizes, searching = tables([small, large]).split("\n\n")
    assert sizes.splitlines()[-1].startswith("| 9000 | 60.00 | 5.00 | 1.25 | 1.00 | 2.00 | 750.00 | 1.50 |")
    assert searching.splitlines()[-1] == "| 9000 | zh | 1 | 15.00 | 1.50 | 60.00 | 3.00 | 60.00 |"
