"""Every readable file of the shared data but PDFs gives text, or says why not."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from files import check_offsets
from word_counter import count_words

from core.errors import UnreadableBookError
from core.settings import ChunkSettings, IngestSettings
from ingest.readers import LEGACY, SUFFIXES
from ingest.sandbox import parse_in_sandbox
from ingest.split import split_book

DATA = Path(__file__).parents[4] / "shared" / "data"
SETTINGS = IngestSettings()
# Files that rightly give no text; none so far.
UNREADABLE: frozenset[str] = frozenset()


def files() -> Iterator[object]:
    found = [
        path
        for folder in ("books", "formats")
        for path in sorted((DATA / folder).rglob("*"))
        if path.is_file() and path.suffix.lower() in SUFFIXES - {".pdf"}
    ]
    yield from (pytest.param(path, id=path.relative_to(DATA).as_posix()) for path in found)
    if not found:
        reason = f"no books in {DATA}: the shared data is not beside this checkout"
        yield pytest.param(DATA, id="absent", marks=pytest.mark.skip(reason=reason))


@pytest.mark.parametrize("path", list(files()))
def test_a_real_file_gives_text_or_a_reason(path: Path) -> None:
    if path.suffix.lower() in LEGACY and shutil.which("soffice") is None:
        pytest.skip("LibreOffice is not installed: apt-get install libreoffice-writer-nogui")
    if path.name in UNREADABLE:
        with pytest.raises(UnreadableBookError) as caught:
            parse_in_sandbox(path, SETTINGS)
        assert path.name in caught.value.message and caught.value.mend
        return
    book = parse_in_sandbox(path, SETTINGS)
    check_offsets(book)
    assert any(character.isalnum() for character in book.text)
    assert "\ufffd" not in book.text
    chunks = split_book(book, "b", ChunkSettings(), count_words)
    assert chunks
    assert all(chunk.text == book.text[chunk.start : chunk.end] for chunk in chunks)
