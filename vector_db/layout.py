"""Where generations lie, how one becomes the served one, and who may build.

<data_dir>/<kb>/CURRENT          name of the served generation
<data_dir>/<kb>/gens/<id>/       one generation, never written to again
<data_dir>/<kb>/gens/<id>.tmp/   one being built; removed by the next rebuild if it was cut off
<data_dir>/<kb>/books/           textbooks that came in over the network; others lie where their teacher keeps them
<data_dir>/<kb>/scratch.tmp/     files of the parsers at work
<data_dir>/<kb>/unfinished.sqlite, ocr/   work done by a rebuild that was cut off, and recognised pages (see `ingest`)
"""

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from core.errors import (
    FREE_SPACE,
    BuilderBusy,
    ConfigError,
    KnowledgeBaseExists,
    KnowledgeBaseMissing,
    StorageError,
)
from core.settings import KB_NAME, Settings
from vector_db.manifest import Manifest

CURRENT = "CURRENT"
IN_USE = "in-use.lock"
_UNFINISHED = ".tmp"


class KnowledgeBaseFolder:
    """The folder of one knowledge base. Making one of these touches nothing on disk."""

    def __init__(self, data_dir: Path, kb: str) -> None:
        """`kb` must fit KB_NAME: it becomes part of a path. Raises ConfigError."""
        if not re.fullmatch(KB_NAME, kb):
            raise ConfigError(
                f"{kb!r} is not a name for a knowledge base",
                mend="use a-z, 0-9, '_' and '-', beginning with a letter or digit, at most 63 characters",
            )
        self.kb = kb
        self.folder = data_dir / kb
        self.generations = self.folder / "gens"
        self.uploads = self.folder / "books"
        self.scratch = self.folder / f"scratch{_UNFINISHED}"
        self.recognised = self.folder / "ocr"

    def current_id(self) -> str | None:
        """Name of the served generation, None if none was ever published."""
        try:
            return (self.folder / CURRENT).read_text(encoding="ascii").strip() or None
        except FileNotFoundError:
            return None

    def pointer(self) -> tuple[str, int] | None:
        """Name of the served generation and when it became that (ns), None if none was ever published."""
        name = self.current_id()
        return (name, (self.folder / CURRENT).stat().st_mtime_ns) if name else None

    def current(self) -> Path:
        """Folder of the served generation; raises KnowledgeBaseMissing."""
        name = self.current_id()
        if name is None or not (self.generations / name).is_dir():
            option = "" if self.kb == "default" else f" --kb {self.kb} --source FOLDER"
            raise KnowledgeBaseMissing(
                f"there is no knowledge base '{self.kb}' in {self.folder.parent}",
                mend=f"build it: `keben rebuild{option}`",
            )
        return self.generations / name

    def finished(self) -> list[str]:
        """Names of all finished generations, oldest first."""
        if not self.generations.is_dir():
            return []
        return sorted(path.name for path in self.generations.iterdir() if path.is_dir() and path.suffix != _UNFINISHED)

    @contextmanager
    def building(self) -> Iterator[None]:
        """Hold the right to build; raises BuilderBusy when another process has it,
        StorageError when the folder cannot be written.

        What an interrupted rebuild left is removed, but for the work that the next one can take up.
        """
        try:
            self.generations.mkdir(parents=True, exist_ok=True)
            file = (self.folder / "build.lock").open("w")
        except OSError as error:
            raise StorageError(f"{self.folder} cannot be written: {error.strerror}", mend=FREE_SPACE) from error
        with file as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BuilderBusy(
                    f"another rebuild of '{self.kb}' is under way", mend="wait for it to end, then run again"
                ) from None
            for left in self.generations.glob(f"*{_UNFINISHED}"):
                shutil.rmtree(left)
            (self.folder / f"{CURRENT}{_UNFINISHED}").unlink(missing_ok=True)
            shutil.rmtree(self.scratch, ignore_errors=True)
            self.scratch.mkdir()
            try:
                yield
            finally:
                shutil.rmtree(self.scratch, ignore_errors=True)

    def create(self) -> None:
        """Make an empty knowledge base whose books are uploaded; raises KnowledgeBaseExists, StorageError."""
        try:
            self.folder.mkdir(parents=True)
            self.uploads.mkdir()
            _fsync(self.folder)
        except FileExistsError:
            raise KnowledgeBaseExists(
                f"there is a knowledge base '{self.kb}' already", mend="choose another name, or add books to that one"
            ) from None
        except OSError as error:
            raise StorageError(f"{self.folder} cannot be written: {error.strerror}", mend=FREE_SPACE) from error

    def delete(self) -> None:
        """Remove the knowledge base with its uploaded books; books that lie elsewhere stay. Raises BuilderBusy.

        It is gone at once, whole or not at all; what readers hold open they keep until they close it.
        """
        if not self.folder.is_dir():
            self.current()
        with self.building():
            doomed = self.folder.with_name(f".{self.kb}-{secrets.token_hex(4)}.deleted")
            self.folder.rename(doomed)
        shutil.rmtree(doomed)

    def new_folder(self) -> Path:
        """A fresh `<id>.tmp`. Only while building."""
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}Z-{secrets.token_hex(3)}"
        folder = self.generations / (name + _UNFINISHED)
        folder.mkdir()
        return folder

    def publish(self, unfinished: Path) -> Path:
        """Make a verified `<id>.tmp` the served generation; returns its final folder."""
        for path in unfinished.rglob("*"):
            _fsync(path)
        _fsync(unfinished)
        final = unfinished.with_suffix("")
        unfinished.rename(final)
        _fsync(self.generations)
        self.switch(final.name)
        return final

    def switch(self, name: str) -> None:
        """Serve the finished generation `name` from now on. Only while building."""
        pointer = self.folder / f"{CURRENT}{_UNFINISHED}"
        pointer.write_text(name + "\n", encoding="ascii")
        _fsync(pointer)
        pointer.replace(self.folder / CURRENT)
        _fsync(self.folder)

    def remove_old(self, *keep: str | None) -> None:
        """Delete every generation but the served one, those named in `keep`, and those that are being read."""
        for name in set(self.finished()) - {self.current_id(), *keep}:
            if _unused(self.generations / name):
                shutil.rmtree(self.generations / name)


def knowledge_bases(data_dir: Path) -> list[str]:
    """Names of the published knowledge bases, sorted."""
    return _named(data_dir, f"*/{CURRENT}")


def created(data_dir: Path) -> list[str]:
    """Names of the knowledge bases that were made to be filled over the network, sorted; published or not."""
    return _named(data_dir, "*/books")


def source_folder(settings: Settings, kb: str, manifest: Manifest | None) -> Path | None:
    """Where the books of `kb` lie: named by setting, or as in its last rebuild, or uploaded; None where unknown."""
    if kb == settings.kb and ("source_dir" in settings.model_fields_set or manifest is None):
        return settings.source_dir
    uploads = KnowledgeBaseFolder(settings.data_dir, kb).uploads
    return Path(manifest.source_dir) if manifest else uploads if uploads.is_dir() else None


def _named(data_dir: Path, pattern: str) -> list[str]:
    if not data_dir.is_dir():
        return []
    return sorted(path.parent.name for path in data_dir.glob(pattern) if re.fullmatch(KB_NAME, path.parent.name))


def _unused(generation: Path) -> bool:
    try:
        with (generation / IN_USE).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    return True


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
