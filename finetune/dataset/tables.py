"""Workbooks and delimited files: the header says what each column holds, each row below it is a row of the data set."""

from collections.abc import Sequence
from pathlib import Path

from core.errors import DatasetError
from finetune.dataset.found import Found, LeftOut, Place
from finetune.dataset.questions import complete, placeholders, recognised
from finetune.dataset.rows import read_row
from finetune.dataset.settings import SourceSettings
from ingest.readers.delimited import read_lines
from ingest.readers.workbook import read_sheets

_SEARCHED = 20  # rows among which the header is looked for
_MEND = "name the columns, as --column question=题目 --column answer=答案"
_Rows = list[tuple[int, list[str]]]


def read_table(path: Path, label: str, source: SourceSettings) -> Found:
    """Every row of every visible sheet. Raises DatasetError where no sheet has a header that is understood."""
    found = Found(label)
    if path.suffix.lower() == ".xlsx":
        grids, notes = read_sheets(path)
        found.outside += [LeftOut(label, note) for note in notes]
        sheets = {title: [_row(number, grid[number]) for number in sorted(grid)] for title, grid in grids.items()}
    else:
        sheets = {"": [(number, [cell.strip() for cell in row]) for number, row in read_lines(path) if any(row)]}
    headers = {title: at for title, rows in sheets.items() if (at := _header(rows, source)) is not None}
    if not headers:
        raise _no_header(path, sheets, source)
    for title, rows in sheets.items():
        named = f"{label}, {title}" if len(sheets) > 1 else label
        if title not in headers and rows:
            found.outside.append(LeftOut(named, f"{len(rows)} rows under no header with a question and an answer"))
        elif rows:
            _read_sheet(found, rows, headers[title], source, (path, named))
    return found


def _row(number: int, cells: dict[int, str]) -> tuple[int, list[str]]:
    return number, [cells.get(column, "").strip() for column in range(1, max(cells) + 1)]


def _header(rows: _Rows, source: SourceSettings) -> int | None:
    """The place of the first row that names the columns; None without one."""
    wanted = {*source.columns.values(), *placeholders(source.template)}
    for at, (_, cells) in enumerate(rows[:_SEARCHED]):
        names = [cell for cell in cells if cell]
        if wanted <= set(names) and complete({**recognised(names), **source.columns}, source.template):
            return at
    return None


def _read_sheet(found: Found, rows: _Rows, header: int, source: SourceSettings, named: tuple[Path, str]) -> None:
    names = _distinct(rows[header][1])
    path, label = named
    for number, cells in rows[:header]:
        text = " ".join(filter(None, cells))[:60]
        found.outside.append(LeftOut(f"{label}, row {number}", f"stands above the header: {text}"))
    for number, cells in rows[header + 1 :]:
        place = Place(path, label, "row", number)
        if len(cells) > len(names) and any(cells[len(names) :]):
            raise place.error(
                f"it has {len(cells)} cells, the header {len(names)}", "put the text of a cell with commas in quotes"
            )
        row = dict(zip(names, cells + [""] * (len(names) - len(cells)), strict=False))
        if any(row.values()):
            found.add(read_row({name: cell for name, cell in row.items() if name}, place, source))


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, a second column of a name numbered, so that it doesn't hide the first."""
    seen = dict[str, int]()
    made = list[str]()
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        made.append(f"{name} {seen[name]}" if name and seen[name] > 1 else name)
    return made


def _no_header(path: Path, sheets: dict[str, _Rows], source: SourceSettings) -> DatasetError:
    first = next((cells for rows in sheets.values() for _, cells in rows), [])
    if not first:
        return DatasetError(f"{path} holds no rows", mend="name a file with questions and answers")
    wanted = [*source.columns.values(), *placeholders(source.template)]
    said = f"no row with the columns {', '.join(wanted)}" if wanted else "no header with a question and an answer"
    return DatasetError(f"{path}: {said}; its first row is: {', '.join(filter(None, first))[:200]}", mend=_MEND)
