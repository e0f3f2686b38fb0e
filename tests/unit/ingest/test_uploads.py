"""Files that somebody sends: their names, and what is in them."""

import unicodedata
import zipfile
from pathlib import Path

import pytest
from drawn import page, png
from files import OMML_FRACTION, add_omml, ole, word, write
from test_pdf import Paper

from core.errors import ConfigError, UnreadableBookError
from core.settings import IngestSettings, Settings
from ingest.catalog import find_books
from ingest.uploads import check_upload, safe_name


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("操作系统（第4版）.pdf", "操作系统（第4版）.pdf"),
        ("  lecture 1 [final].PDF ", "lecture 1 [final].PDF"),
        (unicodedata.normalize("NFD", "théorie.md"), "théorie.md"),
        ("a" * 196 + ".pdf", "a" * 196 + ".pdf"),
        ("catalog.md", "catalog.md"),
    ],
)
def test_names_that_are_stored(name: str, stored: str, tmp_path: Path) -> None:
    assert safe_name(name) == stored
    write(tmp_path / stored, "正文")
    assert [book.source for book in find_books(tmp_path)[0]] == [stored]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("../secret.md", "names a folder"),
        ("/etc/passwd", "names a folder"),
        ("C:\\books\\os.pdf", "names a folder"),
        ("os\0.pdf", r"U\+0000"),
        ("os\n.pdf", r"U\+000A"),
        ("exe\u202efdp.md", r"U\+202E"),
        ("os\u200b.pdf", r"U\+200B"),
        ("os\u2028.pdf", r"U\+2028"),
        ("os\udcff.pdf", r"U\+DCFF"),
        (".hidden.md", "leaves? alone"),
        ("..", "leaves? alone"),
        ("_draft.md", "leaves? alone"),
        ("~$book.docx", "leaves? alone"),
        ("Catalog.TOML", "catalogue"),
        ("汉" * 66 + ".pdf", "202 bytes"),
    ],
)
def test_names_that_are_refused(name: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault) as caught:
        safe_name(name)
    assert repr(name)[1:40] in caught.value.message and caught.value.mend


def test_a_long_name_is_shown_cut(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        safe_name("x" * 100_000)
    assert len(caught.value.message) < 200


def refusal(path: Path, settings: Settings) -> UnreadableBookError:
    with pytest.raises(UnreadableBookError) as caught:
        check_upload(path, settings)
    assert path.name in caught.value.message and caught.value.mend
    return caught.value


def test_good_files_are_taken(tmp_path: Path, settings: Settings) -> None:
    for path in (
        write(tmp_path / "a.md", "# 书\n\n正文。\n"),
        word(tmp_path / "b.docx", lambda document: add_omml(document, "公式", OMML_FRACTION)),
        Paper().page().text(72, 90, "A process is a program in execution.").save(tmp_path / "c.pdf"),
        write(tmp_path / "d.PNG", png(page(["进程"]))),
    ):
        check_upload(path, settings)


def test_a_format_without_a_reader_names_those_that_have_one(tmp_path: Path, settings: Settings) -> None:
    error = refusal(write(tmp_path / "a.exe", "MZ"), settings)
    assert "no reader for '.exe'" in error.message and ".pdf" in error.mend


def test_content_that_is_not_what_the_suffix_says(tmp_path: Path, settings: Settings) -> None:
    assert "is not a PDF" in refusal(write(tmp_path / "a.pdf", b"PK\x03\x04"), settings).message
    assert "is empty" in refusal(write(tmp_path / "b.md", ""), settings).message
    locked = ole(tmp_path / "c.docx", {"EncryptedPackage": b"x"})
    assert "password" in refusal(locked, settings).message


def test_a_file_over_the_limits(tmp_path: Path, settings: Settings) -> None:
    small = settings.model_copy(update={"ingest": IngestSettings(max_file_mb=1, max_pages=1)})
    assert "more than the 1 allowed" in refusal(write(tmp_path / "a.md", "x\n" * 600_000), small).message
    two = Paper().page().text(72, 90, "One.").page().text(72, 90, "Two.").save(tmp_path / "b.pdf")
    assert "2 pages" in refusal(two, small).message


def test_a_pdf_that_does_not_open(tmp_path: Path, settings: Settings) -> None:
    whole = Paper().page().text(72, 90, "A process.").save(tmp_path / "a.pdf").read_bytes()
    assert "the PDF" in refusal(write(tmp_path / "cut.pdf", whole[: len(whole) // 2]), settings).message


def test_a_zip_bomb(tmp_path: Path, settings: Settings) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.docx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"\0" * 300 * 2**20)
    assert "zip bomb" in refusal(tmp_path / "bomb.docx", settings).message


def test_a_file_made_to_keep_the_checks_busy(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.uploads._CPU_SECONDS", 1)
    path = write(tmp_path / "busy.html", "<script " * 600_000)
    assert "1 s of processor time" in refusal(path, settings).message
