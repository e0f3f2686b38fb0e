"""All knowledge bases of a process, on copies of the small one that is built once."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from core.errors import GenerationCorrupt, IndexMismatch, KnowledgeBaseMissing
from core.settings import EmbeddingSettings, Settings
from vector_db.embedder import model_folder
from vector_db.files import CHUNKS
from vector_db.layout import IN_USE, KnowledgeBaseFolder
from vector_db.library import Library, open_knowledge_base

Add = Callable[[str], Path]


@pytest.fixture
def add(settings: Settings, library_settings: Settings) -> Add:
    """Publishes a copy of the small knowledge base under another name; gives its served generation."""

    def add(name: str) -> Path:
        shutil.copytree(library_settings.data_dir / "default", settings.data_dir / name)
        return KnowledgeBaseFolder(settings.data_dir, name).current()

    return add


def test_every_published_knowledge_base_is_opened(settings: Settings, add: Add) -> None:
    add("physics")
    add("default")
    library = Library(settings)
    assert library.names() == ["default", "physics"]
    with library.get("physics").generation() as generation:
        assert sorted(book.source for book in generation.books.values()) == ["databases.md", "networks.html", "os.md"]
    library.close()


def test_an_empty_library_opens_what_is_built_later(settings: Settings, add: Add) -> None:
    library = Library(settings)
    assert library.names() == []
    add("default")
    library.refresh()
    assert library.names() == ["default"]
    library.close()


def test_a_deleted_knowledge_base_is_closed(settings: Settings, add: Add) -> None:
    add("default")
    add("physics")
    library = Library(settings)
    shutil.rmtree(settings.data_dir / "physics")
    library.refresh()
    assert library.names() == ["default"] and library.faults() == {}
    with pytest.raises(KnowledgeBaseMissing):
        library.get("physics")
    library.close()


def test_several_looks_at_once_open_a_new_one_once_and_none_after_it_is_closed(settings: Settings, add: Add) -> None:
    def held() -> int:
        return sum(Path(file.path).name == IN_USE for file in psutil.Process().open_files())

    before = held()
    library = Library(settings)
    add("default")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: library.refresh(), range(8)))
    assert library.names() == ["default"] and held() == before + 1
    library.close()
    add("other")
    library.refresh()
    assert library.names() == ["default"] and held() == before


def test_a_damaged_one_that_is_not_the_default_stops_no_start(settings: Settings, add: Add) -> None:
    add("default")
    (add("physics") / CHUNKS).unlink()
    library = Library(settings)
    assert library.names() == ["default"]
    assert isinstance(library.faults()["physics"], GenerationCorrupt)
    library.close()


def test_an_unknown_name_is_answered_with_the_known_ones(settings: Settings, add: Add) -> None:
    add("default")
    add("physics")
    library = Library(settings)
    with pytest.raises(KnowledgeBaseMissing, match="'chemistry'") as caught:
        library.get("chemistry")
    assert "default, physics" in caught.value.mend
    library.close()


def test_refresh_opens_what_was_published_later(settings: Settings, add: Add) -> None:
    add("default")
    library = Library(settings)
    add("physics")
    assert library.names() == ["default"]
    library.refresh()
    assert library.names() == ["default", "physics"] and library.faults() == {}
    library.close()


def test_a_damaged_knowledge_base_stops_no_other_and_is_told(settings: Settings, add: Add) -> None:
    add("default")
    library = Library(settings)
    damaged = add("physics") / CHUNKS
    content = damaged.read_bytes()
    damaged.unlink()
    library.refresh()
    assert library.names() == ["default"]
    assert isinstance(library.faults()["physics"], GenerationCorrupt)
    damaged.write_bytes(content)
    library.refresh()
    assert library.names() == ["default", "physics"] and library.faults() == {}
    library.close()


def test_a_damaged_knowledge_base_is_refused_at_the_start(settings: Settings, add: Add) -> None:
    (add("default") / CHUNKS).unlink()
    with pytest.raises(GenerationCorrupt, match=CHUNKS):
        Library(settings)


def test_another_embedder_than_it_was_built_with_is_refused(settings: Settings, add: Add, tmp_path: Path) -> None:
    add("default")
    other = tmp_path / "other-model"
    shutil.copytree(model_folder(settings.embedding), other, ignore=shutil.ignore_patterns("*.safetensors", "*.md"))
    changed = settings.model_copy(update={"embedding": EmbeddingSettings(model=str(other))})
    with pytest.raises(IndexMismatch, match="other-model") as caught:
        open_knowledge_base(changed, "default")
    assert "keben rebuild --kb default" in caught.value.mend
    open_knowledge_base(settings, "default").close()
