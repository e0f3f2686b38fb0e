"""Rebuilds of a part, dry runs, going back, taking up what was cut off, full disks."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path

import pytest
from english_model import DIMENSION, write_english_model
from fakes import serving

from core.errors import BuilderBusy, ConfigError, KnowledgeBaseMissing, NothingIndexed, StorageError, VerificationFailed
from core.settings import PROJECT, EmbeddingSettings, Settings
from ingest import vectors
from ingest.plan import plan
from ingest.rebuild import rebuild
from ingest.report import RebuildReport
from ingest.request import Request
from vector_db.embedder import Embedder, Vectors, open_embedder
from vector_db.files import CHUNKS, EMBEDDINGS, REPORT
from vector_db.layout import KnowledgeBaseFolder
from vector_db.manifest import Manifest, read_manifest
from vector_db.rollback import rollback
from vector_db.verify import verify_generation

ALL = {"databases.md", "networks.html", "os.md"}
MONITORS = "\n## 管程\n\n管程由共享数据和对数据的一组操作组成。\n"
LOCKS = "\n## Locks\n\nTwo-phase locking first acquires locks and then releases them.\n"


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Texts that are embedded; they are embedded as ever."""
    texts: list[str] = []

    def opened(settings: EmbeddingSettings) -> Embedder:
        # One of its own: the bundled one is shared with what measures refusals.
        embedder = copy(open_embedder(settings))
        encode = embedder.encode

        def watched(new: Sequence[str]) -> Vectors:
            texts.extend(new)
            return encode(new)

        monkeypatch.setattr(embedder, "encode", watched)
        return embedder

    monkeypatch.setattr(vectors, "open_embedder", opened)
    return texts


def manifest_of(target: KnowledgeBaseFolder) -> Manifest:
    return read_manifest(target.current())


def statuses(report: RebuildReport) -> dict[str, str]:
    return {file.source: file.status for file in report.files}


def append(settings: Settings, name: str, text: str) -> None:
    with (settings.source_dir / name).open("a", encoding="utf-8") as book:
        book.write(text)


# A part of the library


def test_only_the_named_book_is_looked_at(course: Settings, target: KnowledgeBaseFolder, parsed: list[str]) -> None:
    append(course, "os.md", MONITORS)
    append(course, "databases.md", LOCKS)
    (course.source_dir / "networks.html").unlink()
    report = rebuild(course, "default", Request(only=("data*",)))
    assert parsed == ["databases.md"]
    assert statuses(report) == {"databases.md": "indexed", "networks.html": "skipped", "os.md": "skipped"}
    assert {book.source for book in manifest_of(target).books} == ALL
    verify_generation(target.current())
    report = rebuild(course, "default")
    assert parsed == ["databases.md", "os.md"]
    assert statuses(report) == {"databases.md": "unchanged", "networks.html": "removed", "os.md": "indexed"}


def test_a_name_that_fits_no_file_is_refused(course: Settings, target: KnowledgeBaseFolder) -> None:
    before = target.current_id()
    for request in (Request(only=("os.pdf",)), Request(remove=("os.pdf",))):
        with pytest.raises(ConfigError, match=r"os\.pdf fits no file") as caught:
            rebuild(course, "default", request)
        assert "os.md" in caught.value.mend
    assert target.current_id() == before


def test_only_is_refused_when_the_passages_of_the_others_would_not_fit(course: Settings) -> None:
    changed = course.model_copy(update={"chunk": course.chunk.model_copy(update={"target": 100})})
    with pytest.raises(ConfigError, match="--only"):
        rebuild(changed, "default", Request(only=("os.md",)))


def test_a_removed_book_stays_out_until_it_is_named(course: Settings, target: KnowledgeBaseFolder) -> None:
    report = rebuild(course, "default", Request(remove=("os.md",)))
    assert statuses(report) == {**dict.fromkeys(ALL, "unchanged"), "os.md": "removed"}
    assert {book.source for book in manifest_of(target).books} == ALL - {"os.md"}
    assert not rebuild(course, "default").published
    append(course, "os.md", MONITORS)
    assert statuses(rebuild(course, "default"))["os.md"] == "removed"
    assert statuses(rebuild(course, "default", Request(only=("os.md",))))["os.md"] == "indexed"
    assert {book.source for book in manifest_of(target).books} == ALL and manifest_of(target).removed == ()


