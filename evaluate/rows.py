"""Rows of JSON Lines files, each with the place that errors name."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, StringConstraints, ValidationError

from core.errors import ConfigError

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
RowModel = TypeVar("RowModel", bound=BaseModel)


def read_rows(path: Path, model: type[RowModel]) -> Iterator[tuple[int, str, RowModel]]:
    """For each line that is not blank: its number from 1, `PATH, line N`, and the row.

    Raises ConfigError for a file that cannot be read, and for a line that is no JSON object or not as `model` says. A
    row is never left out in silence: the measures would look better than they are.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", mend="name a file of JSON Lines") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8: {error}", mend="save the file as UTF-8") from error
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            where = f"{path}, line {number}"
            yield number, where, _row(line, where, model)


class Names:
    """The ids of the rows read so far."""

    def __init__(self) -> None:
        self._lines: dict[str, int] = {}

    def take(self, name: str, number: int, where: str, field: str) -> str:
        """`name`, or ConfigError when an earlier row has it."""
        if name in self._lines:
            raise ConfigError(
                f'{where}: "{field}" {name!r} is that of line {self._lines[name]} too',
                mend="give each row an id of its own",
            )
        self._lines[name] = number
        return name


def _row(line: str, where: str, model: type[RowModel]) -> RowModel:
    try:
        data: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: not JSON: {error}", mend="write one JSON object a line") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{where}: {line.strip()[:60]} is not a JSON object", mend="write one JSON object a line")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        fault = error.errors()[0]
        name = ".".join(map(str, fault["loc"]))
        said = "it is missing" if fault["type"] == "missing" else f"{fault['input']!r}: {fault['msg']}"
        raise ConfigError(f'{where}: "{name}": {said}', mend=f'correct "{name}", or leave the row out') from error
