"""What is looked at before a file that somebody sends becomes one of the books."""

import tempfile
import unicodedata
from pathlib import Path

from core.errors import ConfigError, UnreadableBookError
from core.settings import Settings
from ingest.catalog import CATALOG
from ingest.child import Limits, run_limited
from ingest.readers import SUFFIXES

_LONGEST = 200  # bytes; file systems take 255, and temporary files put something before it
_LEFT_ALONE = (".", "_", "~$")  # as `ingest.catalog.find_books` does
_SHOWN = 80
_CPU_SECONDS, _WALL_SECONDS = 30, 60


def safe_name(name: str) -> str:
    """The name under which a file that somebody calls `name` is stored in the folder of books, in NFC.

    Raises ConfigError for one that is no plain name of one file, or that no rebuild would look at.
    """
    stored = unicodedata.normalize("NFC", name).strip()
    size = len(stored.encode("utf-8", "surrogatepass"))
    if not stored:
        raise _refused(name, "is empty", "name the file, as operating-systems.pdf")
    if "/" in stored or "\\" in stored:
        raise _refused(name, "names a folder", "give the name of the file alone")
    # Characters that are not seen: controls, marks of direction, joiners, halves of a surrogate pair, line ends.
    if odd := next((char for char in stored if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}), ""):
        raise _refused(name, f"holds U+{ord(odd):04X}, which is not seen", "rename the file without it")
    if stored.startswith(_LEFT_ALONE):
        raise _refused(name, "begins as those that a rebuild leaves alone", "begin it with a letter or a digit")
    if stored.casefold() == CATALOG:
        raise _refused(name, "is that of the catalogue", "rename the file")
    if size > _LONGEST:
        raise _refused(name, f"has {size} bytes in UTF-8, more than {_LONGEST}", "shorten it")
    return stored


def _refused(name: str, fault: str, mend: str) -> ConfigError:
    shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…"
    return ConfigError(f"the file name {shown!r} {fault}", mend=mend)


def check_upload(path: Path, settings: Settings) -> None:
    """Raise UnreadableBookError for a file that no reader could read: a wrong suffix, another content than the suffix
    says, empty, too large, a zip bomb, locked, cut short.

    Its name is shown in the message. StorageError when the disk is full.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UnreadableBookError(
            f"{path.name}: no reader for '{path.suffix}'", mend=f"convert it to one of {', '.join(sorted(SUFFIXES))}"
        )
    # In a process under limits: the checks unpack archives, look for tags in a hundred MiB and open PDFs, and a
    # file made for it would keep the server busy for hours, fill its memory or crash it.
    limits = Limits(settings.ingest.memory_mb, _CPU_SECONDS, _WALL_SECONDS)
    bounds = settings.ingest.model_dump(include={"max_file_mb", "max_pages"})
    with tempfile.TemporaryDirectory(prefix="keben-") as folder:
        result = run_limited("ingest.upload_worker", path, Path(folder), limits, bounds)
    if "error" in result:
        raise UnreadableBookError(result["error"], mend=result["mend"])
