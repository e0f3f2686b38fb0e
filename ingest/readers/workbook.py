"""XLSX: each visible sheet is a heading and its question bank or tables."""

import re
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from core.errors import UnreadableBookError
from core.types import BlockKind, ExtractedBook
from ingest.readers.context import ReaderContext
from ingest.readers.ooxml import XmlError
from ingest.readers.sheet import sheet_pieces
from ingest.readers.text_builder import TextBuilder

_MAX_SHEET_XML = 64 * 2**20  # bytes of all sheets together; about a million cells
_SHEET_PART = re.compile(r"xl/worksheets/[^/]+\.xml")
_DEFAULT_NAME = re.compile(r"(?:sheet|工作表|worksheet|表)\s*\d*", re.I)
# A formula without a value: the program that wrote the file did not work it out.
_NO_VALUE = re.compile(rb"(?:</f>|<f\b[^>]*/>)\s*(?:<v\s*/>|<v></v>)?\s*</c>")
_FAULTS = (
    InvalidFileException, XmlError, zipfile.BadZipFile, zlib.error,
    KeyError, ValueError, TypeError, AttributeError, IndexError, OSError, SyntaxError,
)  # fmt: skip
Grid = dict[int, dict[int, str]]


def read_workbook(path: Path, context: ReaderContext) -> ExtractedBook:
    """Read an XLSX file; raises UnreadableBookError when it is damaged or too large.

    Formulas give the value that the file holds. Hidden sheets, rows and columns are left out with a note.
    """
    builder = TextBuilder()
    sheets, notes = read_sheets(path)
    for title, grid in sheets.items():
        pieces = sheet_pieces(list(_rows(grid)))
        if pieces and (len(sheets) > 1 or not _DEFAULT_NAME.fullmatch(title)):
            builder.add(BlockKind.heading, title, level=1)
        builder.add_all(pieces)
    # Not the first sheet: a title stands over all of them.
    return builder.build(title=path.stem, notes=tuple(notes))


def read_sheets(path: Path) -> tuple[dict[str, Grid], list[str]]:
    """The cells of each visible sheet by row and column, both from 1, and notes of what was left out.

    Raises UnreadableBookError when the file is damaged or too large.
    """
    try:
        unsolved = _checked(path)
        book = load_workbook(path, data_only=True)
        formulas = load_workbook(path) if unsolved else None
    except _FAULTS as error:
        raise UnreadableBookError(
            f"{path.name} is not a readable xlsx file: {str(error) or type(error).__name__}",
            mend="open it in the program that made it and save it again",
        ) from error
    sheets, notes = dict[str, Grid](), []
    visible = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
    if hidden := len(book.worksheets) - len(visible):
        notes.append(f"{hidden} hidden sheets were left out")
    for sheet in visible:
        sheets[sheet.title], left_out = _grid(sheet, formulas[sheet.title] if formulas else None)
        notes += [f"{sheet.title}: {left_out} hidden rows and columns were left out"] if left_out else []
    return sheets, notes


def _checked(path: Path) -> bool:
    """Whether formulas stand without their values; raises when the sheets are too large."""
    with zipfile.ZipFile(path) as archive:
        parts = [entry for entry in archive.infolist() if _SHEET_PART.fullmatch(entry.filename)]
        size = sum(entry.file_size for entry in parts)
        if size > _MAX_SHEET_XML:
            raise UnreadableBookError(
                f"{path.name} has {size >> 20} MiB of cells, more than the {_MAX_SHEET_XML >> 20} allowed",
                mend="split the workbook into several files, or save its sheets as CSV",
            )
        return any(_NO_VALUE.search(archive.read(entry)) for entry in parts)


def _grid(sheet: Any, formulas: Any | None) -> tuple[Grid, int]:
    """The text of the visible cells by row and column, and how many rows and columns are hidden."""
    rows = {row for row, size in sheet.row_dimensions.items() if size.hidden or size.height == 0}
    columns = {
        column
        for size in sheet.column_dimensions.values()
        if size.hidden or size.width == 0
        for column in range(size.min or 0, (size.max or 0) + 1)
    }
    grid: Grid = {}
    left_out: set[tuple[str, int]] = set()
    # Not by iter_rows, which makes every cell of the box around them: one stray cell makes that billions.
    for (row, column), cell in sorted(sheet._cells.items()):
        text = _text(cell)
        if not text and formulas is not None:
            text = str(formulas.cell(row, column).value or "")
        if text and row in rows:
            left_out.add(("row", row))
        elif text and column in columns:
            left_out.add(("column", column))
        elif text:
            grid.setdefault(row, {})[column] = text
    for merged in sheet.merged_cells.ranges:
        _fill_down(grid, merged, rows)
    return grid, len(left_out)


def _fill_down(grid: Grid, merged: Any, hidden: set[int]) -> None:
    """A cell merged over several rows belongs to each of them."""
    text = grid.get(merged.min_row, {}).get(merged.min_col)
    for row in range(merged.min_row + 1, merged.max_row + 1):
        if text and row in grid and row not in hidden:
            grid[row].setdefault(merged.min_col, text)


def _rows(grid: Grid) -> Iterator[list[str]]:
    """The rows from top to bottom, with one blank row where any are left free."""
    used = sorted({column for row in grid.values() for column in row})
    before = None
    for number in sorted(grid):
        if before is not None and number > before + 1:
            yield [""] * len(used)
        yield [grid[number].get(column, "") for column in used]
        before = number


def _text(cell: Any) -> str:
    value = cell.value
    match value:
        case None:
            return ""
        case bool():
            return str(value).upper()
        case int() | float():
            if "%" in str(cell.number_format):
                return f"{value * 100:.12g}%"
            return f"{value:.15g}" if isinstance(value, float) else str(value)
        case datetime():
            return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "minutes")
        case date():
            return value.isoformat()
        case time():
            return value.isoformat("minutes")
        case timedelta():
            return str(value)
    return str(value)
