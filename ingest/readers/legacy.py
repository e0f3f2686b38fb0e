"""DOC, PPT and XLS: LibreOffice turns them into DOCX, PPTX and XLSX, which their readers read."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from core.errors import UnreadableBookError
from core.types import ExtractedBook
from ingest.readers.context import Reader, ReaderContext
from ingest.readers.ole import is_encrypted

_TARGETS = {
    ".doc": ("docx", "Office Open XML Text"),
    ".ppt": ("pptx", "Impress MS PowerPoint 2007 XML"),
    ".xls": ("xlsx", "Calc MS Excel 2007 XML"),
}
_PROGRAMS = ("soffice", "libreoffice")
_WALL_SECONDS = 120
_CPU_SECONDS = 60.0
# Its own profile: no macros, no updating of links, and a proxy that is not there for anything else.
_PROFILE = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry" xmlns:xs="http://www.w3.org/2001/XMLSchema">
{items}
</oor:items>
"""
_ITEM = '<item oor:path="/org.openoffice.{path}"><prop oor:name="{name}" oor:op="fuse">{value}</prop></item>'
_SAFE = (
    ("Office.Common/Security/Scripting", "MacroSecurityLevel", "3"),
    ("Office.Common/Security/Scripting", "DisableMacrosExecution", "true"),
    ("Office.Common/Security/Scripting", "BlockUntrustedRefererLinks", "true"),
    ("Office.Writer/Content/Update", "Link", "0"),
    ("Office.Calc/Content/Update", "Link", "2"),
    ("Inet/Settings", "ooInetProxyType", "2"),
    ("Inet/Settings", "ooInetHTTPProxyName", "127.0.0.1"),
    ("Inet/Settings", "ooInetHTTPProxyPort", "9"),
    ("Inet/Settings", "ooInetHTTPSProxyName", "127.0.0.1"),
    ("Inet/Settings", "ooInetHTTPSProxyPort", "9"),
)


def office_program() -> str | None:
    """Where LibreOffice is; None where it is not installed."""
    return next(filter(None, map(shutil.which, _PROGRAMS)), None)


def read_legacy(path: Path, context: ReaderContext) -> ExtractedBook:
    """Read a file of Office 97 to 2003.

    Raises UnreadableBookError where LibreOffice is missing, or cannot open the file.
    """
    suffix = path.suffix.lower()
    kind, filter_name = _TARGETS[suffix]
    if is_encrypted(path):
        raise UnreadableBookError(
            f"{path.name} is protected by a password", mend=f"open it in Office and save it without one as {kind}"
        )
    program = office_program()
    if program is None:
        raise UnreadableBookError(
            f"{path.name} is in the {suffix[1:]} format of Office 2003, which takes LibreOffice to read",
            mend=f"install LibreOffice, or save the file as .{kind}",
        )
    context.allow_cpu(_CPU_SECONDS)
    with tempfile.TemporaryDirectory(prefix="keben-office-") as folder:
        converted = _convert(program, path, Path(folder), f"{kind}:{filter_name}")
        return _reader(kind)(converted, context)


def _reader(kind: str) -> Reader:
    if kind == "pptx":
        from ingest.readers.slides import read_slides

        return read_slides
    if kind == "xlsx":
        from ingest.readers.workbook import read_workbook

        return read_workbook
    from ingest.readers.pandoc import read_pandoc

    return read_pandoc


def _convert(program: str, path: Path, folder: Path, target: str) -> Path:
    """The converted file below `folder`; it has the name of `path`, which messages of its reader name."""
    profile, out = folder / "profile", folder / "out"
    (profile / "user").mkdir(parents=True)
    items = "\n".join(
        _ITEM.format(path=path_, name=name, value=f"<value>{value}</value>") for path_, name, value in _SAFE
    )
    (profile / "user" / "registrymodifications.xcu").write_text(_PROFILE.format(items=items), encoding="utf-8")
    # A plain name: the file's own might be taken for an option.
    source = folder / f"book{path.suffix.lower()}"
    source.symlink_to(path.resolve())
    command = [program, f"-env:UserInstallation={profile.as_uri()}", "--headless", "--nolockcheck", "--norestore"]
    command += ["--nodefault", "--convert-to", target, "--outdir", str(out), str(source)]
    environment = {**os.environ, "HOME": str(folder), "SAL_USE_VCLPLUGIN": "svp", "SAL_DISABLE_OPENCL": "1"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, timeout=_WALL_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as error:
        raise UnreadableBookError(
            f"{path.name} was not converted by LibreOffice within {_WALL_SECONDS} s",
            mend=f"open it in Office and save it as .{target.split(':')[0]}",
        ) from error
    made = next(out.glob("book.*"), None) if out.exists() else None
    if made is None:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise UnreadableBookError(
            f"{path.name} cannot be opened by LibreOffice, it may be damaged: {said[-1][:200]}",
            mend=f"open it in Office and save it as .{target.split(':')[0]}",
        )
    return made.rename(folder / f"{path.stem}.{target.split(':')[0]}")
