"""The containers of Office before 2007, which also hold encrypted newer files: what is inside, and whether locked."""

import struct
from enum import StrEnum
from pathlib import Path

import olefile

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_FILE_PASS = 0x2F  # the record of a workbook that an encrypted one has near its start
_FIRST_RECORDS = 20
_ENCRYPTED = 0x0100  # the flag in the head of a Word document


class Content(StrEnum):
    """What an OLE container holds."""

    doc = "doc"
    ppt = "ppt"
    xls = "xls"
    encrypted = "encrypted"
    unknown = "unknown"
    damaged = "damaged"


_STREAMS = {
    "EncryptedPackage": Content.encrypted, "WordDocument": Content.doc, "PowerPoint Document": Content.ppt,
    "Workbook": Content.xls, "Book": Content.xls,
}  # fmt: skip


def content_of(path: Path) -> Content:
    """What the container at `path` holds."""
    try:
        with olefile.OleFileIO(str(path)) as file:
            return next((kind for name, kind in _STREAMS.items() if file.exists(name)), Content.unknown)
    except (OSError, ValueError, IndexError, struct.error):
        return Content.damaged


def is_encrypted(path: Path) -> bool:
    """Whether a DOC, PPT or XLS asks for a password. Offsets are those of [MS-DOC], [MS-PPT] and [MS-XLS]."""
    try:
        with olefile.OleFileIO(str(path)) as file:
            if file.exists("EncryptedPackage") or file.exists("EncryptedSummary"):
                return True
            if file.exists("WordDocument"):
                head = file.openstream("WordDocument").read(12)
                return len(head) == 12 and bool(struct.unpack_from("<H", head, 10)[0] & _ENCRYPTED)
            book = next((name for name in ("Workbook", "Book") if file.exists(name)), None)
            return book is not None and _FILE_PASS in _records(file.openstream(book).read(4096))
    except (OSError, ValueError, IndexError, struct.error):
        return False


def _records(data: bytes) -> list[int]:
    """The kinds of the first records of a workbook."""
    kinds: list[int] = []
    at = 0
    while at + 4 <= len(data) and len(kinds) < _FIRST_RECORDS:
        kind, size = struct.unpack_from("<HH", data, at)
        kinds.append(kind)
        at += 4 + size
    return kinds
