"""One damaged file through the real sandbox, and what must hold of the outcome."""

import os
import re
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType
from typing import Literal, NoReturn

from mutations import mutate
from word_counter import count_words

from core.errors import UnreadableBookError
from core.settings import ChunkSettings, IngestSettings
from core.types import ExtractedBook
from ingest.sandbox import parse_in_sandbox
from ingest.split import split_book

Verdict = Literal["parsed", "refused", "hang", "escape", "empty", "fault"]

LIMITS = IngestSettings(wall_seconds=20, cpu_seconds=10)
GRACE = 5.0
# The sandbox itself hangs: the trial is given up.
GIVE_UP = 3 * LIMITS.wall_seconds
_MARK = "FUZZ_TRIAL"
# Their seeds are UTF-8, so that what is left of the characters is known.
_TEXT = {".md", ".markdown", ".txt", ".rst", ".tex", ".html", ".htm", ".xhtml", ".csv", ".tsv"}
_LEAST_LETTERS = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file. reason: why it was refused or what did not hold, without numbers and names."""

    suffix: str
    verdict: Verdict
    reason: str
    seconds: float
    saved: Path | None = None


class _GivenUp(BaseException):
    """Raised by the alarm, past every handler."""


class Workshop:
    """Folders that only this process uses, so that whatever a parser leaves behind is seen."""

    def __init__(self, root: Path) -> None:
        """Make them below `root` and work there: working directory, home and temporary folder."""
        self.root = root
        for name in ("cwd", "home", "tmp", "books"):
            (root / name).mkdir(parents=True)
        os.chdir(root / "cwd")
        os.environ |= {"HOME": str(root / "home"), "TMPDIR": str(root / "tmp"), _MARK: str(root)}
        tempfile.tempdir = None
        signal.signal(signal.SIGALRM, _give_up)

    def listing(self) -> set[str]:
        """Everything in the folders, with sizes of files."""
        paths = self.root.rglob("*")
        return {f"{path.relative_to(self.root)}:{path.stat().st_size if path.is_file() else ''}" for path in paths}

    def processes(self) -> list[str]:
        """Other processes that were started from here and still run."""
        mark, found = f"{_MARK}={self.root}".encode(), []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if int(folder.name) != os.getpid() and mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append((folder / "comm").read_text().strip())
            except OSError:
                continue
        return found


def damaged(seed: Path, suffix: str, number: int, entropy: int) -> bytes:
    """File `number` of this seed, always the same."""
    return mutate(seed.read_bytes(), suffix, Random(f"{entropy}:{suffix}:{number}"))


def run_trial(workshop: Workshop, content: bytes, name: str, keep: Path) -> Outcome:
    """Parse `content` as the file `name`; a file that fails is saved in `keep`."""
    path = workshop.root / "books" / name
    path.write_bytes(content)
    before = workshop.listing()
    started = time.monotonic()
    verdict: Verdict
    signal.alarm(GIVE_UP)
    try:
        verdict, reason = _parse(path)
    except _GivenUp:
        verdict, reason = "hang", "the sandbox did not come back"
    except Exception as error:  # noqa: BLE001  Any other exception is what is looked for.
        verdict, reason = "fault", f"{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    seconds = time.monotonic() - started
    if seconds > LIMITS.wall_seconds + GRACE:
        verdict, reason = "hang", f"{reason} (after {seconds:.0f} s)"
    if left := _left_behind(workshop, before):
        verdict, reason = "escape", left
    saved = None
    if verdict not in {"parsed", "refused"}:
        keep.mkdir(parents=True, exist_ok=True)
        saved = keep / name
        saved.write_bytes(content)
    path.unlink(missing_ok=True)
    return Outcome(path.suffix, verdict, _general(reason, path), seconds, saved)


def _parse(path: Path) -> tuple[Verdict, str]:
    try:
        book = parse_in_sandbox(path, LIMITS)
    except UnreadableBookError as error:
        if path.name not in error.message or not error.mend:
            return "fault", f"a refusal without name or mend: {error.message}"
        _, colon, reason = error.message.partition(": ")
        if colon and not any(map(str.isalpha, reason)):
            return "fault", f"a refusal that gives no reason: {error.message}"
        return "refused", error.message
    if not any(map(str.isalpha, book.text)):
        return "empty", f"{len(book.text)} characters, no letter"
    if path.suffix in _TEXT and _is_garbled(book.text, path.read_bytes()):
        return "fault", "garbled: read in another encoding than its own"
    if fault := _fault_of(book):
        return "fault", fault
    return "parsed", ""


def _fault_of(book: ExtractedBook) -> str:
    """What is wrong with a book that came back; empty if nothing is."""
    for name, parts in (("block", book.blocks), ("page", book.pages)):
        end = 0
        for part in parts:
            if not end <= part.start <= part.end <= len(book.text):
                return f"a {name} outside the text or out of order"
            end = part.end
    if not book.blocks or not book.pages:
        return "text without blocks or pages"
    try:
        book.text.encode()
        (book.title or "").encode()
    except UnicodeEncodeError:
        return "text that cannot be stored (a lone surrogate)"
    for chunk in split_book(book, "fuzz", ChunkSettings(), count_words):
        if book.text[chunk.start : chunk.end] != chunk.text:
            return "a passage that is not the text at its offsets"
    return ""


def _is_garbled(text: str, content: bytes) -> bool:
    """Whether most letters beyond ASCII are none of those that the file, damage aside, holds."""
    letters = [letter for letter in text if letter > "\x7f" and letter.isalnum()]
    known = set(content.decode(errors="ignore"))
    return len(letters) >= _LEAST_LETTERS and sum(letter in known for letter in letters) < len(letters) / 2


def _left_behind(workshop: Workshop, before: set[str]) -> str:
    """Files written or processes left; a process that was killed has a moment to go."""
    if changed := workshop.listing() ^ before:
        return f"files: {', '.join(sorted(changed)[:3])}"
    deadline = time.monotonic() + 2
    while running := workshop.processes():
        if time.monotonic() > deadline:
            return f"processes: {', '.join(running)}"
        time.sleep(0.05)
    return ""


def _general(reason: str, path: Path) -> str:
    """The reason with what differs from file to file left out, so that equal reasons are counted together."""
    reason = reason.replace(str(path), "FILE").replace(path.name, "FILE").strip().split("\n")[0]
    reason = re.sub(r"keben-\w+|0x[0-9a-f]+|\d+", "N", reason)
    return re.sub(r"(['\"‘“]).{1,80}?(['\"’”])", r"\1…\2", reason)[:100]


def _give_up(number: int, frame: FrameType | None) -> NoReturn:
    raise _GivenUp