def test_the_last_book_is_not_removed(course: Settings, target: KnowledgeBaseFolder) -> None:
    before = target.current_id()
    with pytest.raises(NothingIndexed):
        rebuild(course, "default", Request(remove=("*",)))
    assert target.current_id() == before


def test_a_renamed_book_is_neither_parsed_nor_embedded(
    course: Settings, target: KnowledgeBaseFolder, parsed: list[str], embedded: list[str]
) -> None:
    (course.source_dir / "databases.md").rename(course.source_dir / "db-systems.md")
    report = rebuild(course, "default")
    assert (parsed, embedded) == ([], [])
    assert statuses(report)["db-systems.md"] == "indexed" and statuses(report)["databases.md"] == "removed"
    verify_generation(target.current())


def test_the_passages_of_a_deleted_file_answer_no_more(course: Settings) -> None:
    with serving(replace_poll(course)) as client:
        question = {"question": "死锁的四个必要条件是什么？"}
        assert client.post("/ask", json=question).json()["citations"][0]["source"] == "os.md"
        (course.source_dir / "os.md").unlink()
        generation = rebuild(course, "default").generation
        answer = wait_for(client, question, generation)
        assert answer["refused"] and "循环等待" not in json.dumps(answer, ensure_ascii=False)
        found = client.post("/search", json=question).json()["passages"]
        assert all(passage["source"] != "os.md" for passage in found)


def replace_poll(settings: Settings) -> Settings:
    return settings.model_copy(update={"server": settings.server.model_copy(update={"poll_seconds": 0.05})})


def wait_for(client, question: dict[str, str], generation: str | None) -> dict:  # type: ignore[no-untyped-def, type-arg]
    import time

    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        answer = client.post("/ask", json=question).json()
        if answer["generation"] == generation:
            return answer
        time.sleep(0.05)
    raise AssertionError("the new generation was never served")


def test_failures_of_files_that_were_not_looked_at_are_kept(course: Settings, target: KnowledgeBaseFolder) -> None:
    (course.source_dir / "bad.pdf").write_bytes(b"%PDF-1.7 and no more")
    assert rebuild(course, "default").exit_code == 3
    before = target.current_id()
    report = rebuild(course, "default", Request(only=("os.md",)))
    assert not report.published and report.exit_code == 0 and statuses(report)["bad.pdf"] == "skipped"
    assert target.current_id() == before and [failure.source for failure in manifest_of(target).failures] == ["bad.pdf"]


def test_the_first_book_that_the_embedder_can_read_joins_a_library(settings: Settings, tmp_path: Path) -> None:
    model = write_english_model(tmp_path / "english", ["The speed of light"])
    settings = settings.model_copy(update={"embedding": EmbeddingSettings(model=str(model))})
    target = KnowledgeBaseFolder(settings.data_dir, "default")
    (settings.source_dir / "a.md").write_text("# 光学\n\n光在真空中的速度约为每秒三十万千米。\n", encoding="utf-8")
    rebuild(settings, "default")
    assert manifest_of(target).embedding.dimension == 0
    (settings.source_dir / "b.md").write_text("# Light\n\nThe speed of light is about 300000 km/s.\n", encoding="utf-8")
    assert rebuild(settings, "default").published
    assert manifest_of(target).vectors == 1 and manifest_of(target).embedding.dimension == DIMENSION
    (settings.source_dir / "b.md").unlink()
    assert rebuild(settings, "default").published and manifest_of(target).vectors == 0


# Dry runs


