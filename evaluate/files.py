"""Files that a run reads and writes: saved runs, reports, figures."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from core.errors import ConfigError

FIGURES = (".png", ".svg")

SavedRun = TypeVar("SavedRun", bound=BaseModel)


def save(run: BaseModel, path: Path) -> None:
    """Write `run` as JSON; raises ConfigError."""
    write_text(path, run.model_dump_json(indent=1) + "\n")


def load(path: Path, model: type[SavedRun]) -> SavedRun:
    """A saved run; raises ConfigError when it is none, or one of another format."""
    mend = "name a file that `keben eval … --save` of this version wrote"
    try:
        return model.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", mend=mend) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8: {error}", mend=mend) from error
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"])) or "the file"
        raise ConfigError(f"{path} is not a saved run: {place}: {fault['msg']}", mend=mend) from error


def check_outputs(*paths: Path | None, figure: Path | None = None) -> None:
    """Raise ConfigError before minutes of work if one of them has no folder, is one, or is no figure."""
    for path in filter(None, (*paths, figure)):
        if path.is_dir() or not path.parent.is_dir():
            raise ConfigError(f"{path} cannot be written", mend="name a file in a folder that exists")
    if figure is not None and figure.suffix.lower() not in FIGURES:
        raise ConfigError(f"{figure} is no figure: its name ends in '{figure.suffix}'", mend="end it in .png or .svg")


def write_text(path: Path, text: str) -> None:
    """Write a file; raises ConfigError."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}", mend="name another file") from error
