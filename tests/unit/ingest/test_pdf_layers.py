"""Long PDFs, whose pages several processes read."""

import os
from pathlib import Path

import pytest
from test_pdf import Paper

from core.errors import UnreadableBookError
from ingest.readers.context import ReaderContext
from ingest.readers.pdf import layers, read_pdf
from ingest.readers.pdf.chars import RawPage

PAGES = 80


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    paper = Paper()
    for number in range(1, PAGES + 1):
        paper.page().text(72, 90, f"{number} Section of its own", 18)
        paper.lines(72, 130, [f"Line {line} of page {number} says what no other line says." for line in range(20)])
    return paper.save(tmp_path_factory.mktemp("long") / "long.pdf")


def die(index: int) -> RawPage | None:
    os._exit(7)


def test_several_processes_give_what_one_gives(long: Path) -> None:
    alone = read_pdf(long, ReaderContext(max_pages=PAGES))
    assert [page.number for page in alone.pages] == list(range(1, PAGES + 1))
    assert f"Line 7 of page {PAGES} says" in alone.text
    assert read_pdf(long, ReaderContext(max_pages=PAGES, workers=3)) == alone


def test_a_page_that_ends_its_process_is_told(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "_read", die)
    with pytest.raises(UnreadableBookError, match=r"long\.pdf: the PDF has a page that ends the program") as caught:
        read_pdf(long, ReaderContext(max_pages=PAGES, workers=2))
    assert caught.value.mend
