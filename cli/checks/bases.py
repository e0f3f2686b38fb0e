"""Knowledge bases, looked at as a server does when it opens them, but for Chroma's index, which writes when opened."""

import re
from collections.abc import Iterator
from pathlib import Path

from cli.checks.finding import Finding, findings
from core.errors import GenerationCorrupt, KebenError
from core.processes import is_held
from core.settings import KB_NAME, Settings
from vector_db.files import check_files
from vector_db.layout import KnowledgeBaseFolder, knowledge_bases
from vector_db.library import embedding_check
from vector_db.manifest import Manifest, read_manifest

_SHOWN = 3


def bases(settings: Settings) -> Iterator[Finding]:
    """Each knowledge base that is there, and each rebuild that was cut off."""
    names = knowledge_bases(settings.data_dir)
    if settings.kb not in names:
        what = f"the default knowledge base '{settings.kb}' is not there in {settings.data_dir}"
        yield Finding("knowledge base", "warning", what, "build it: `keben rebuild`, or name another with KEBEN_KB")
    for name in names:
        yield from findings(f"kb {name}", lambda name=name: _base(settings, name))  # type: ignore[misc]
    for folder in sorted(settings.data_dir.iterdir()) if settings.data_dir.is_dir() else ():
        if re.fullmatch(KB_NAME, folder.name) and folder.is_dir():
            yield from _unfinished(folder)


def _base(settings: Settings, name: str) -> Iterator[Finding]:
    folder, label = KnowledgeBaseFolder(settings.data_dir, name), f"kb {name}"
    current = folder.current()
    try:
        manifest = _whole(settings, current)
    except GenerationCorrupt as error:
        before = next((other for other in reversed(folder.finished()) if _is_whole(settings, folder, other)), None)
        served = f"; {before} from before is served" if before else "; nothing can be served"
        yield Finding(label, "fault", f"{current.name}: {error.message}{served}", _mend(error, name))
        return
    yield Finding(label, "ok", f"{len(manifest.books)} books, {manifest.chunks} passages, {manifest.id}")
    stale = [book.source for book in manifest.books if book.status == "stale"]
    if stale:
        what = f"stale, their files fail now: {_some(stale)}"
        yield Finding(label, "warning", what, f"`keben report --kb {name}` says why")
    failed = [failure.source for failure in manifest.failures if not failure.harmless]
    if failed:
        yield Finding(label, "warning", f"could not be read: {_some(failed)}", f"`keben report --kb {name}` says why")


def _whole(settings: Settings, generation: Path) -> Manifest:
    manifest = read_manifest(generation)
    check_files(generation, manifest)
    embedding_check(settings)(manifest)
    return manifest


def _is_whole(settings: Settings, folder: KnowledgeBaseFolder, name: str) -> bool:
    try:
        _whole(settings, folder.generations / name)
    except KebenError:
        return False
    return True


def _unfinished(folder: Path) -> Iterator[Finding]:
    """What a rebuild that was cut off has left, if none is under way."""
    left = [*folder.glob("gens/*.tmp"), *folder.glob("scratch.tmp"), *folder.glob("unfinished.sqlite")]
    if not left:
        return
    label = f"kb {folder.name}"
    if is_held(folder / "build.lock"):
        yield Finding(label, "ok", "a rebuild is under way")
    else:
        what = "a rebuild was cut off; what it has done is taken up by the next one"
        yield Finding(label, "warning", what, f"run `keben rebuild --kb {folder.name}`")


def _mend(error: KebenError, name: str) -> str:
    return error.mend.replace("--force`", f"--force --kb {name}`")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
