"""Cheap checks on a file before it is parsed: size, kind by content, archives that explode."""

import zipfile
from pathlib import Path

from core.errors import UnreadableBookError

_ZIPPED = {".docx": "word/", ".pptx": "ppt/", ".epub": "META-INF/container.xml", ".odt": "content.xml"}
_MAX_UNPACKED = 500 * 2**20
_MAX_RATIO = 100
_MAX_ENTRIES = 10_000


def check_file(path: Path, max_file_mb: int) -> None:
    """Raise UnreadableBookError if `path` is empty, too large, mislabelled or a zip bomb."""
    size = path.stat().st_size
    if size == 0:
        raise UnreadableBookError(f"{path.name} is empty (0 bytes)", mend="copy the file again")
    if size > max_file_mb * 2**20:
        raise UnreadableBookError(
            f"{path.name} has {size / 2**20:.0f} MiB, more than the {max_file_mb} allowed",
            mend="split the book, or raise KEBEN_INGEST__MAX_FILE_MB",
        )
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        head = file.read(1024)
    if suffix == ".pdf" and b"%PDF-" not in head:
        raise _mislabelled(path, "a PDF")
    if suffix in _ZIPPED:
        if head.startswith(b"\xd0\xcf\x11\xe0"):
            raise UnreadableBookError(
                f"{path.name} is protected by a password, or in the format of Office 2003 and before",
                mend=f"open it in Office and save it without a password as {suffix[1:]}",
            )
        if not head.startswith(b"PK"):
            raise _mislabelled(path, f"a {suffix[1:]} file")
        _check_archive(path, _ZIPPED[suffix])
    elif suffix not in {".pdf"} and head.startswith((b"PK\x03\x04", b"%PDF-", b"\xd0\xcf\x11\xe0", b"\x89PNG")):
        raise _mislabelled(path, "text")


def _mislabelled(path: Path, wanted: str) -> UnreadableBookError:
    return UnreadableBookError(
        f"{path.name} is not {wanted}, whatever its suffix says", mend="give the file the suffix of its real format"
    )


def _check_archive(path: Path, member: str) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except zipfile.BadZipFile as error:
        raise UnreadableBookError(
            f"{path.name} is not a readable {path.suffix[1:]} file: {error}", mend="it may be cut short: copy it again"
        ) from error
    if not any(entry.filename.startswith(member) for entry in entries):
        raise _mislabelled(path, f"a {path.suffix[1:]} file")
    unpacked = sum(entry.file_size for entry in entries)
    packed = max(sum(entry.compress_size for entry in entries), 1)
    if len(entries) > _MAX_ENTRIES or unpacked > _MAX_UNPACKED or (unpacked > 2**20 and unpacked / packed > _MAX_RATIO):
        raise UnreadableBookError(
            f"{path.name} unpacks to {unpacked / 2**20:.0f} MiB in {len(entries)} parts, "
            f"{unpacked / packed:.0f} times its size: it looks like a zip bomb",
            mend="leave the file out",
        )
