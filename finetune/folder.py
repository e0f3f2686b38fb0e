"""Writing a new model folder, which appears whole or not at all."""

import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.errors import ConfigError, ModelError

_LOOK_SECONDS = 0.1
_OURS = re.compile(
    r"(model|part)(-\d{5})?(-of-\d{5})?\.safetensors"
    r"|(config|generation_config|tokenizer|tokenizer_config|model\.safetensors\.index|keben)\.json"
    r"|README\.md|chat_template\.jinja"
)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write an object as people can read it; Chinese stays Chinese."""
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


@contextmanager
def new_folder(target: Path, room: int) -> Iterator[Path]:
    """`<target>.tmp`, empty and ours alone; it becomes `target` when the block ends well and goes when it fails.

    What a run that was killed left there is removed. `room` is the number of bytes that will be written.
    Raises ConfigError if `target` exists, is being written or has not the room, ModelError if the disk fails.
    """
    if target.exists() or target.is_symlink():
        raise ConfigError(f"{target} exists", mend="name a new folder, or delete that one first")
    unfinished = target.with_name(f"{target.name}.tmp")
    try:
        unfinished.mkdir(parents=True, exist_ok=True)
        with alone(unfinished):
            _remove_leftovers(unfinished)
            try:
                _check_room(unfinished, room)
                yield unfinished
                _publish(unfinished, target)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise ModelError(
            f"{target} cannot be written: {error}", mend="look at the disk's free space and the folder's owner"
        ) from error


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """No other process writes in `folder` meanwhile. Raises ConfigError when one does."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # `is_held` has the lock for a moment when it looks.
            time.sleep(_LOOK_SECONDS)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ConfigError(
            f"another process is writing {folder}", mend="wait for it to end, or name another folder"
        ) from None
    finally:
        os.close(descriptor)


def _remove_leftovers(unfinished: Path) -> None:
    left = list(unfinished.iterdir())
    for path in left:
        if not (path.is_file() and _OURS.fullmatch(path.name)):
            raise ConfigError(
                f"{unfinished} holds {path.name}, which no conversion writes",
                mend="move that folder away, or name another one",
            )
    for path in left:
        path.unlink()


def _check_room(folder: Path, room: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < room:
        raise ConfigError(
            f"{folder.parent} has {free / 1e9:.1f} GB free, the model needs {room / 1e9:.1f} GB",
            mend="free some space, or name a folder on another disk",
        )


def _publish(unfinished: Path, target: Path) -> None:
    for path in (*unfinished.rglob("*"), unfinished):
        fsync(path)
    unfinished.rename(target)
    fsync(target.parent)


def fsync(path: Path) -> None:
    """Have a file, or the entries of a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
