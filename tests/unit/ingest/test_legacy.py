"""DOC, PPT and XLS through LibreOffice itself, made by it from newer files."""

import shutil
import subprocess
from pathlib import Path

import pytest
from files import CONTEXT, check_offsets, headings, of_kind, ole, slides, word, workbook, write

from core.errors import UnreadableBookError
from core.settings import IngestSettings
from core.types import BlockKind
from ingest.readers.legacy import read_legacy
from ingest.sandbox import parse_in_sandbox

DATA = Path(__file__).parents[4] / "shared" / "data" / "formats" / "unstructured"
SETTINGS = IngestSettings()
needs_office = pytest.mark.skipif(
    shutil.which("soffice") is None, reason="LibreOffice is not installed: apt-get install libreoffice-writer-nogui"
)


def older(path: Path, kind: str) -> Path:
    """`path` in the format of Office 2003."""
    profile = (path.parent / "profile").as_uri()
    command = ["soffice", f"-env:UserInstallation={profile}", "--headless", "--convert-to", kind, "--outdir"]
    subprocess.run([*command, str(path.parent), str(path)], check=True, capture_output=True, timeout=180)
    return path.with_suffix(f".{kind}")


@needs_office
def test_a_doc(tmp_path: Path) -> None:
    def fill(document: object) -> None:
        document.add_heading("第一章 进程", 1)  # type: ignore[attr-defined]
        document.add_paragraph("进程是程序的一次执行。")  # type: ignore[attr-defined]

    path = older(word(tmp_path / "操作系统.docx", fill), "doc")
    book = parse_in_sandbox(path, SETTINGS)
    check_offsets(book)
    assert headings(book) == [(1, "第一章 进程")]
    assert of_kind(book, BlockKind.paragraph) == ["进程是程序的一次执行。"]


@needs_office
def test_a_ppt(tmp_path: Path) -> None:
    book = parse_in_sandbox(older(slides(tmp_path / "课件.pptx"), "ppt"), SETTINGS)
    check_offsets(book)
    assert book.title == "计算机网络"
    assert [page.number for page in book.pages] == [1, 2, 3, 4]
    assert "TCP 提供可靠的传输。" in book.text and "备注：先讲三次握手。" in book.text
    assert "| HTTP | 80 |" in book.text


@needs_office
def test_an_xls(tmp_path: Path) -> None:
    rows = [["题目", "A", "B", "答案"], ["什么是栈的特点？", "先进先出", "后进先出", "B"]]
    book = parse_in_sandbox(older(workbook(tmp_path / "题库.xlsx", {"第一章": rows}), "xls"), SETTINGS)
    assert book.text == "第一章\n\n什么是栈的特点？\nA. 先进先出\nB. 后进先出\n答案：B"


@needs_office
@pytest.mark.parametrize(("name", "words"), [("fake.doc", "Lorem ipsum"), ("fake-power-point.ppt", "bullet slide")])
def test_samples(name: str, words: str) -> None:
    if not (DATA / name).exists():
        pytest.skip(f"no {name} in {DATA}: the shared data is not beside this checkout")
    assert words in parse_in_sandbox(DATA / name, SETTINGS).text


@needs_office
def test_a_container_without_a_document(tmp_path: Path) -> None:
    path = ole(tmp_path / "broken.xls", {"Workbook": b"no records at all" * 100})
    with pytest.raises(UnreadableBookError, match=r"broken\.xls") as caught:
        parse_in_sandbox(path, SETTINGS)
    assert caught.value.mend


def test_without_libreoffice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnreadableBookError, match=r"old\.doc is in the doc format of Office 2003") as caught:
        read_legacy(ole(tmp_path / "old.doc", {"WordDocument": b""}), CONTEXT)
    assert "install LibreOffice" in caught.value.mend and ".docx" in caught.value.mend


def test_a_password(tmp_path: Path) -> None:
    locked = ole(tmp_path / "exam.ppt", {"PowerPoint Document": b"", "EncryptedSummary": b""})
    with pytest.raises(UnreadableBookError, match=r"exam\.ppt is protected by a password"):
        read_legacy(locked, CONTEXT)


@needs_office
def test_a_conversion_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableBookError, match=r"junk\.ppt") as caught:
        read_legacy(write(tmp_path / "junk.ppt", bytes(range(256)) * 20), CONTEXT)
    assert "pptx" in caught.value.mend
