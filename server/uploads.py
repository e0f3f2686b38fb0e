"""Files that come in over the network: to disk piece by piece, looked at, and only then among the books."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from core.errors import FREE_SPACE, ConfigError, Conflict, KebenError, StorageError, TooLarge, UnreadableBookError
from core.settings import Settings
from ingest.background import check_upload, safe_name

_MOST_FILES = 100
_AS_A_FORM = "send files as curl -F file=@book.pdf does"


@dataclass(frozen=True, slots=True)
class Received:
    """One file of a request. size: in bytes. fault: why it was not taken; None if it lies among the books."""

    name: str
    size: int
    fault: KebenError | None = None


async def receive_files(request: Request, settings: Settings, folder: Path, *, replace: bool) -> list[Received]:
    """Store the files of a multipart request in `folder`; one that cannot be used stops no other.

    replace: whether a file may take the place of one with its name. Raises ConfigError for a body that is no such form
    or holds no file, TooLarge, and StorageError.
    """
    bound = settings.server.upload_mb * 2**20
    parser = MultiPartParser(
        request.headers, _bounded(request, bound, settings.server.upload_mb), max_files=_MOST_FILES
    )
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError) as error:
        reason = error.message if isinstance(error, MultiPartException) else "it is no multipart form"
        raise ConfigError(f"the body cannot be read: {reason}", mend=_AS_A_FORM) from None
    try:
        files = [part for _, part in form.multi_items() if isinstance(part, UploadFile)]
        if not files:
            raise ConfigError("the form holds no file", mend=_AS_A_FORM)
        return [await asyncio.to_thread(_store, file, settings, folder, replace) for file in files]
    finally:
        await form.close()


async def _bounded(request: Request, most: int, most_mb: int) -> AsyncGenerator[bytes, None]:
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > most:
            raise TooLarge(
                f"the files are longer than {most_mb} MiB together",
                mend="send them one by one, or raise KEBEN_SERVER__UPLOAD_MB",
            )
        yield piece


def _store(file: UploadFile, settings: Settings, folder: Path, replace: bool) -> Received:
    name, size = file.filename or "", file.size or 0
    try:
        name = safe_name(name)
        target = folder / name
        if target.exists() and not replace:
            raise Conflict(f"{name} is there already", mend="its folder is kept by hand: replace the file there")
        _put(file.file, target, settings)
    except (ConfigError, Conflict, UnreadableBookError) as fault:
        return Received(name, size, fault)
    except OSError as error:
        raise StorageError(f"{name} cannot be stored: {error.strerror}", mend=FREE_SPACE) from error
    return Received(name, size)


def _put(source: BinaryIO, target: Path, settings: Settings) -> None:
    # In a folder whose name begins with a dot, which no rebuild looks into; under its own name, which messages show.
    with tempfile.TemporaryDirectory(prefix=".upload-", dir=target.parent) as folder:
        unchecked = Path(folder, target.name)
        with unchecked.open("xb") as file:
            shutil.copyfileobj(source, file, 2**20)
            file.flush()
            os.fsync(file.fileno())
        check_upload(unchecked, settings)
        unchecked.replace(target)
