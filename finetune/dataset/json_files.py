"""JSON and JSON Lines, whichever the ending says: one object a line, or an array of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.errors import DatasetError
from finetune.dataset.found import Found, Place
from finetune.dataset.rows import read_row
from finetune.dataset.settings import SourceSettings
from ingest.readers.text import decode

_LISTS = ("data", "rows", "examples", "questions", "items", "train")


def read_json(path: Path, label: str, source: SourceSettings) -> Found:
    """Every row of the file. Raises DatasetError, which names the row."""
    found = Found(label)
    for unit, number, row in _rows(path):
        place = Place(path, label, unit, number)
        if not isinstance(row, dict):
            raise place.error(f"{json.dumps(row, ensure_ascii=False)[:60]} is not a JSON object", "write one a row")
        found.add(read_row(row, place, source))
    return found


def _rows(path: Path) -> Iterator[tuple[str, int, Any]]:
    text = decode(path)
    head = text.lstrip()[:1]
    if head == "[":
        yield from (("row", number, row) for number, row in enumerate(_whole(text, path), 1))
        return
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if head == "{" and not _is_row(lines[0][1]) and (path.suffix.lower() == ".json" or _is_json(text)):
        whole = _whole(text, path)
        yield from (("row", number, row) for number, row in enumerate(_listed(whole) or [whole], 1))
        return
    for number, line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DatasetError(f"{path}, line {number}: not JSON: {error}", mend="write one object a line") from error
        yield "line", number, row


def _is_row(line: str) -> bool:
    """Whether a line is an object of its own, and not one around all rows."""
    if not _is_json(line):
        return False
    row = json.loads(line)
    return not isinstance(row, dict) or _listed(row) is None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _listed(whole: dict[str, Any]) -> list[Any] | None:
    """The rows of an object around them."""
    found = [whole[name] for name in _LISTS if isinstance(whole.get(name), list)]
    return found[0] if len(found) == 1 else None


def _whole(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DatasetError(
            f"{path}, line {error.lineno}: not JSON: {error.msg}", mend="correct the file, or write one object a line"
        ) from error
    except RecursionError as error:
        raise DatasetError(f"{path} is nested too deeply", mend="write one object a line") from error
