"""PPTX: what becomes what, and that nothing leaves the machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from files import CONTEXT, check_offsets, headings, shown, slides, with_part, write

from core.errors import UnreadableBookError
from core.settings import PROJECT, IngestSettings
from core.types import BlockKind, ExtractedBook
from ingest.readers.slides import read_slides

LIMITS = json.dumps({**IngestSettings().model_dump(), "ocr_cache": None, "parent": os.getpid()})
# Writes down whatever reaches for the network, and refuses it; also what a library would swallow.
WATCH = """
import sys

def watch(event, args):
    if event in {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.connect",
                 "socket.sendto", "socket.sendmsg", "urllib.Request", "http.client.connect"}:
        with open(LOG, "a") as log:
            log.write(f"{event} {args}\\n")
        raise OSError("no network in this test")

sys.addaudithook(watch)
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return slides(tmp_path_factory.mktemp("slides") / "course.pptx")


@pytest.fixture(scope="module")
def book(file: Path) -> ExtractedBook:
    return read_slides(file, CONTEXT)


def of_page(book: ExtractedBook, number: int) -> list[tuple[BlockKind, str]]:
    return [
        seen for block, seen in zip(book.blocks, shown(book), strict=True) if book.page_at(block.start).number == number
    ]


def test_titles_are_headings_and_notes_stand_below_their_slide(book: ExtractedBook) -> None:
    check_offsets(book)
    assert of_page(book, 1) == [
        (BlockKind.heading, "计算机网络"),
        (BlockKind.paragraph, "TCP 提供可靠的传输。"),
        (BlockKind.paragraph, "The network layer moves packets. It may lose them."),
        (BlockKind.paragraph, "备注：先讲三次握手。"),
    ]
    assert headings(book) == [(1, "计算机网络"), (1, "端口 一览")]
    assert book.title == "计算机网络"


def test_tables_are_tables(book: ExtractedBook) -> None:
    assert of_page(book, 2) == [
        (BlockKind.heading, "端口 一览"),
        (BlockKind.table, "| 协议 | 端口\\|号 |\n| --- | --- |\n| HTTP | 80 |"),
        (BlockKind.paragraph, "备注：80 是 HTTP。"),
    ]


def test_every_slide_is_a_page_also_a_blank_one(book: ExtractedBook) -> None:
    assert [(page.number, page.label) for page in book.pages] == [(n, str(n)) for n in (1, 2, 3, 4)]
    assert of_page(book, 3) == [(BlockKind.paragraph, "备注：空白页。")]


def test_bullets_are_a_list(book: ExtractedBook) -> None:
    assert of_page(book, 4) == [
        (BlockKind.paragraph, "这一页没有标题。"),
        (BlockKind.list, "- 三次握手\n  - 四次挥手"),
    ]


def test_a_file_that_is_no_presentation(tmp_path: Path) -> None:
    with pytest.raises(UnreadableBookError, match=r"junk\.pptx") as caught:
        read_slides(write(tmp_path / "junk.pptx", b"PK\x03\x04 no archive"), CONTEXT)
    assert caught.value.mend


def test_a_truncated_presentation(file: Path, tmp_path: Path) -> None:
    with pytest.raises(UnreadableBookError, match=r"cut\.pptx"):
        read_slides(write(tmp_path / "cut.pptx", file.read_bytes()[:9000]), CONTEXT)


def test_a_slide_that_is_no_xml(file: Path, tmp_path: Path) -> None:
    broken = with_part(file, tmp_path / "broken.pptx", "ppt/slides/slide1.xml", b"<broken")
    with pytest.raises(UnreadableBookError, match=r"broken\.pptx"):
        read_slides(broken, CONTEXT)


def run_watched(folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and the log of a Python process that must not use the network."""
    log = folder / "network.log"
    write(folder / "sitecustomize.py", f"LOG = {str(log)!r}\n{WATCH}")
    environment = {name: value for name, value in os.environ.items() if name != "DO_NOT_TRACK"}
    environment["PYTHONPATH"] = f"{folder}{os.pathsep}{PROJECT}"
    done = subprocess.run([sys.executable, *arguments], env=environment, cwd=folder, capture_output=True, check=False)
    return done.returncode, log.read_text(encoding="utf-8") if log.exists() else ""


def test_the_watch_sees_a_name_look_up(tmp_path: Path) -> None:
    lookup = "import socket\ntry: socket.getaddrinfo('keben.invalid', 80)\nexcept OSError: pass"
    code, log = run_watched(tmp_path, "-c", lookup)
    assert code == 0
    assert log.startswith("socket.getaddrinfo ('keben.invalid', 80")


def test_reading_slides_makes_no_name_look_up_and_no_connection(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "book.json"
    code, log = run_watched(tmp_path, "-m", "ingest.worker", str(file), str(out), LIMITS)
    assert (code, log) == (0, "")
    assert "TCP 提供可靠的传输。" in json.loads(out.read_text(encoding="utf-8"))["book"]["text"]
