"""Which files are books, and what the catalogue says of them."""

from pathlib import Path

import pytest
from files import write

from core.errors import SourceError
from core.types import Course, ExtractedBook, Page
from ingest.catalog import SourceFile, find_books, find_course


def extracted(text: str = "操作系统管理资源。", title: str | None = None) -> ExtractedBook:
    return ExtractedBook(text, (Page(None, None, 0, len(text)),), (), title)


def folder_of(root: Path, *names: str, catalog: str | bytes | None = None) -> Path:
    folder = root / "knowledge"
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write(folder / name, "# 标题\n\n正文\n")
    folder.mkdir(exist_ok=True)
    if catalog is not None:
        write(folder / "catalog.toml", catalog)
    return folder


def names(files: list[SourceFile]) -> list[str]:
    return [file.source for file in files]


def test_entries_are_applied_and_the_others_keep_their_own_title(tmp_path: Path) -> None:
    catalog = (
        '[books."b.md"]\ntitle = "操作系统"\nsubject = "计算机"\nlanguage = "zh"\nedition = "4"\n'
        '[books."网络/a.html"]\nsubject = "网络"\n'
    )
    books, unknown = find_books(folder_of(tmp_path, "b.md", "网络/a.html", "c.txt", catalog=catalog))
    assert names(books) == ["b.md", "c.txt", "网络/a.html"]
    assert unknown == {}
    first, second, third = (file.describe("Own title", "en") for file in books)
    assert (first.title, first.subject, first.language, first.edition) == ("操作系统", "计算机", "zh", "4")
    assert (second.title, second.subject, second.language, second.edition) == ("Own title", "Own title", "en", "")
    assert (third.title, third.subject, third.language) == ("Own title", "网络", "en")


def test_a_book_without_any_title_has_the_name_of_its_file(tmp_path: Path) -> None:
    books, _ = find_books(folder_of(tmp_path, "计算机网络.md"))
    book = books[0].describe(None, "zh")
    assert (book.title, book.language, book.source) == ("计算机网络", "zh", "计算机网络.md")


