"""Reading the small files of a model folder that someone else wrote."""

import json
from pathlib import Path
from typing import Any

from core.errors import ModelError

FETCH = "fetch the model folder again, whole"
_POINTER = b"version https://git-lfs"


def check_fetched(path: Path) -> None:
    """Raise ModelError if a file is missing, unreadable, or only stands for one that git has not fetched."""
    if not path.is_file():
        raise ModelError(f"{path} is missing", mend=FETCH)
    try:
        with path.open("rb") as file:
            start = file.read(len(_POINTER))
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error}", mend="look at the file's owner") from error
    if start == _POINTER:
        raise ModelError(f"{path} is only a pointer of Git LFS", mend=f"run `git lfs pull` in {path.parent}")


def read_text(path: Path) -> str:
    """A text file in UTF-8. Raises ModelError naming it."""
    check_fetched(path)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}", mend=FETCH) from error


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises ModelError naming the file."""
    text = read_text(path)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: it is no JSON: {error}", mend=FETCH) from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds no JSON object", mend=FETCH)
    return value
