"""Files that are refused before they are parsed."""

import struct
import zipfile
from pathlib import Path

import pytest
from files import epub, html, ole, slides, word, workbook, write

from core.errors import UnreadableBookError
from ingest.check import check_file
from ingest.readers.ole import is_encrypted

PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000)


def refusal(path: Path, max_file_mb: int = 100) -> UnreadableBookError:
    with pytest.raises(UnreadableBookError) as caught:
        check_file(path, max_file_mb)
    assert path.name in caught.value.message
    assert caught.value.mend
    return caught.value


def archive(path: Path, parts: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as target:
        for name, content in parts.items():
            target.writestr(name, content)
    return path


@pytest.mark.parametrize("suffix", [".pdf", ".docx", ".md", ".csv", ".html", ".xlsx", ".doc", ".png"])
def test_an_empty_file(suffix: str, tmp_path: Path) -> None:
    assert "0 bytes" in refusal(write(tmp_path / f"empty{suffix}", b"")).message


def test_a_file_over_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "large.md"
    with path.open("wb") as file:
        file.truncate(2 * 2**20 + 1)
    error = refusal(path, max_file_mb=2)
    assert "2 allowed" in error.message
    assert "KEBEN_INGEST__MAX_FILE_MB" in error.mend


def test_a_file_at_the_limit_passes(tmp_path: Path) -> None:
    check_file(write(tmp_path / "full.md", b"a" * 2**20), 1)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.docx", PDF),
        ("a.pptx", PDF),
        ("a.epub", b"plain text"),
        ("a.odt", b"\x89PNG\r\n\x1a\n"),
        ("a.pdf", b"PK\x03\x04 archive"),
        ("a.pdf", b"plain text"),
        ("a.md", b"PK\x03\x04 archive"),
        ("a.markdown", PDF),
        ("a.txt", OLE),
        ("a.html", b"\x89PNG\r\n\x1a\n"),
        ("a.png", b"\xff\xd8\xff\xe0 jpeg"),
        ("a.jpg", b"\x89PNG\r\n\x1a\n"),
        ("a.tif", b"plain text"),
        ("a.bmp", PDF),
        ("a.webp", b"RIFF\0\0\0\0WAVE"),
        ("a.doc", b"{\\rtf1 text}"),
        ("a.xls", b"<html><table></table></html>"),
        ("a.ppt", b"PK\x03\x04 archive"),
        ("a.xlsx", b"a,b\n1,2\n"),
        ("a.csv", b"PK\x03\x04 archive"),
        ("a.tsv", b"\x1f\x8b\x08\0"),
    ],
)
def test_a_wrong_suffix(name: str, content: bytes, tmp_path: Path) -> None:
    error = refusal(write(tmp_path / name, content))
    assert "suffix" in error.message
    assert "suffix" in error.mend


def test_the_archive_of_another_format(tmp_path: Path) -> None:
    page = epub(tmp_path / "a.epub", {"a.xhtml": "<p>正文</p>"})
    assert "not a docx" in refusal(page.rename(tmp_path / "a.docx")).message
    show = slides(tmp_path / "b.pptx")
    assert "not a epub" in refusal(show.rename(tmp_path / "b.epub")).message


def test_an_ole_container_that_is_none(tmp_path: Path) -> None:
    assert "Office 2003" in refusal(write(tmp_path / "exam.docx", OLE)).message
    error = refusal(write(tmp_path / "exam.doc", OLE))
    assert "damaged" in error.message and "copy it again" in error.mend


@pytest.mark.parametrize("suffix", [".docx", ".pptx", ".xlsx", ".doc", ".ppt", ".xls"])
def test_a_password_is_told_from_an_old_format(suffix: str, tmp_path: Path) -> None:
    locked = ole(tmp_path / f"exam{suffix}", {"EncryptionInfo": b"", "EncryptedPackage": b""})
    error = refusal(locked)
    assert "password" in error.message and "without a password" in error.mend


@pytest.mark.parametrize(
    ("stream", "suffix"), [("WordDocument", ".doc"), ("PowerPoint Document", ".ppt"), ("Workbook", ".xls")]
)
def test_old_formats_are_told_apart(stream: str, suffix: str, tmp_path: Path) -> None:
    check_file(ole(tmp_path / f"a{suffix}", {stream: b""}), 1)
    newer = refusal(ole(tmp_path / f"a{suffix}x", {stream: b""}))
    assert f"({suffix[1:]})" in newer.message and "save it as" in newer.mend
    other = ".xls" if suffix == ".doc" else ".doc"
    assert f"suffix {suffix}" in refusal(ole(tmp_path / f"b{other}", {stream: b""})).mend


def test_old_formats_with_a_password(tmp_path: Path) -> None:
    assert is_encrypted(ole(tmp_path / "a.doc", {"WordDocument": bytes(10) + struct.pack("<H", 0x0100)}))
    assert is_encrypted(ole(tmp_path / "a.ppt", {"PowerPoint Document": b"", "EncryptedSummary": b""}))
    records = struct.pack("<HH4sHH2s", 0x0809, 4, b"", 0x2F, 2, b"")
    assert is_encrypted(ole(tmp_path / "a.xls", {"Workbook": records}))
    for name, stream in (("b.doc", "WordDocument"), ("b.ppt", "PowerPoint Document"), ("b.xls", "Workbook")):
        assert not is_encrypted(ole(tmp_path / name, {stream: b""}))


def test_a_bomb_of_a_workbook(tmp_path: Path) -> None:
    assert "zip bomb" in refusal(archive(tmp_path / "a.xlsx", {"xl/worksheets/sheet1.xml": bytes(20 * 2**20)})).message


def test_an_archive_that_is_cut_short(tmp_path: Path) -> None:
    whole = epub(tmp_path / "whole.epub", {"a.xhtml": "<p>正文</p>"}).read_bytes()
    assert "copy it again" in refusal(write(tmp_path / "cut.epub", whole[: len(whole) // 2])).mend


def test_a_bomb_by_its_ratio(tmp_path: Path) -> None:
    path = archive(tmp_path / "bomb.docx", {"word/document.xml": bytes(20 * 2**20)})
    assert path.stat().st_size < 100_000
    error = refusal(path)
    assert "zip bomb" in error.message and "20 MiB" in error.message


def test_a_bomb_by_its_number_of_parts(tmp_path: Path) -> None:
    parts = {f"word/{number}.xml": b"" for number in range(10_001)}
    assert "10001 parts" in refusal(archive(tmp_path / "many.docx", parts, zipfile.ZIP_STORED)).message


def test_small_repetitive_parts_are_no_bomb(tmp_path: Path) -> None:
    check_file(archive(tmp_path / "a.docx", {"word/document.xml": bytes(2**20)}), 100)


def test_good_files_pass(tmp_path: Path) -> None:
    good = [
        word(tmp_path / "A.DOCX", lambda document: document.add_paragraph("正文") and None),
        slides(tmp_path / "a.pptx"),
        workbook(tmp_path / "a.xlsx", {"a": [["甲", "乙"]]}),
        write(tmp_path / "a.csv", "甲,乙\n1,2\n"),
        write(tmp_path / "a.tsv", "甲\t乙\n".encode("gb18030")),
        epub(tmp_path / "a.epub", {"a.xhtml": "<p>正文</p>"}),
        html(tmp_path / "a.html", "<p>正文</p>"),
        write(tmp_path / "a.md", "PK 是一个词"),
        write(tmp_path / "a.txt", "正文".encode("utf-16")),
        write(tmp_path / "a.pdf", b"junk before the header\n" + PDF),
    ]
    for path in good:
        check_file(path, 1)
