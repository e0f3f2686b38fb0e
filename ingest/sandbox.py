"""Runs the parser of one file in a process of its own, under limits, and brings the book back."""

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from core.errors import FREE_SPACE, StorageError, UnreadableBookError
from core.settings import PROJECT, IngestSettings
from core.types import ExtractedBook
from ingest.worker import book_from_json, progress_file

_TAIL = 300
_FEWEST, _FEWEST_ON_PAGE = 8, 5  # letters and digits of a book, and of its pages on average


def parse_in_sandbox(
    path: Path, settings: IngestSettings, ocr_cache: Path | None = None, scratch: Path | None = None
) -> ExtractedBook:
    """Parse `path`; raises UnreadableBookError, also when the parser hangs, dies or finds no text.

    ocr_cache: folder in which each recognised page is kept as soon as it is read, as `<OcrPage.image>.json`.
    scratch: folder for the parser's own files, by default the system's. Raises StorageError when it is full.
    """
    with tempfile.TemporaryDirectory(prefix="keben-", dir=scratch) as folder:
        out = Path(folder, "book.json")
        _run(path, out, Path(folder, "stderr"), settings, ocr_cache)
        result = json.loads(out.read_text(encoding="utf-8", errors="surrogatepass"))
    if "error" in result:
        raise UnreadableBookError(result["error"], mend=result["mend"])
    book = book_from_json(result["book"])
    _check_text(path, book)
    return book


def _check_text(path: Path, book: ExtractedBook) -> None:
    """A book without text, or with hardly any, is a failure and no empty success."""
    found = sum(character.isalnum() for character in book.text)
    pages = sum(page.number is not None for page in book.pages)
    if found == 0:
        what = "holds no text that could be read"
    elif found < _FEWEST:
        what = f"holds only {found} letters and digits that could be read, fewer than {_FEWEST}"
    elif found < _FEWEST_ON_PAGE * pages:
        what = f"holds only {found} letters and digits on {pages} pages, fewer than {_FEWEST_ON_PAGE} a page"
    else:
        return
    raise UnreadableBookError(
        f"{path.name} {what}", mend="if it is a scan, check that its pages are legible and upright; else leave it out"
    )


def _run(path: Path, out: Path, stderr: Path, settings: IngestSettings, ocr_cache: Path | None) -> None:
    options = {**settings.model_dump(), "ocr_cache": str(ocr_cache.resolve()) if ocr_cache else None}
    # -P: a json.py in the working directory must not be imported in place of the real one.
    command = [sys.executable, "-P", "-m", "ingest.worker", str(path.resolve()), str(out), json.dumps(options)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "DO_NOT_TRACK": "true", "TMPDIR": str(out.parent)}
    environment["HOME"] = str(out.parent)  # onnxruntime and others keep files there
    with stderr.open("wb") as log:
        # Its own session, so that whatever the parser starts is killed with it.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
        )
        try:
            code = _wait(process, settings.wall_seconds, progress_file(out))
        finally:
            _kill_group(process)
    if code is None:
        raise UnreadableBookError(
            f"{path.name} was not read within {settings.wall_seconds} s",
            mend="leave the file out, or raise KEBEN_INGEST__WALL_SECONDS",
        )
    if code or not out.exists():
        if os.strerror(errno.ENOSPC) in stderr.read_text(encoding="utf-8", errors="replace"):
            raise StorageError(
                f"{path.name} cannot be parsed: no space is left in {out.parent.parent}", mend=FREE_SPACE
            )
        raise UnreadableBookError(
            f"{path.name}: {_cause(code, stderr, settings)}", mend="check the file, or leave it out"
        )


def _wait(process: subprocess.Popen[bytes], seconds: float, progress: Path) -> int | None:
    """The exit code; None where neither an end nor progress was seen for so many seconds."""
    seen, deadline = 0, time.monotonic() + seconds
    while True:
        try:
            return process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            now = progress.stat().st_mtime_ns if progress.exists() else 0
            if now == seen:
                return None
            # The file's clock may be set while we wait, so only its change counts, not its age.
            seen, deadline = now, time.monotonic() + seconds


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _cause(code: int, stderr: Path, settings: IngestSettings) -> str:
    if code == -signal.SIGXCPU:
        return f"parsing took more than {settings.cpu_seconds} s of processor time"
    if code < 0:
        return f"the parser was killed by {signal.Signals(-code).name}"
    lines = stderr.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f"the parser failed: {lines[-1][-_TAIL:] if lines else f'exit code {code}'}"
