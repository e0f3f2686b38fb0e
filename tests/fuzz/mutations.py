"""Damages files: bytes, ranges, parts of archives and streams of PDFs. The same seed gives the same damage."""

import io
import re
import zipfile
import zlib
from collections.abc import Callable
from random import Random

Damage = Callable[[bytes, Random], bytes]

_STREAM = re.compile(rb"/Length (\d+)([^\0]{0,200}?)stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
# Where bits of a format's own language are inserted: a parser stumbles over them more often than over noise.
_TOKENS = (
    b"\0" * 8, b"\xff" * 4, b"<", b"</", b"&#x", b"<!--", b"]]>", b"(((((((((", b"{" * 50, b"[" * 50, b"> " * 40,
    b"$$", b"```", b"\\begin{", b"\\def\\x{\\x\\x}\\x", b"|-|-|\n", b"- " * 30, b"\xed\xa0\x80", b"\xf4\x8f\xbf\xbf",
    b"\xef\xbf\xbe", b"\x1b[2J", b'"', b"\r", b"99999999999999999999", b"-1", b"<< /Kids [2 0 R] >>",
    b'<!ENTITY x SYSTEM "file:///etc/passwd">', b"\xd8\x00", b"&amp;#0;",
)  # fmt: skip


def mutate(content: bytes, suffix: str, chance: Random) -> bytes:
    """`content` with one to three damages, which may lie inside the parts of an archive or the streams of a PDF."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        inside = content.startswith(b"PK") and chance.random() < 0.7
        streams = suffix == ".pdf" and chance.random() < 0.4
        content = _in_archive(content, chance) if inside else _in_stream(content, chance) if streams else _bytes(
            content, chance
        )  # fmt: skip
    return content


def _bytes(content: bytes, chance: Random) -> bytes:
    return chance.choice(_DAMAGES)(content, chance) if content else chance.choice(_TOKENS)


def _flip(content: bytes, chance: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 8, 32, max(len(content) // 100, 1)))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _flip_head(content: bytes, chance: Random) -> bytes:
    """Where formats keep sizes and offsets."""
    return _flip(content[:256], chance) + content[256:]


def _range(content: bytes, chance: Random) -> tuple[int, int]:
    """A stretch: mostly short, sometimes nearly all."""
    start = chance.randrange(len(content))
    longest = max(int(len(content) * chance.choice((0.01, 0.05, 0.3, 1))), 4)
    return start, min(start + chance.randint(1, longest), len(content))


def _truncate(content: bytes, chance: Random) -> bytes:
    return content[: chance.randrange(len(content))]


def _delete(content: bytes, chance: Random) -> bytes:
    start, end = _range(content, chance)
    return content[:start] + content[end:]


def _double(content: bytes, chance: Random) -> bytes:
    start, end = _range(content, chance)
    times = chance.choice((1, 1, 3, 50)) if end - start < 2000 else 1
    return content[:end] + content[start:end] * times + content[end:]


def _insert(content: bytes, chance: Random) -> bytes:
    place = chance.randrange(len(content) + 1)
    token = chance.choice(_TOKENS) * chance.choice((1, 1, 2, 100))
    return (
        content[:place]
        + (token if chance.random() < 0.7 else chance.randbytes(chance.randint(1, 64)))
        + content[place:]
    )


def _zero(content: bytes, chance: Random) -> bytes:
    start, end = _range(content, chance)
    return content[:start] + bytes(end - start) + content[end:]


_DAMAGES: tuple[Damage, ...] = (_flip, _flip, _flip_head, _truncate, _delete, _double, _insert, _insert, _zero)


def _in_archive(content: bytes, chance: Random) -> bytes:
    """Damage one part and pack again, so that the archive itself stays valid; noise if it cannot be unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, ValueError, RuntimeError):
        return _bytes(content, chance)
    if not parts:
        return _bytes(content, chance)
    row = chance.randrange(len(parts))
    name, body = parts[row]
    match chance.random():
        case value if value < 0.85:
            parts[row] = (name, _bytes(body, chance))
        case value if value < 0.9:
            del parts[row]
        case value if value < 0.95:
            parts.append((f"../../escaped-{chance.randrange(1000)}.txt", b"escaped"))
        case _:
            parts[row] = (name, parts[chance.randrange(len(parts))][1])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, inner in parts:
            archive.writestr(part, inner)
    return packed.getvalue()


def _in_stream(content: bytes, chance: Random) -> bytes:
    """Damage the unpacked content of one stream of a PDF; its length is written anew, the offsets after it are not."""
    found = list(_STREAM.finditer(content))
    if not found:
        return _bytes(content, chance)
    match = chance.choice(found)
    body, packed = match[3], True
    try:
        body = zlib.decompress(body)
    except zlib.error:
        packed = False
    body = _bytes(body, chance)
    body = zlib.compress(body) if packed else body
    new = b"/Length %d%sstream\n%s\nendstream" % (len(body), match[2], body)
    return content[: match.start()] + new + content[match.end() :]
