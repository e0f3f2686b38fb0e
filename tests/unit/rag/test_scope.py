"""Which books a question is about."""

import pytest

from core.errors import ConfigError
from core.types import Book, Scope
from rag.scope import books_of

BOOKS = [
    Book("a", "os/modern.pdf", "操作系统", "计算机", "zh"),
    Book("b", "networks.epub", "Computer Networks", "计算机", "en"),
    Book("c", "calculus.md", "高等数学", "数学", "zh"),
    Book("d", "notes.md", "高等数学", "高等数学", "zh"),
]


@pytest.mark.parametrize(
    ("scope", "ids"),
    [
        (Scope(), None),
        (Scope(books=("操作系统",)), "a"),
        (Scope(books=("os/modern.pdf",)), "a"),
        (Scope(books=(" COMPUTER networks ", "OS/Modern.pdf")), "ab"),
        (Scope(books=("ＣＯＭＰＵＴＥＲ Networks",)), "b"),
        (Scope(books=("高等数学",)), "cd"),
        (Scope(subjects=("计算机",)), "ab"),
        (Scope(subjects=("计算机", "数学")), "abc"),
        (Scope(books=("高等数学",), subjects=("数学",)), "c"),
    ],
)
def test_names_choose_books(scope: Scope, ids: str | None) -> None:
    assert books_of(scope, BOOKS) == (None if ids is None else frozenset(ids))


@pytest.mark.parametrize("name", ["modern.pdf", "操作", "", "物理"])
def test_a_name_that_no_book_has_is_an_error_that_lists_the_books(name: str) -> None:
    with pytest.raises(ConfigError, match=f"no book '{name}'") as caught:
        books_of(Scope(books=("操作系统", name)), BOOKS)
    assert "操作系统 (os/modern.pdf)" in caught.value.mend


def test_a_subject_that_no_book_has_is_an_error_that_lists_the_subjects() -> None:
    with pytest.raises(ConfigError, match="no subject '物理'") as caught:
        books_of(Scope(subjects=("物理",)), BOOKS)
    assert caught.value.mend == "use one of 数学, 计算机, 高等数学"


def test_no_more_than_ten_books_are_listed() -> None:
    many = [Book(str(n), f"{n:02}.md", f"第{n}册", "物理学", "zh") for n in range(12)]
    with pytest.raises(ConfigError) as caught:
        books_of(Scope(books=("物理",)), many)
    assert caught.value.mend.count(".md") == 10 and caught.value.mend.endswith("…")


def test_bounds_that_no_book_fits_together_are_an_error() -> None:
    with pytest.raises(ConfigError, match="操作系统 has the subject 数学"):
        books_of(Scope(books=("操作系统",), subjects=("数学",)), BOOKS)
