"""Where a quote is found on a page, and the boxes of its lines."""

import numpy as np
import pytest

from ingest.marks import find, line_boxes
from ingest.quotes import Quote

LEFT = "The scheduler picks the process that waits longest and gives it the proc-\r\nessor for one time slice."
RIGHT = "When the slice is over the process goes to the end of the queue and another one runs."


def marked(quote: str, page: str, nth: int = 0) -> list[str]:
    return [page[start:end] for start, end in find(Quote(quote, nth), page).spans]


def test_a_quote_is_found_whole_with_its_full_stop() -> None:
    page = "前面的话。死锁的四个\r\n必要条件。后面的话。"
    assert marked("死锁的四个必要条件。", page) == ["死锁的四个\r\n必要条件。"]
    assert marked("死锁的四个必要条件", page) == ["死锁的四个\r\n必要条件"]
    assert find(Quote("死锁的四个必要条件。"), page).share == 1


def test_the_occurrence_that_is_meant() -> None:
    page = "进程（一）。进程（二）。进程（三）。"
    starts = [find(Quote("进程", nth), page).spans[0][0] for nth in (0, 1, 2, 9)]
    assert starts == [0, 6, 12, 12]


def test_a_hyphenated_word() -> None:
    assert marked("gives it the processor for one", LEFT) == ["gives it the proc-\r\nessor for one"]


def test_columns_in_another_order_than_they_are_read() -> None:
    page = f"{RIGHT}\r\nComputer Systems, page 12\r\n{LEFT}"
    assert marked(f"{LEFT} {RIGHT}", page) == [RIGHT, LEFT]


def test_what_runs_over_the_page_is_marked_where_it_stands() -> None:
    quote = "it began on the page before with words that are not here. " + LEFT
    found = find(Quote(quote), LEFT)
    assert 0.5 < found.share < 1
    assert marked(quote, LEFT) == [LEFT]


def test_a_formula_that_was_written_anew_is_marked_with_its_line() -> None:
    page = "平均周转时间为 T 1 n i 1 C A 其中各项是作业的完成时刻与到达时刻之差。"
    quote = "平均周转时间为 $$T = \\frac{1}{n}\\sum(C-A)$$ 其中各项是作业的完成时刻与到达时刻之差。"
    assert marked(quote, page) == [page]


@pytest.mark.parametrize("quote", ["", "。。。", "银行家算法在分配资源之前检查系统是否安全", "a quote of another book"])
def test_what_does_not_stand_there_is_not_marked(quote: str) -> None:
    assert find(Quote(quote), "操作系统分配资源，进程检查状态。\r\n" + LEFT).spans == ()


def test_an_empty_page() -> None:
    assert find(Quote("进程"), "").spans == ()


def boxes(*lines: tuple[float, float, int]) -> np.ndarray:
    """Characters of 10 × 20, in lines that begin at (x, y)."""
    return np.array([[x + 10 * k, y, x + 10 * k + 10, y + 20] for x, y, n in lines for k in range(n)], dtype=float)


def test_each_line_has_one_box() -> None:
    there = boxes((50, 100, 6), (10, 130, 4))
    assert line_boxes(there, [(2, 10)]) == [(70, 100, 110, 120), (10, 130, 50, 150)]
    assert line_boxes(there, [(0, 2), (4, 6)]) == [(50, 100, 70, 120), (90, 100, 110, 120)]


def test_columns_side_by_side_have_their_own_boxes() -> None:
    assert len(line_boxes(boxes((0, 100, 3), (200, 100, 3)), [(0, 6)])) == 2


def test_characters_that_are_not_seen_have_no_part() -> None:
    there = boxes((0, 100, 3))
    there[1] = [5000, 5000, 5000, 5000]
    assert line_boxes(there, [(0, 3)]) == [(0, 100, 30, 120)]
    assert line_boxes(np.zeros((3, 4)), [(0, 3)]) == []
