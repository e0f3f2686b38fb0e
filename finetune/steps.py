"""What has been done of a flow, in one file: a step that is done for the same input is not done again."""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from core.errors import ConfigError

_FILE, NOW = "steps.json", "now"


class Steps:
    """The steps of the flow in `folder`. Each has the fingerprint of what it was made from, and what it said."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        self._done: dict[str, dict[str, Any]] = {}
        if self._path.is_file():
            try:
                self._done = json.loads(self._path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise ConfigError(
                    f"{self._path} is damaged: {error}", mend="delete it: the steps are checked anew"
                ) from error

    def done(self, name: str, fingerprint: str, *results: Path) -> bool:
        """Whether the step was done for that input, and its results lie there."""
        return self._done.get(name, {}).get("made_from") == fingerprint and all(path.exists() for path in results)

    def said(self, name: str) -> dict[str, Any]:
        """What was recorded of a step."""
        return self._done.get(name, {})

    @property
    def all(self) -> dict[str, dict[str, Any]]:
        """What was recorded, by step."""
        return self._done

    def begin(self, name: str) -> None:
        """A step is looked at now; those before it are done."""
        self._done[NOW] = {"step": name}
        self._write()

    def record(self, name: str, fingerprint: str, **facts: Any) -> None:
        """A step is done."""
        self._done[name] = {"made_from": fingerprint, **facts}
        self._write()

    def _write(self) -> None:
        unfinished = self._path.with_suffix(".tmp")
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(json.dumps(self._done, ensure_ascii=False, indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self._path)


def fingerprint(*parts: "BaseModel | str | Path | Iterable[Path]") -> str:
    """SHA-256 of settings, texts and the content of files."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, BaseModel):
            digest.update(part.model_dump_json().encode())
        elif isinstance(part, str):
            digest.update(part.encode())
        else:
            for path in sorted(_files(part)):
                digest.update(hashlib.sha256(path.read_bytes()).digest())
        digest.update(b"\0")
    return digest.hexdigest()


def _files(part: "Path | Iterable[Path]") -> Iterable[Path]:
    for path in [part] if isinstance(part, Path) else part:
        if path.is_dir():
            yield from (each for each in path.rglob("*") if each.is_file())
        elif path.is_file():
            yield path
