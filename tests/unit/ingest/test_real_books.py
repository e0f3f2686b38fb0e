"""Every readable file of the shared data but PDFs gives text, or says why not."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from files import CONTEXT, check_offsets
from word_counter import count_words

from core.errors import UnreadableBookError
from core.settings import ChunkSettings, IngestSettings
from core.types import ExtractedBook
from ingest.check import check_file
from ingest.readers import SUFFIXES
from ingest.readers.slides import read_slides
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


def parse(path: Path) -> ExtractedBook:
    if path.suffix.lower() != ".pptx":
        return parse_in_sandbox(path, SETTINGS)
    # In this process, for the import of unstructured takes seconds in each new one.
    check_file(path, SETTINGS.max_file_mb)
    return read_slides(path, CONTEXT)


@pytest.mark.parametrize("path", list(files()))
def test_a_real_file_gives_text_or_a_reason(path: Path) -> None:
    if path.name in UNREADABLE:
        with pytest.raises(UnreadableBookError) as caught:
            parse(path)
        assert path.name in caught.value.message and caught.value.mend
        return
    book = parse(path)
    check_offsets(book)
    assert any(character.isalnum() for character in book.text)
    assert "\ufffd" not in book.text
    chunks = split_book(book, "b", ChunkSettings(), count_words)
    assert chunks
    assert all(chunk.text == book.text[chunk.start : chunk.end] for chunk in chunks)