def test_ids_follow_the_path_and_nothing_else(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.md", "x/a.md")
    first, _ = find_books(folder)
    write(folder / "a.md", "anders")
    moved, _ = find_books(folder.rename(tmp_path / "moved"))
    assert [file.book_id for file in first] == [file.book_id for file in moved]
    assert len({file.book_id for file in first}) == 2


def test_names_that_begin_with_a_dot_or_an_underscore_are_left_alone(tmp_path: Path) -> None:
    hidden = ["_draft.md", ".a.md", "_sources/a.md", ".git/a.md", "x/_y/z/a.md", ".DS_Store", "~$a_b.docx"]
    books, unknown = find_books(folder_of(tmp_path, "a_b.md", *hidden))
    assert names(books) == ["a_b.md"]
    assert unknown == {}


def test_suffixes_in_capitals_are_read_and_unknown_ones_are_told(tmp_path: Path) -> None:
    books, unknown = find_books(folder_of(tmp_path, "A.MD", "B.PDF", "c.wps", "x/d.zip", "noext"))
    assert names(books) == ["A.MD", "B.PDF"]
    assert sorted(unknown) == ["c.wps", "noext", "x/d.zip"]


def test_links_out_of_the_folder_are_ignored(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.md", "x/b.md")
    secret = write(tmp_path / "secret.md", "geheim")
    outside = tmp_path / "outside"
    outside.mkdir()
    write(outside / "c.md", "geheim")
    (folder / "secret.md").symlink_to(secret)
    (folder / "up.md").symlink_to("../secret.md")
    (folder / "outside").symlink_to(outside)
    (folder / "gone.md").symlink_to(tmp_path / "nowhere.md")
    (folder / "inside.md").symlink_to("x/b.md")
    assert names(find_books(folder)[0]) == ["a.md", "inside.md", "x/b.md"]


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.md")
    (tmp_path / "link").symlink_to(folder)
    assert names(find_books(tmp_path / "link")[0]) == ["a.md"]


def test_only_the_catalogue_of_the_folder_counts(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.md", "x/catalog.toml")
    assert list(find_books(folder)[1]) == ["x/catalog.toml"]


def test_an_empty_folder_holds_no_books(tmp_path: Path) -> None:
    assert find_books(folder_of(tmp_path)) == ([], {})


def test_a_name_that_is_not_there_is_told(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.md", catalog='[books."a.md"]\n[books."b.md"]\ntitle = "B"\n')
    books, unknown = find_books(folder)
    assert [file.source for file in books] == ["a.md"]
    assert unknown == {"b.md": "catalog.toml names it, but it is not there"}


@pytest.mark.parametrize(
    "catalog",
    [
        '[books."a.md"\n',
        '[books."a.md"]\ntitel = "x"\n',
        '[books."a.md"]\ntitle = ""\n',
        '[books."a.md"]\nlanguage = "de"\n',
        '[books]\n"a.md" = "Titel"\n',
        'books = "a.md"\n',
        "[books.a.md]\ntitle = 'x'\n",
        '[kurs]\ntitle = "x"\n',
        "标题 = '书'".encode("gbk"),
    ],
)
def test_a_catalogue_that_cannot_be_read(catalog: str | bytes, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"catalog\.toml cannot be read") as caught:
        find_books(folder_of(tmp_path, "a.md", catalog=catalog))
    assert caught.value.mend


COURSE = """
[course]
title = "  计算机基础 "
system_prompt = '''
用大一学生能懂的话。
\t公式写成 $x$。
'''
[books."a.md"]
title = "A"
"""


def test_a_catalogue_may_speak_of_the_whole_course(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.md", catalog=COURSE.replace("\\t", "\t"))
    assert find_course(folder) == Course("计算机基础", "用大一学生能懂的话。\n\t公式写成 $x$。")
    (book,), unknown = find_books(folder)
    assert (book.entry.title, unknown) == ("A", {})


@pytest.mark.parametrize("catalog", [None, "", '[books."a.md"]\n', "[course]\n"])
def test_a_catalogue_need_not_speak_of_the_course(catalog: str | None, tmp_path: Path) -> None:
    assert find_course(folder_of(tmp_path, "a.md", catalog=catalog)) == Course("", "")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('system_prompt = "a\\u001b[2J"', r"course\.system_prompt: .*control character U\+001B after 1 others"),
        ('system_prompt = "a\\u0000"', r"course\.system_prompt: .*U\+0000"),
        ('title = "a\\u0085b"', r"course\.title: .*U\+0085"),
        ('title = "a\\nb"', r"course\.title: .*one line"),
        (f'title = "{"长" * 201}"', r"course\.title: .*at most 200 characters"),
        (f'system_prompt = "{"长" * 2001}"', r"course\.system_prompt: .*at most 2000 characters"),
        ("system_prompt = 1", r"course\.system_prompt: "),
        ('prompt = "x"', r"course\.prompt: "),
    ],
)
def test_what_a_course_cannot_say_is_refused_with_its_key(line: str, fault: str, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.md", catalog=f"[course]\n{line}\n")
    for read in (find_course, find_books):
        with pytest.raises(SourceError, match=rf"catalog\.toml cannot be read: {fault}") as caught:
            read(folder)
        assert str(folder) in caught.value.message and caught.value.mend


def test_a_course_may_say_as_much_as_it_may(tmp_path: Path) -> None:
    lines = f'[course]\ntitle = "{"长" * 200}"\nsystem_prompt = "{"长" * 2000}"\n'
    assert find_course(folder_of(tmp_path, catalog=lines)) == Course("长" * 200, "长" * 2000)


def test_a_catalogue_that_is_a_folder(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.md", "catalog.toml/b.md")
    with pytest.raises(SourceError, match=r"catalog\.toml cannot be read"):
        find_books(folder)


@pytest.mark.parametrize("name", ["nowhere", "file.md"])
def test_a_folder_that_is_not_there(name: str, tmp_path: Path) -> None:
    write(tmp_path / "file.md", "正文")
    with pytest.raises(SourceError, match=name) as caught:
        find_books(tmp_path / name)
    assert "--source" in caught.value.mend


def test_the_bundled_catalogue_fits_the_bundled_books() -> None:
    books, unknown = find_books(Path(__file__).parents[3] / "knowledge")
    assert len(books) >= 8
    assert all(file.entry.title and file.entry.subject and file.entry.language for file in books)
    assert unknown == {}
