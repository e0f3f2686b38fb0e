"""The knowledge bases on disk, as those who may manage them change them."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.errors import REBUILD, ConfigError, Conflict, FileMissing, GenerationCorrupt, KnowledgeBaseMissing
from core.settings import Settings
from ingest.background import CATALOG
from server.schemas.jobs import RollbackResponse, SourceFileBody, SourceFilesResponse
from vector_db.files import REPORT
from vector_db.layout import KnowledgeBaseFolder, created, knowledge_bases, source_folder
from vector_db.manifest import Manifest, read_manifest
from vector_db.rollback import rollback

_MOST_LISTED = 5000


class Stock:
    """Makes, fills and removes knowledge bases; what is served follows by itself."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def names(self) -> list[str]:
        """All that there are, also those without any passage yet, sorted; the default one as soon as its folder is."""
        settings = self._settings
        default = {settings.kb} if settings.source_dir.is_dir() else set[str]()
        return sorted({*knowledge_bases(settings.data_dir), *created(settings.data_dir), *default})

    def folder(self, kb: str) -> KnowledgeBaseFolder:
        """The folder of one that there is; raises KnowledgeBaseMissing."""
        if kb not in self.names():
            raise KnowledgeBaseMissing(f"there is no knowledge base '{kb}'", mend="make it: POST /kbs")
        return KnowledgeBaseFolder(self._settings.data_dir, kb)

    def source(self, kb: str) -> Path:
        """Where its books lie; raises KnowledgeBaseMissing, and Conflict where that is not known."""
        found = source_folder(self._settings, kb, self._manifest(self.folder(kb)))
        if found is None:
            raise Conflict(
                f"it is not known where the books of '{kb}' lie", mend=f"run `keben rebuild --kb {kb} --source DIR`"
            )
        return found

    def is_uploaded(self, kb: str) -> bool:
        """Whether its books came in over the network: then they may be replaced and deleted that way too."""
        folder = self.folder(kb)
        return source_folder(self._settings, kb, self._manifest(folder)) == folder.uploads.resolve()

    def files(self, kb: str) -> SourceFilesResponse:
        """The files in its folder, and how the last rebuild left them. Hidden ones are no books."""
        folder = self.folder(kb)
        manifest = self._manifest(folder)
        source = source_folder(self._settings, kb, manifest)
        if source is None:
            return SourceFilesResponse(folder=None, uploaded=False, files=[])
        uploaded = self.is_uploaded(kb)
        return SourceFilesResponse(
            folder=None if uploaded else str(source),
            uploaded=uploaded,
            files=[_described(name, size, manifest) for name, size in _books_in(source)],
        )

    def delete_file(self, kb: str, name: str) -> None:
        """Delete an uploaded file; its passages go with the next rebuild. Raises Conflict and FileMissing."""
        source = self.source(kb)
        if not self.is_uploaded(kb):
            raise Conflict(
                f"the books of '{kb}' lie in a folder that is kept by hand",
                mend="take the book out with a rebuild: {'remove': [NAME]}; or delete the file there",
            )
        if name not in dict(_books_in(source)):
            raise FileMissing(f"there is no file {name!r} in '{kb}'", mend=f"GET /kbs/{kb}/files lists them")
        (source / name).unlink()

    def report(self, kb: str) -> list[dict[str, Any]]:
        """What the rebuild of the served generation did with each file."""
        path = self.folder(kb).current() / REPORT
        try:
            lines: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise GenerationCorrupt(f"{path} cannot be read: {error}", mend=REBUILD) from error
        return lines

    def rollback(self, kb: str, to: str | None) -> RollbackResponse:
        """Serve a generation from before; raises as `vector_db.rollback`."""
        folder = self.folder(kb)
        before = folder.current_id()
        manifest = rollback(folder, to)
        return RollbackResponse(kb=kb, generation=manifest.id, instead_of=before)

    def create(self, kb: str) -> None:
        """Make an empty one for uploads; raises KnowledgeBaseExists."""
        if kb == self._settings.kb:
            raise ConfigError(
                f"'{kb}' is the default knowledge base; its books lie in {self._settings.source_dir}",
                mend="upload to it, or choose another name",
            )
        KnowledgeBaseFolder(self._settings.data_dir, kb).create()

    def delete(self, kb: str) -> None:
        """Remove one with its uploaded books; raises BuilderBusy."""
        self.folder(kb).delete()

    def _manifest(self, folder: KnowledgeBaseFolder) -> Manifest | None:
        return read_manifest(folder.current()) if folder.current_id() else None


def _books_in(source: Path) -> Iterator[tuple[str, int]]:
    """Names below `source` and sizes in bytes, sorted; not what a rebuild leaves alone."""
    if not source.is_dir():
        return
    found = 0
    for directory, folders, names in os.walk(source):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_", "~$")))
        for name in sorted(names):
            path = Path(directory, name)
            below = path.relative_to(source).as_posix()
            if name.startswith((".", "_", "~$")) or below == CATALOG or not path.is_file() or found >= _MOST_LISTED:
                continue
            found += 1
            yield below, path.stat().st_size


def _described(name: str, size: int, manifest: Manifest | None) -> SourceFileBody:
    if manifest is None:
        return SourceFileBody(name=name, size=size, status="new")
    for record in manifest.books:
        if record.source == name:
            return SourceFileBody(name=name, size=size, status=record.status, reason=record.reason, mend=record.mend)
    for failure in manifest.failures:
        if failure.source == name:
            status = "ignored" if failure.harmless else "failed"
            return SourceFileBody(name=name, size=size, status=status, reason=failure.reason, mend=failure.mend)
    if name in manifest.removed:
        return SourceFileBody(name=name, size=size, status="removed")
    return SourceFileBody(name=name, size=size, status="ignored" if name in manifest.unread else "new")
