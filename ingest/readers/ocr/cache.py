"""Recognised images on disk, one file each, so that a reading that was killed goes on where it was."""

import json
import os
import tempfile
from pathlib import Path

from ingest.readers.ocr.lines import OcrLine


class OcrCache:
    """Lines by the hash of their image. Without a folder nothing is kept.

    It only saves time: an entry that cannot be read is a miss, and one that cannot be written is left out.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def find(self, key: str) -> list[OcrLine] | None:
        if self._folder is None:
            return None
        try:
            entry = json.loads((self._folder / f"{key}.json").read_text(encoding="utf-8"))
            return [
                OcrLine(str(text), float(x0), float(y0), float(x1), float(y1), float(sure))
                for text, x0, y0, x1, y1, sure in entry["lines"]
            ]
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def keep(self, key: str, lines: list[OcrLine]) -> None:
        if self._folder is None:
            return
        parts = [[line.text, line.x0, line.y0, line.x1, line.y1, line.confidence] for line in lines]
        data = json.dumps({"lines": parts}, ensure_ascii=False).encode("utf-8", "replace")
        temporary: str | None = None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            # Its own name: two workers may read the same page.
            handle, temporary = tempfile.mkstemp(prefix=f".{key[:16]}-", dir=self._folder)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(temporary).replace(self._folder / f"{key}.json")
        except OSError:
            if temporary is not None:
                _remove(Path(temporary))


def _remove(file: Path) -> None:
    try:
        file.unlink()
    except OSError:
        pass
