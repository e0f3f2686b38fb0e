"""The CSV files of CMMLU and C-Eval as rows by the names of JSON Lines."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from core.errors import ConfigError

_SPLIT = re.compile(r"[_-](?:dev|val|test)$", re.IGNORECASE)
_CHOICES = ("A", "B", "C", "D")


def subject_of(path: Path) -> str:
    """What the name of a file says: operating_system of operating_system_val.csv."""
    return _SPLIT.sub("", path.stem)


def read_table(path: Path) -> Iterator[tuple[int, str, dict[str, object]]]:
    """For each row: the line from 1 that it ends on, `PATH, line N`, and question, options, answer and id.

    Raises ConfigError for a file that is no such table, and for a row with an empty field.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", mend="name a file of CSV") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8: {error}", mend="save the file as UTF-8") from error
    table = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head = [name.strip().lower() for name in next(table, [])]
        _check_head(head, path)
        for cells in table:
            where = f"{path}, line {table.line_num}"
            if any(cell.strip() for cell in cells):
                yield table.line_num, where, _row(head, cells, where)
    except csv.Error as error:
        raise ConfigError(
            f"{path}, line {table.line_num}: not CSV: {error}", mend='quote cells that hold , or "'
        ) from error


def _check_head(head: list[str], path: Path) -> None:
    wanted = ("question", *(letter.lower() for letter in _CHOICES), "answer")
    if missing := [name for name in wanted if name not in head]:
        raise ConfigError(
            f"{path}, line 1: no column {', '.join(missing)}",
            mend="begin with ,Question,A,B,C,D,Answer (CMMLU) or id,question,A,B,C,D,answer,explanation (C-Eval)",
        )


def _row(head: list[str], cells: list[str], where: str) -> dict[str, object]:
    if len(cells) > len(head):
        raise ConfigError(
            f"{where}: {len(cells)} cells, {len(head)} columns", mend='quote cells that hold a comma: "a, b"'
        )
    values = {name: cell.strip() for name, cell in zip(head, cells, strict=False)}
    for name in ("question", *(letter.lower() for letter in _CHOICES), "answer"):
        if not values.get(name):
            raise ConfigError(f'{where}: "{name}" is empty', mend="fill it in, or leave the row out")
    return {
        "id": values.get("id") or values.get("") or None,
        "question": values["question"],
        "options": {letter: values[letter.lower()] for letter in _CHOICES},
        "answer": values["answer"],
    }
