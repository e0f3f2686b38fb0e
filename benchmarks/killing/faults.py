"""A full disk, and generations that are damaged after they were published."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from killing.course import Course
from vector_db.layout import CURRENT

DISK_MB = 64
# Left free on the full disk, in bytes: a rebuild of these books writes about 1 MiB.
MARGINS = (0, 4096, 65_536, 200_000, 400_000, 700_000)
_POLLS = 1.0


@contextmanager
def small_disk(folder: Path) -> Iterator[str]:
    """A disk of DISK_MB in memory, mounted at `folder`; the reason when it cannot be had, else nothing."""
    folder.mkdir()
    if os.geteuid():
        yield "only root may mount a small disk"
        return
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "keben", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        yield f"no small disk could be mounted: {done.stderr.strip()}"
        return
    try:
        yield ""
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


def rebuild_on_full_disk(course: Course, margin: int) -> str:
    """A rebuild with `margin` bytes free; what it did wrong, if anything. The space is given back."""
    ballast = course.target.folder.parent / "ballast"
    free = shutil.disk_usage(ballast.parent).free
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(free - margin, 4096))
    try:
        code = course.finish_rebuild(course.start_rebuild())
    finally:
        ballast.unlink()
    words = course.last_words()
    if "Traceback" in words or code not in {0, 1}:
        return f"exit code {code} with {margin} bytes free: {words.splitlines()[-1] if words else 'no message'}"
    return ""


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _flip(path: Path) -> None:
    content, chance = bytearray(path.read_bytes()), Random(1)
    for _ in range(max(len(content) // 200, 1)):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


DAMAGES: tuple[tuple[str, Callable[[Path], None]], ...] = (
    ("manifest cut short", lambda folder: _truncate(folder / "manifest.json")),
    ("manifest missing", lambda folder: (folder / "manifest.json").unlink()),
    ("chunks missing", lambda folder: (folder / "chunks.sqlite").unlink()),
    ("chunks cut short", lambda folder: _truncate(folder / "chunks.sqlite")),
    ("chunks with flipped bits", lambda folder: _flip(folder / "chunks.sqlite")),
    ("keyword index missing", lambda folder: shutil.rmtree(folder / "lexical")),
    ("vector index missing", lambda folder: shutil.rmtree(folder / "chroma")),
    ("vector index cut short", lambda folder: _truncate(folder / "chroma" / "chroma.sqlite3")),
    ("lock missing", lambda folder: (folder / "in-use.lock").unlink()),
)


def publish_damaged(course: Course, damage: Callable[[Path], None]) -> None:
    """A damaged copy of the served generation becomes the one that CURRENT names, and the server has time to see it."""
    served = course.target.current()
    copy = served.with_name(f"{served.name[:-1]}{'0' if served.name[-1] != '0' else '1'}")
    shutil.copytree(served, copy)
    manifest = copy / "manifest.json"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace(served.name, copy.name), encoding="utf-8")
    damage(copy)
    pointer = course.target.folder / "CURRENT.new"
    pointer.write_text(f"{copy.name}\n", encoding="ascii")
    pointer.replace(course.target.folder / CURRENT)
    time.sleep(_POLLS)
    course.client.wait(12)
