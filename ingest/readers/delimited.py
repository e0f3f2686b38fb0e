"""CSV and TSV: encoding and delimiter are found out, quoted cells may hold line breaks."""

import csv
import io
from pathlib import Path

from core.errors import UnreadableBookError
from core.types import ExtractedBook
from ingest.readers.context import ReaderContext
from ingest.readers.sheet import sheet_pieces
from ingest.readers.text import decode
from ingest.readers.text_builder import TextBuilder, visible

_DELIMITERS = ",\t;|，"
_LONGEST_CELL = 100_000  # characters
_SAMPLE = 50  # rows


def read_delimited(path: Path, context: ReaderContext) -> ExtractedBook:
    """Read a CSV or TSV file; raises UnreadableBookError when it is not text or a cell has no end."""
    builder = TextBuilder()
    builder.add_all(sheet_pieces([row for _, row in read_lines(path)]))
    return builder.build()


def read_lines(path: Path) -> list[tuple[int, list[str]]]:
    """The rows with the line in which each ends, from 1; raises UnreadableBookError as `read_delimited`."""
    text = visible(decode(path))
    delimiter = _delimiter(text, path.suffix.lower())
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise UnreadableBookError(
            f"{path.name} is not a readable table: {error}",
            mend=f"look for a quotation mark without its partner; a cell may hold {_LONGEST_CELL} characters",
        ) from error


def _delimiter(text: str, suffix: str) -> str:
    """The delimiter that cuts the most of the first rows into the same number of cells, of two or more."""
    best, most = "\t" if suffix == ".tsv" else ",", (0, 0)
    for delimiter in _DELIMITERS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        try:
            widths = [len(row) for row, _ in zip(reader, range(_SAMPLE), strict=False) if row]
        except csv.Error:
            continue
        usual = max(set(widths), key=widths.count, default=0)
        score = (widths.count(usual), usual) if usual > 1 else (0, 0)
        if score > most:
            best, most = delimiter, score
    return best
