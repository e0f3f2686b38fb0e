"""The checkpoints of a run: which is the newest that was written to its end."""

import re
import zipfile
from pathlib import Path

_NAME = re.compile(r"iter_(\d+)\.pth")


def newest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint to go on from, None without one. What a killed run left half-written is passed over.

    torch writes an archive whose table of contents comes last, and a checksum for each part.
    """
    found = sorted(
        ((int(match[1]), path) for path in folder.glob("iter_*.pth") if (match := _NAME.fullmatch(path.name))),
        reverse=True,
    )
    return next((path for _, path in found if _is_whole(path)), None)


def step_of(checkpoint: Path) -> int:
    """Steps that had been done when it was written."""
    match = _NAME.fullmatch(checkpoint.name)
    return int(match[1]) if match else 0


def _is_whole(path: Path) -> bool:
    if path.is_dir():  # DeepSpeed writes one file for each GPU, and `latest` last
        return (path / "mp_rank_00_model_states.pt").is_file()
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, OSError):
        return False