def test_a_dry_run_tells_what_would_change_and_changes_nothing(
    course: Settings, target: KnowledgeBaseFolder, parsed: list[str]
) -> None:
    append(course, "os.md", MONITORS)
    (course.source_dir / "networks.html").unlink()
    (course.source_dir / "new.txt").write_text("第一章 绪论\n\n数据结构研究数据的组织。\n", encoding="utf-8")
    (course.source_dir / "notes.xyz").write_text("?", encoding="utf-8")
    before = sorted((path, path.stat().st_mtime_ns) for path in course.data_dir.rglob("*"))
    report = plan(course, "default", Request())
    assert statuses(report) == {
        "databases.md": "unchanged", "networks.html": "removed", "new.txt": "new", "notes.xyz": "ignored",
        "os.md": "changed",
    }  # fmt: skip
    assert report.dry_run and not report.published and report.exit_code == 0 and parsed == []
    assert sorted((path, path.stat().st_mtime_ns) for path in course.data_dir.rglob("*")) == before
    assert set(statuses(plan(course, "default", Request(force=True))).values()) == {
        "changed", "new", "removed", "ignored"
    }  # fmt: skip


def test_a_dry_run_of_a_knowledge_base_that_is_not_there_makes_none(settings: Settings, books_dir: Path) -> None:
    report = plan(settings, "physics", Request(books_dir))
    assert set(statuses(report).values()) == {"new"} and report.generation is None
    assert list(settings.data_dir.iterdir()) == []


# Going back


def test_back_and_forth(course: Settings, target: KnowledgeBaseFolder) -> None:
    first = target.current_id()
    append(course, "os.md", MONITORS)
    second = rebuild(course, "default").generation
    assert manifest_of(target).parent == first
    assert rollback(target).id == first == target.current_id()
    assert rollback(target, second).id == second == target.current_id()
    with pytest.raises(ConfigError, match="no-such"):
        rollback(target, "no-such")


def test_after_going_back_a_rebuild_keeps_what_was_served(course: Settings, target: KnowledgeBaseFolder) -> None:
    first = target.current_id()
    append(course, "os.md", MONITORS)
    rebuild(course, "default")
    rollback(target)
    append(course, "os.md", "\n管程是一种同步机制。\n")
    third = rebuild(course, "default").generation
    assert third is not None and target.finished() == sorted([str(first), third])


def test_there_may_be_nothing_to_go_back_to_or_it_may_be_damaged(course: Settings, target: KnowledgeBaseFolder) -> None:
    with pytest.raises(KnowledgeBaseMissing, match="no generation from before"):
        rollback(target)
    first = target.current()
    append(course, "os.md", MONITORS)
    second = rebuild(course, "default").generation
    (first / EMBEDDINGS).write_bytes(b"")
    with pytest.raises(VerificationFailed, match=r"embeddings\.npy"):
        rollback(target)
    assert target.current_id() == second


# Work that was cut off


