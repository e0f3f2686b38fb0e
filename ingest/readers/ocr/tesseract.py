"""Tesseract, as a program of its own for each image: a sixth of RapidOCR's time, four times its errors."""

import csv
import io
import os
import re
import shutil
import subprocess
from collections import defaultdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import ModelError
from ingest.readers.ocr.lines import OcrLine, mean_confidence

if TYPE_CHECKING:
    from PIL.Image import Image

NAME = "tesseract"
_OTHER = "or set KEBEN_INGEST__OCR_ENGINE=rapidocr"
_CJK = re.compile("[\u2e80-\u303f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]")
_WORD = "5"  # the level of a word in Tesseract's table


class Tesseract:
    """languages: Tesseract's names for them, as in "chi_sim+eng"."""

    def __init__(self, languages: str) -> None:
        self._languages = languages

    def identity(self) -> str:
        program, data = self._installed
        first = _run([program, "--version"]).decode("utf-8", "replace").split("\n")[0]
        sizes = [f"{name} {(data / f'{name}.traineddata').stat().st_size}" for name in self._languages.split("+")]
        return " ".join([first, *sizes])

    def read(self, image: "Image") -> list[OcrLine]:
        program, _ = self._installed
        page = io.BytesIO()
        image.convert("L").save(page, "PPM")
        table = _run([program, "stdin", "stdout", "-l", self._languages, "--dpi", "200", "tsv"], page.getvalue())
        return _lines(table.decode("utf-8", "replace"))

    @cached_property
    def _installed(self) -> tuple[str, Path]:
        """The program, and the folder of its language data."""
        program = shutil.which(NAME)
        if program is None:
            mend = f"install it (Debian: apt-get install tesseract-ocr tesseract-ocr-chi-sim), {_OTHER}"
            raise ModelError(f"the OCR engine {NAME} is not installed", mend=mend)
        head, *names = _run([program, "--list-langs"]).decode("utf-8", "replace").splitlines()
        missing = [name for name in self._languages.split("+") if name not in names]
        if missing:
            packages = " ".join(f"tesseract-ocr-{name.replace('_', '-')}" for name in missing)
            mend = f"install it (Debian: apt-get install {packages}), or correct KEBEN_INGEST__OCR_LANGUAGES"
            raise ModelError(f"{NAME} has no data for the language {', '.join(missing)}", mend=mend)
        folder = re.search(r'"(.*)"', head)
        return program, Path(folder[1] if folder else ".")


def _run(command: list[str], given: bytes = b"") -> bytes:
    # Its own threads only wait for each other; pages are read side by side instead.
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    try:
        done = subprocess.run(command, input=given, capture_output=True, env=environment, check=True)
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit code {error.returncode}"]
        raise ModelError(f"{NAME} failed: {said[-1]}", mend=f"check `{' '.join(command)}`, {_OTHER}") from error
    except OSError as error:
        raise ModelError(f"{NAME} cannot be run: {error}", mend=f"check {command[0]}, {_OTHER}") from error
    return done.stdout


def _lines(table: str) -> list[OcrLine]:
    """The lines of Tesseract's table of words, in its order, which knows of columns."""
    words = defaultdict[tuple[str, ...], list[OcrLine]](list)
    for row in csv.DictReader(io.StringIO(table), delimiter="\t", quoting=csv.QUOTE_NONE):
        text = (row["text"] or "").strip()
        if row["level"] == _WORD and text:
            x, y, wide, high = (float(row[name]) for name in ("left", "top", "width", "height"))
            place = (row["page_num"], row["block_num"], row["par_num"], row["line_num"])
            words[place].append(OcrLine(text, x, y, x + wide, y + high, max(0.0, float(row["conf"])) / 100))
    return [_joined(line) for line in words.values()]


def _joined(words: list[OcrLine]) -> OcrLine:
    text = words[0].text
    for word in words[1:]:
        # Each Chinese character may come as a word.
        tight = _CJK.match(text[-1]) or _CJK.match(word.text)
        text += word.text if tight else f" {word.text}"
    x0, y0 = min(word.x0 for word in words), min(word.y0 for word in words)
    x1, y1 = max(word.x1 for word in words), max(word.y1 for word in words)
    return OcrLine(text, x0, y0, x1, y1, mean_confidence(words))
