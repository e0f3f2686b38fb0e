"""Cheap checks on a file before it is parsed: size, kind by content, archives that explode, lines without end."""

import re
import zipfile
import zlib
from pathlib import Path

from core.errors import UnreadableBookError
from ingest.readers.ole import MAGIC, Content, content_of

_ZIPPED = {
    ".docx": "word/", ".pptx": "ppt/", ".xlsx": "xl/", ".epub": "META-INF/container.xml", ".odt": "content.xml",
}  # fmt: skip
_LEGACY = {".doc": Content.doc, ".ppt": Content.ppt, ".xls": Content.xls}
_NEWER = {".doc": "docx", ".ppt": "pptx", ".xls": "xlsx"}
_IMAGES: dict[str, tuple[bytes, ...]] = {
    ".png": (b"\x89PNG\r\n\x1a\n",), ".jpg": (b"\xff\xd8\xff",), ".jpeg": (b"\xff\xd8\xff",), ".bmp": (b"BM",),
    ".tif": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), ".tiff": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    ".webp": (b"RIFF",),
}  # fmt: skip
# How files begin that are no text, and what they are.
_BINARY = {
    b"PK\x03\x04": "a zip archive or a file of Office", b"%PDF-": "a PDF", MAGIC: "a file of Office 2003 and before",
    b"\x89PNG": "a PNG image", b"\xff\xd8\xff": "a JPEG image", b"GIF8": "a GIF image", b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7z archive", b"\x1f\x8b\x08": "a gzip archive", b"\x7fELF": "a program", b"{\\rtf": "an RTF file",
}  # fmt: skip
_TEXT_PARTS = (".xml", ".rels", ".xhtml", ".html", ".htm", ".opf", ".ncx")
_MAX_UNPACKED = 500 * 2**20
_MAX_RATIO = 100
_MAX_ENTRIES = 10_000
_LONGEST_LINE = 2**20  # bytes
_DEEPEST_BRACKETS = 200
_LINED = {".md", ".markdown", ".txt", ".rst", ".tex", ".csv", ".tsv"}
_PAGES = {".html", ".htm", ".xhtml"}
_DATA_URI = re.compile(rb"data:[\w/+.;=-]{1,100},[A-Za-z0-9+/=%]+")
_SCRIPT = re.compile(rb"<(script|style|svg)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_TOGETHER = "split it into lines or paragraphs: it is likely no text for people"


def check_file(path: Path, max_file_mb: int) -> None:
    """Raise UnreadableBookError if `path` is empty, too large, mislabelled, locked, a zip bomb or without line ends."""
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
    if suffix == ".pdf":
        if b"%PDF-" not in head:
            raise _mislabelled(path, "a PDF", head)
    elif suffix in _ZIPPED:
        _check_zipped(path, head, suffix)
    elif suffix in _LEGACY:
        _check_legacy(path, head, suffix)
    elif suffix in _IMAGES:
        if not head.startswith(_IMAGES[suffix]) or (suffix == ".webp" and head[8:12] != b"WEBP"):
            raise _mislabelled(path, f"a {suffix[1:]} image", head)
    elif head.startswith(tuple(_BINARY)):
        raise _mislabelled(path, "text", head)
    elif suffix in _LINED | _PAGES:
        _check_lines(path, suffix)


def _check_zipped(path: Path, head: bytes, suffix: str) -> None:
    if head.startswith(MAGIC):
        content = content_of(path)
        if content is Content.encrypted:
            raise UnreadableBookError(
                f"{path.name} is protected by a password",
                mend=f"open it in Office and save it without a password as {suffix[1:]}",
            )
        raise UnreadableBookError(
            f"{path.name} is no {suffix[1:]} file but one of Office 2003 and before ({content})",
            mend=f"open it in Office and save it as {suffix[1:]}, or give it its real suffix",
        )
    if not head.startswith(b"PK"):
        raise _mislabelled(path, f"a {suffix[1:]} file", head)
    _check_archive(path, _ZIPPED[suffix])


def _check_legacy(path: Path, head: bytes, suffix: str) -> None:
    if not head.startswith(MAGIC):
        raise _mislabelled(path, f"a {suffix[1:]} file", head)
    content = content_of(path)
    if content is Content.encrypted:
        raise UnreadableBookError(
            f"{path.name} is protected by a password",
            mend=f"open it in Office and save it without a password as {_NEWER[suffix]}",
        )
    if content in {Content.damaged, Content.unknown}:
        raise UnreadableBookError(
            f"{path.name} is damaged: it holds no {suffix[1:]} document",
            mend="it may be cut short: copy it again",
        )
    if content is not _LEGACY[suffix]:
        raise UnreadableBookError(
            f"{path.name} is not a {suffix[1:]} but a {content} file", mend=f"give it the suffix .{content}"
        )


def _mislabelled(path: Path, wanted: str, head: bytes) -> UnreadableBookError:
    real = next((name for start, name in _BINARY.items() if head.startswith(start)), "")
    return UnreadableBookError(
        f"{path.name} is not {wanted}, whatever its suffix says" + (f": it is {real}" if real else ""),
        mend="give the file the suffix of its real format",
    )


def _check_archive(path: Path, member: str) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            _check_entries(path, archive.infolist(), member)
            for name in archive.namelist():
                # A picture may be damaged without harm to the text.
                if name.lower().endswith(_TEXT_PARTS):
                    archive.read(name)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        raise UnreadableBookError(
            f"{path.name} is not a readable {path.suffix[1:]} file: {error}",
            mend="it is damaged, perhaps cut short: copy it again",
        ) from error


def _check_entries(path: Path, entries: list[zipfile.ZipInfo], member: str) -> None:
    if not any(entry.filename.startswith(member) for entry in entries):
        raise _mislabelled(path, f"a {path.suffix[1:]} file", b"")
    unpacked = sum(entry.file_size for entry in entries)
    packed = max(sum(entry.compress_size for entry in entries), 1)
    if len(entries) > _MAX_ENTRIES or unpacked > _MAX_UNPACKED or (unpacked > 2**20 and unpacked / packed > _MAX_RATIO):
        raise UnreadableBookError(
            f"{path.name} unpacks to {unpacked / 2**20:.0f} MiB in {len(entries)} parts, "
            f"{unpacked / packed:.0f} times its size: it looks like a zip bomb",
            mend="leave the file out",
        )


def _check_lines(path: Path, suffix: str) -> None:
    """Text without ends of lines, or a page without tags, keeps a parser busy for minutes."""
    data = path.read_bytes()
    if suffix in _PAGES:
        stretches = _SCRIPT.sub(b"", _DATA_URI.sub(b"", data)).split(b"<") if len(data) > _LONGEST_LINE else []
        what = "a stretch without a tag"
    else:
        stretches = _DATA_URI.sub(b"", data).splitlines() if len(data) > _LONGEST_LINE else []
        what = "a line"
    longest = max(map(len, stretches), default=0)
    if longest > _LONGEST_LINE:
        raise UnreadableBookError(
            f"{path.name} has {what} of {longest / 2**20:.1f} MiB, more than the {_LONGEST_LINE >> 20} allowed",
            mend=_TOGETHER,
        )
    if suffix in {".md", ".markdown"} and (depth := _bracket_depth(data)) > _DEEPEST_BRACKETS:
        raise UnreadableBookError(
            f"{path.name} has {depth} square brackets inside one another, more than the {_DEEPEST_BRACKETS} allowed",
            mend="put what is no link into a code block, or leave the file out",
        )


def _bracket_depth(data: bytes) -> int:
    """The most square brackets open at once in a paragraph; a reader of Markdown tries each as a link."""
    deepest = depth = 0
    for mark in re.findall(rb"\n[ \t\r]*\n|[\[\]]", data):
        depth = depth + 1 if mark == b"[" else max(depth - 1, 0) if mark == b"]" else 0
        deepest = max(deepest, depth)
    return deepest
