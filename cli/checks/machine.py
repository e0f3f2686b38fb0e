"""The machine and what is installed on it."""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from cli.checks.finding import Finding, Status
from core.errors import KebenError
from core.settings import PROJECT, Settings, given_settings

_GB = 10**9
_LEAST_DISK, _LITTLE_DISK = 200 * 10**6, 2 * _GB
_LITTLE_MEMORY = _GB
_OLDEST_PYTHON = (3, 11)
_SETUP = "run `make setup`, or install Keben again"
_LEGACY = {".doc", ".ppt", ".xls"}
_SHOWN = 5


def python() -> Iterator[Finding]:
    """Its version."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < _OLDEST_PYTHON:
        yield Finding("python", "fault", found, "Keben needs Python 3.11 or newer")
    else:
        yield Finding("python", "ok", f"{found} ({sys.executable})")


def packages(lock: Path = PROJECT / "requirements.lock") -> Iterator[Finding]:
    """What Keben cannot do without, and what is locked; an installed wheel has no lock."""
    needed = [match[0] for line in requires("keben") or () if (match := _name(line)) and "extra ==" not in line]
    if missing := [name for name in needed if _version(name) is None]:
        yield Finding("packages", "fault", f"missing: {_some(missing)}", _SETUP)
    if not lock.is_file():
        yield Finding("packages", "ok", f"{len(needed)} are required; no requirements.lock here to compare with")
        return
    pins = [line.split("==") for line in lock.read_text(encoding="utf-8").splitlines() if "==" in line]
    apart = [f"{name} {_version(name) or 'missing'} (locked: {pin})" for name, pin in pins if not _is(name, pin)]
    if apart:
        yield Finding("packages", "warning", f"not as in requirements.lock: {_some(apart)}", _SETUP)
    elif not missing:
        yield Finding("packages", "ok", f"{len(pins)} as in requirements.lock")


def _name(line: str) -> re.Match[str] | None:
    return re.match(r"[\w.-]+", line)


def _is(name: str, pin: str) -> bool:
    # torch 2.13.0+cpu is a build of 2.13.0.
    return (_version(name) or "").partition("+")[0] == pin.strip().partition("+")[0]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def settings_given() -> Iterator[Finding]:
    """Which settings are not left alone, and where each comes from; never their values, which may be keys."""
    given = given_settings()
    told = ", ".join(f"{name} ({source})" for name, source in sorted(given.items()))
    yield Finding("settings", "ok", told or "all at their defaults")


def storage(settings: Settings) -> Iterator[Finding]:
    """Whether the folder of the knowledge bases can be written, and what is free there."""
    folder = settings.data_dir
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if folder.exists():
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as probe:
            probe.write(b"x")
        yield Finding("data_dir", "ok", f"{folder} can be written")
    elif os.access(there, os.W_OK | os.X_OK):
        yield Finding("data_dir", "ok", f"{folder} is not there yet; the first rebuild makes it")
    else:
        yield Finding(
            "data_dir", "fault", f"{folder} cannot be made", f"let Keben write to {there}, or set KEBEN_DATA_DIR"
        )
    free = shutil.disk_usage(there).free
    status: Status = "fault" if free < _LEAST_DISK else "warning" if free < _LITTLE_DISK else "ok"
    mend = "" if status == "ok" else "free some: a rebuild needs room for a second knowledge base"
    yield Finding("disk", status, f"{free / _GB:.1f} GB free at {there}", mend)


def memory() -> Iterator[Finding]:
    """What this process may still take."""
    from rag.engine.memory import free_memory

    free = free_memory()
    little = free < _LITTLE_MEMORY
    mend = "close other programs, or raise the limit of the container" if little else ""
    yield Finding("memory", "warning" if little else "ok", f"{free / _GB:.1f} GB free", mend)


def ocr(settings: Settings) -> Iterator[Finding]:
    """The engine that reads scanned pages; without it, books with a text layer are read all the same."""
    from ingest.readers.ocr.reader import engine_of

    try:
        engine = engine_of(settings.ingest.ocr_engine, settings.ingest.ocr_languages)
        yield Finding("ocr", "ok", engine.identity())
    except KebenError as error:
        yield Finding("ocr", "warning", f"scanned pages cannot be read: {error.message}", error.mend)


def programs(settings: Settings) -> Iterator[Finding]:
    """Pandoc, LibreOffice, and the environment of XTuner."""
    from finetune.training.environment import ENVIRONMENT, is_whole
    from ingest.readers.legacy import office_program
    from ingest.readers.pandoc import pandoc_version

    yield Finding("pandoc", "ok", pandoc_version())
    office, old = office_program(), _old_files(settings.source_dir)
    if office:
        yield Finding("libreoffice", "ok", office)
    elif old:
        mend = "Debian: apt-get install libreoffice-writer-nogui libreoffice-impress-nogui libreoffice-calc-nogui"
        yield Finding("libreoffice", "warning", f"not there, and {_some(old)} cannot be read without it", mend)
    else:
        yield Finding("libreoffice", "ok", "not there; only DOC, PPT and XLS need it, and there are none")
    there = is_whole(ENVIRONMENT)
    yield Finding("fine-tuning", "ok", str(ENVIRONMENT) if there else "not set up: `keben finetune setup`")


def _old_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.suffix.lower() in _LEGACY) if folder.is_dir() else []
