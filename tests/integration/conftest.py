"""What tests share: a course to change, its folder, and what is parsed; and `keben eval` in this process."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
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


@pytest.fixture
def keben_eval(library_settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs `keben eval …` on the small knowledge base: exit code, stdout, stderr."""
    monkeypatch.setenv("KEBEN_DATA_DIR", str(library_settings.data_dir))

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["keben", "eval", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        return code, *capsys.readouterr()

    return run
