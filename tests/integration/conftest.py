"""What tests of rebuilds share: a course to change, its folder, and what is parsed."""

import shutil
from pathlib import Path

import pytest

from core.settings import IngestSettings, Settings
from core.types import ExtractedBook
from ingest import job
from vector_db.layout import KnowledgeBaseFolder


@pytest.fixture
def course(library_settings: Settings, books_dir: Path, settings: Settings) -> Settings:
    """A copy of the small knowledge base and of its books, for a test to change."""
    shutil.copytree(books_dir, settings.source_dir, dirs_exist_ok=True)
    shutil.copytree(library_settings.data_dir, settings.data_dir, dirs_exist_ok=True)
    return settings


@pytest.fixture
def target(course: Settings) -> KnowledgeBaseFolder:
    return KnowledgeBaseFolder(course.data_dir, "default")


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are parsed; they are parsed as ever."""
    names: list[str] = []
    parse = job.parse_in_sandbox

    def watched(path: Path, settings: IngestSettings, *folders: Path) -> ExtractedBook:
        names.append(path.name)
        return parse(path, settings, *folders)

    monkeypatch.setattr(job, "parse_in_sandbox", watched)
    return names