def test_what_was_parsed_and_embedded_before_the_disk_was_full_is_not_done_again(
    course: Settings,
    target: KnowledgeBaseFolder,
    parsed: list[str],
    embedded: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    append(course, "os.md", MONITORS)
    append(course, "databases.md", LOCKS)
    before = target.current_id()

    def full(*args: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("vector_db.writer.ChunkWriter.__init__", full)
        with pytest.raises(StorageError, match="disk is full") as caught:
            rebuild(course, "default")
    assert "free space" in caught.value.mend and target.current_id() == before
    assert list(target.generations.glob("*.tmp")) == []
    assert sorted(parsed) == ["databases.md", "os.md"] and len(embedded) == 2
    assert rebuild(course, "default").published
    assert len(parsed) == 2 and len(embedded) == 2
    assert not (target.folder / "unfinished.sqlite").exists()
    verify_generation(target.current())


def test_damaged_leftovers_cost_time_only(course: Settings, target: KnowledgeBaseFolder, parsed: list[str]) -> None:
    append(course, "os.md", MONITORS)
    (target.folder / "unfinished.sqlite").write_bytes(b"SQLite format 3\0 but not really" * 99)
    assert rebuild(course, "default").published and parsed == ["os.md"]


def test_a_forced_rebuild_takes_up_only_what_a_forced_one_left(
    course: Settings, target: KnowledgeBaseFolder, parsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    append(course, "os.md", MONITORS)

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("vector_db.writer.write_generation", full)
        patch.setattr("ingest.rebuild.write_generation", full)
        with pytest.raises(OSError, match="No space"):
            rebuild(course, "default")
        parsed.clear()
        with pytest.raises(OSError, match="No space"):
            rebuild(course, "default", Request(force=True))
    assert sorted(parsed) == sorted(ALL)
    assert rebuild(course, "default", Request(force=True)).published
    assert sorted(parsed) == sorted(ALL)


def test_a_full_disk_stops_a_rebuild_and_nothing_else(course: Settings, target: KnowledgeBaseFolder) -> None:
    """A real limit on the size of every file that the rebuild writes."""
    append(course, "os.md", MONITORS)
    before = target.current_id()
    done = limited_rebuild(course, (target.current() / CHUNKS).stat().st_size // 2)
    assert done.returncode == 1 and json.loads(done.stdout)["error"] == "storage", done.stderr
    assert target.current_id() == before and list(target.generations.glob("*.tmp")) == []
    verify_generation(target.current())
    assert limited_rebuild(course, 2**30).returncode == 0
    assert target.current_id() != before


def limited_rebuild(settings: Settings, largest: int) -> "subprocess.CompletedProcess[str]":
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({largest}, resource.RLIM_INFINITY))\n"
        "sys.argv = ['keben', 'rebuild', '--json']\n"
        "from cli.main import main\n"
        "main()\n"
    )
    folders = {"KEBEN_DATA_DIR": str(settings.data_dir), "KEBEN_SOURCE_DIR": str(settings.source_dir)}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, env={**os.environ, **folders}, capture_output=True, text=True
    )


def test_a_second_rebuild_at_the_same_time_is_refused(course: Settings, target: KnowledgeBaseFolder) -> None:
    with target.building(), pytest.raises(BuilderBusy):
        rebuild(course, "default")


# What is kept


def test_the_report_is_kept_with_the_generation(course: Settings, target: KnowledgeBaseFolder) -> None:
    (course.source_dir / "bad.pdf").write_bytes(b"%PDF-1.7 and no more")
    report = rebuild(course, "default")
    kept = json.loads((target.current() / REPORT).read_text(encoding="utf-8"))
    assert [file["source"] for file in kept] == [file.source for file in report.files]
    bad = next(file for file in kept if file["source"] == "bad.pdf")
    assert bad["status"] == "failed" and bad["reason"] and bad["mend"]
    good = next(file for file in report.files if file.source == "os.md")
    assert good.headings > 5 and good.chunks and good.characters


def test_after_many_changes_the_copied_vector_index_is_made_anew(course: Settings, target: KnowledgeBaseFolder) -> None:
    tombstones = []
    text = (course.source_dir / "databases.md").read_text(encoding="utf-8")
    for number in range(4):
        (course.source_dir / "databases.md").write_text(text.replace("transaction", f"work{number}"), encoding="utf-8")
        rebuild(course, "default")
        tombstones.append(manifest_of(target).tombstones)
        verify_generation(target.current())
    assert min(tombstones[1:]) == 0 or max(tombstones) <= manifest_of(target).vectors // 4


def test_a_changed_title_keeps_no_old_heading(course: Settings, target: KnowledgeBaseFolder) -> None:
    entry = '[books."os.md"]\ntitle = "Operating Systems"\nlanguage = "en"\n'
    (course.source_dir / "catalog.toml").write_text(entry, encoding="utf-8")
    rebuild(course, "default")
    (course.source_dir / "catalog.toml").unlink()
    rebuild(course, "default")
    (record,) = [book for book in manifest_of(target).books if book.source == "os.md"]
    assert (record.title, record.language) == ("操作系统", "zh")
    assert replace(record.book()).subject == "操作系统"
