"""Rebuilds from end to end: real files, parsers in their sandbox, the bundled embedder, the check in its process."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from english_model import DIMENSION, write_english_model

from core.errors import ConfigError, ModelError, NothingIndexed, SourceError, VerificationFailed
from core.settings import PROJECT, EmbeddingSettings, IngestSettings, RetrievalSettings, Settings
from core.types import Chunk, Course
from ingest import job, split
from ingest.plan import plan
from ingest.rebuild import fingerprint, rebuild
from ingest.report import FileReport, RebuildReport
from ingest.request import Request
from ingest.vectors import PassageVectors
from rag.candidates import FEATURES
from rag.retrieve import Retriever
from vector_db.embedder import BUNDLED, Embedder, open_embedder
from vector_db.files import CHUNKS, EMBEDDINGS, sha256
from vector_db.layout import CURRENT, KnowledgeBaseFolder, knowledge_bases
from vector_db.library import open_knowledge_base
from vector_db.manifest import Manifest, read_manifest
from vector_db.reader import Generation
from vector_db.verify import verify_generation

ALL = {"databases.md", "networks.html", "os.md"}
CONDITIONS = "死锁的四个必要条件是什么？"
HANDSHAKE = "How does the TCP three-way handshake work?"


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return open_embedder(EmbeddingSettings())


@pytest.fixture
def english(course: Settings, books_dir: Path, tmp_path: Path) -> Settings:
    """The course with an embedder that reads no Chinese; what is served was made by the bundled one."""
    texts = [(books_dir / name).read_text(encoding="utf-8") for name in ("databases.md", "networks.html")]
    return with_embedding(course, model=str(write_english_model(tmp_path / "english", texts)))


def current(settings: Settings) -> str | None:
    return KnowledgeBaseFolder(settings.data_dir, "default").current_id()


def manifest_of(settings: Settings, kb: str = "default") -> Manifest:
    return read_manifest(KnowledgeBaseFolder(settings.data_dir, kb).current())


def files(report: RebuildReport) -> dict[str, FileReport]:
    return {file.source: file for file in report.files}


def statuses(report: RebuildReport) -> dict[str, str]:
    return {file.source: file.status for file in report.files}


@contextmanager
def opened(settings: Settings) -> Iterator[Generation]:
    live = open_knowledge_base(settings, "default")
    try:
        with live.generation() as generation:
            yield generation
    finally:
        live.close()


def found(settings: Settings, question: str, embedder: Embedder | None = None) -> list[tuple[str, str]]:
    """File and text of the passages that are found, best first."""
    retriever = Retriever(embedder, RetrievalSettings(), settings.embedding.max_unknown_rate)
    with opened(settings) as generation:
        passages = retriever.search(generation, question, 5)
    return [(passage.book.source, passage.chunk.text) for passage in passages]


def catalogue(settings: Settings, **entry: str) -> None:
    lines = "\n".join(f'{key} = "{value}"' for key, value in entry.items())
    (settings.source_dir / "catalog.toml").write_text(f'[books."databases.md"]\n{lines}\n', encoding="utf-8")


def with_embedding(settings: Settings, **values: Any) -> Settings:
    return settings.model_copy(update={"embedding": EmbeddingSettings(**values)})


# The first build


def test_the_first_build_publishes_every_book(library_settings: Settings) -> None:
    assert knowledge_bases(library_settings.data_dir) == ["default"]
    manifest = manifest_of(library_settings)
    assert {book.source for book in manifest.books} == ALL
    assert all(book.status == "indexed" and book.chunks > 0 for book in manifest.books)


def test_the_manifest_tells_what_is_in_the_generation(library_settings: Settings, books_dir: Path) -> None:
    manifest = manifest_of(library_settings)
    assert manifest.id == current(library_settings) and manifest.kb == "default"
    assert manifest.source_dir == str(books_dir.resolve())
    assert (manifest.embedding.model, manifest.embedding.dimension) == (BUNDLED, 256)
    assert manifest.fingerprint == fingerprint(library_settings)
    assert (manifest.failures, manifest.unread) == ((), ())
    assert manifest.chunks == sum(book.chunks for book in manifest.books)
    books = {book.source: book for book in manifest.books}
    assert {source: book.title for source, book in books.items()} == {
        "databases.md": "Database Systems",
        "networks.html": "Computer Networks",
        "os.md": "操作系统",
    }
    assert [books[name].language for name in ("databases.md", "networks.html", "os.md")] == ["en", "en", "zh"]
    assert books["os.md"].sha256 == sha256(books_dir / "os.md")
    assert books["os.md"].characters == len((books_dir / "os.md").read_text(encoding="utf-8"))


def test_the_bundled_embedder_ranks_the_books_of_both_languages(library_settings: Settings) -> None:
    manifest = manifest_of(library_settings)
    assert all(book.dense and book.unknown_token_rate < 0.01 for book in manifest.books)
    assert manifest.vectors == manifest.chunks
    with opened(library_settings) as generation:
        rows = [row for book in generation.books for _, row in generation.store.of_book(book)]
        assert sorted(row for row in rows if row is not None) == list(range(manifest.chunks))
        assert np.load(generation.folder / EMBEDDINGS).shape == (manifest.chunks, 256)


def test_a_rebuild_measures_what_is_refused(library_settings: Settings) -> None:
    calibration = manifest_of(library_settings).calibration
    assert calibration is not None and calibration.cosine is not None and 0 <= calibration.threshold <= 1
    assert len(calibration.relevance.weights) == len(FEATURES)


def test_an_embedder_of_english_ranks_the_english_books_only(english: Settings) -> None:
    rebuild(english, "default")
    manifest = manifest_of(english)
    books = {book.source: book for book in manifest.books}
    assert books["os.md"].unknown_token_rate > 0.5 and not books["os.md"].dense
    for name in ("databases.md", "networks.html"):
        assert books[name].unknown_token_rate == 0 and books[name].dense
    assert manifest.vectors == manifest.chunks - books["os.md"].chunks
    with opened(english) as generation:
        assert all(row is None for _, row in generation.store.of_book(books["os.md"].id))
        rows = [
            row for name in ("databases.md", "networks.html") for _, row in generation.store.of_book(books[name].id)
        ]
        assert rows == list(range(manifest.vectors))
        assert np.load(generation.folder / EMBEDDINGS).shape == (manifest.vectors, DIMENSION)


def test_every_passage_is_the_text_at_its_offsets(library_settings: Settings, books_dir: Path) -> None:
    with opened(library_settings) as generation:
        for book in generation.books.values():
            text = "".join(page for _, page in generation.store.pages(book.id))
            for chunk, _ in generation.store.of_book(book.id):
                assert text[chunk.start : chunk.end] == chunk.text != ""
                assert chunk.spans[0].start == 0 and chunk.spans[-1].end == len(chunk.text)
            if book.source.endswith(".md"):
                assert text == (books_dir / book.source).read_text(encoding="utf-8")


def test_lists_tables_and_formulas_reach_the_passages_whole(library_settings: Settings) -> None:
    _, conditions = found(library_settings, CONDITIONS)[0]
    assert re.findall(r"^\d\. (..)", conditions, re.MULTILINE) == ["互斥", "请求", "不可", "循环"]
    _, table = found(library_settings, "进程与线程的比较：资源、调度和通信")[0]
    assert "| 调度 | 切换开销大 | 切换开销小 |" in table
    _, formula = found(library_settings, "平均周转时间")[0]
    assert r"T = \frac{1}{n} \sum_{i=1}^{n} (C_i - A_i)" in formula


def test_english_questions_find_their_sections_with_both_legs(library_settings: Settings, embedder: Embedder) -> None:
    for question, words in (
        ("What are the ACID properties?", "Atomicity: either all"),
        ("Why do B+-trees keep records in the leaves?", "All leaves have the same depth"),
        ("Which normal form forbids transitive dependence?", "third normal form"),
    ):
        source, text = found(library_settings, question, embedder)[0]
        assert source == "databases.md" and words in text


def test_an_english_question_finds_its_section_in_a_chinese_book(course: Settings, embedder: Embedder) -> None:
    question = "Which conditions are necessary for a deadlock?"
    assert "os.md" in {source for source, _ in found(course, question, embedder)}
    assert "os.md" not in {source for source, _ in found(course, "deadlock")}
    # Once the book itself gives the English name, its words alone are enough.
    book = course.source_dir / "os.md"
    text = book.read_text(encoding="utf-8")
    book.write_text(text.replace("死锁是指", "死锁（deadlock）是指"), encoding="utf-8")
    rebuild(course, "default")
    assert found(course, "deadlock")[0][0] == "os.md"
    assert "循环等待条件" in " ".join(text for _, text in found(course, "deadlock"))


# Rebuilds without changes

NO_CHANGE = """
import json, sys
from core.settings import load_settings
from ingest.rebuild import fingerprint, rebuild
report = rebuild(load_settings(), "default")
heavy = sorted({"torch", "transformers", "sentence_transformers", "jieba", "pptx"} & set(sys.modules))
print(json.dumps({"published": report.published, "statuses": [file.status for file in report.files], "heavy": heavy}))
"""


def test_a_rebuild_without_changes_publishes_nothing_and_loads_no_model(course: Settings) -> None:
    before = current(course)
    environment = {**os.environ, "KEBEN_DATA_DIR": str(course.data_dir), "KEBEN_SOURCE_DIR": str(course.source_dir)}
    done = subprocess.run(
        [sys.executable, "-c", NO_CHANGE], cwd=PROJECT, env=environment, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == {"published": False, "statuses": ["unchanged"] * 3, "heavy": []}
    assert current(course) == before


def test_a_rebuild_without_changes_parses_nothing(course: Settings, parsed: list[str]) -> None:
    before = current(course)
    report = rebuild(course, "default")
    assert parsed == [] and not report.published and report.exit_code == 0
    assert report.generation == current(course) == before
    assert report.chunks == manifest_of(course).chunks


def test_a_touched_file_with_the_same_content_is_unchanged(course: Settings, parsed: list[str]) -> None:
    (course.source_dir / "os.md").touch()
    assert not rebuild(course, "default").published and parsed == []


# Books that change, come and go


def test_only_the_changed_book_is_parsed_again(course: Settings, parsed: list[str], embedder: Embedder) -> None:
    before = manifest_of(course)
    with (course.source_dir / "databases.md").open("a", encoding="utf-8") as book:
        book.write("\n## Concurrency\n\n### Two-phase locking\n\nA growing phase is followed by a shrinking phase.\n")
    report = rebuild(course, "default")
    assert parsed == ["databases.md"]
    assert statuses(report) == {"databases.md": "indexed", "networks.html": "unchanged", "os.md": "unchanged"}
    assert report.published and report.exit_code == 0 and report.generation == current(course) != before.id
    after = manifest_of(course)
    assert after.chunks == before.chunks + 1 and after.vectors == before.vectors + 1
    assert "shrinking phase" in found(course, "two-phase locking", embedder)[0][1]
    assert found(course, HANDSHAKE, embedder)[0][0] == "networks.html"
    assert found(course, CONDITIONS, embedder)[0][0] == "os.md"


def test_reused_vectors_stay_with_their_passages(course: Settings, embedder: Embedder) -> None:
    # databases.md comes before networks.html: without it all rows move.
    (course.source_dir / "databases.md").unlink()
    rebuild(course, "default")
    with opened(course) as generation:
        networks = next(book for book in generation.books.values() if book.source == "networks.html")
        vectors = np.load(generation.folder / EMBEDDINGS)
        for chunk, row in generation.store.of_book(networks.id):
            text = f"{networks.title} > {' > '.join(chunk.heading_path)}\n{chunk.text}"
            assert row is not None and vectors[row] @ embedder.encode([text])[0] > 0.99


def test_the_passages_of_a_deleted_file_are_gone(course: Settings, parsed: list[str]) -> None:
    assert found(course, HANDSHAKE)[0][0] == "networks.html"
    (course.source_dir / "networks.html").unlink()
    report = rebuild(course, "default")
    assert statuses(report) == {"databases.md": "unchanged", "os.md": "unchanged", "networks.html": "removed"}
    assert report.published and report.exit_code == 0 and parsed == []
    assert "networks.html" not in {source for source, _ in found(course, HANDSHAKE)}
    with opened(course) as generation:
        assert {book.source for book in generation.books.values()} == ALL - {"networks.html"}
    assert not rebuild(course, "default").published


def test_a_moved_file_is_found_at_its_new_place(course: Settings) -> None:
    (course.source_dir / "second year").mkdir()
    (course.source_dir / "os.md").rename(course.source_dir / "second year" / "操作系统.md")
    report = rebuild(course, "default")
    assert statuses(report)["os.md"] == "removed" and statuses(report)["second year/操作系统.md"] == "indexed"
    assert found(course, CONDITIONS)[0][0] == "second year/操作系统.md"


def test_a_file_that_no_reader_takes_is_listed_and_stops_nothing(course: Settings, parsed: list[str]) -> None:
    (course.source_dir / "notes.xyz").write_text("notes", encoding="utf-8")
    report = rebuild(course, "default")
    assert files(report)["notes.xyz"].status == "ignored" and files(report)["notes.xyz"].reason
    assert report.exit_code == 0 and parsed == []
    assert manifest_of(course).unread == ("notes.xyz",)


# The catalogue


def test_a_new_title_in_the_catalogue_indexes_the_book_again(course: Settings, parsed: list[str]) -> None:
    catalogue(course, title="Silberschatz on databases")
    report = rebuild(course, "default")
    assert parsed == ["databases.md"]
    assert files(report)["databases.md"].title == "Silberschatz on databases"
    # The title is part of what is searched.
    assert {source for source, _ in found(course, "Silberschatz")} == {"databases.md"}
    assert not rebuild(course, "default").published


def test_subject_language_and_edition_change_without_parsing(course: Settings, parsed: list[str]) -> None:
    catalogue(course, subject="Computer Science", language="zh", edition="2nd")
    report = rebuild(course, "default")
    assert parsed == [] and report.published
    assert set(statuses(report).values()) == {"unchanged"}
    with opened(course) as generation:
        book = next(book for book in generation.books.values() if book.source == "databases.md")
    assert (book.subject, book.language, book.edition) == ("Computer Science", "zh", "2nd")
    assert book.title == "Database Systems"
    assert not rebuild(course, "default").published


def test_what_the_catalogue_says_of_the_course_is_served_without_parsing_or_embedding(
    course: Settings, parsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded: list[str] = []
    monkeypatch.setattr(PassageVectors, "of", lambda self, book_id, *_: embedded.append(book_id))
    catalog = course.source_dir / "catalog.toml"
    assert manifest_of(course).course == Course()
    for said in (Course("计算机基础", "用大一学生能懂的话。\n举例。"), Course("", "只用一句话。"), Course()):
        if said == Course():
            catalog.unlink()
        else:
            catalog.write_text(
                f'[course]\ntitle = "{said.title}"\nsystem_prompt = """{said.system_prompt}"""\n', encoding="utf-8"
            )
        planned = [file for file in plan(course, "default", Request()).files if file.status != "unchanged"]
        assert [(file.source, file.status) for file in planned] == [("catalog.toml", "changed")]
        report = rebuild(course, "default")
        assert report.published and set(statuses(report).values()) == {"unchanged"}
        with opened(course) as generation:
            assert generation.course == said
        assert not rebuild(course, "default").published
        assert {file.status for file in plan(course, "default", Request()).files} == {"unchanged"}
    assert parsed == embedded == []


def test_a_catalogue_that_cannot_be_read_leaves_what_is_served(course: Settings) -> None:
    before = current(course)
    (course.source_dir / "catalog.toml").write_text('[course]\ntitle = "a\\nb"\n', encoding="utf-8")
    with pytest.raises(SourceError, match=r"course\.title"):
        rebuild(course, "default")
    assert current(course) == before


def test_a_deleted_book_goes_though_the_catalogue_still_names_it(course: Settings) -> None:
    catalogue(course, title="Databases")
    (course.source_dir / "databases.md").unlink()
    report = rebuild(course, "default")
    assert statuses(report) == {"databases.md": "removed", "networks.html": "unchanged", "os.md": "unchanged"}
    (line,) = [file for file in report.files if file.source == "databases.md"]
    assert line.reason == "catalog.toml names it, but it is not there"


# Files that cannot be read


def test_a_book_that_breaks_keeps_its_passages_and_recovers(course: Settings, parsed: list[str]) -> None:
    book = course.source_dir / "networks.html"
    whole = book.read_bytes()
    book.write_bytes(b"")
    report = rebuild(course, "default")
    broken = files(report)["networks.html"]
    assert broken.status == "stale" and "empty" in str(broken.reason) and broken.mend and broken.chunks > 0
    assert report.exit_code == 3 and report.published
    record = next(record for record in manifest_of(course).books if record.source == "networks.html")
    assert record.status == "stale" and record.reason == broken.reason
    assert found(course, HANDSHAKE)[0][0] == "networks.html"

    parsed.clear()
    again = rebuild(course, "default")
    assert parsed == [] and not again.published
    assert statuses(again)["networks.html"] == "stale" and again.exit_code == 3

    book.write_bytes(whole)
    mended = rebuild(course, "default")
    assert statuses(mended)["networks.html"] == "indexed" and mended.exit_code == 0
    record = next(record for record in manifest_of(course).books if record.source == "networks.html")
    assert (record.status, record.reason, record.failed_sha256) == ("indexed", None, None)
    assert found(course, HANDSHAKE)[0][0] == "networks.html"


def test_a_broken_book_that_is_then_deleted_is_gone(course: Settings) -> None:
    (course.source_dir / "os.md").write_bytes(b"")
    rebuild(course, "default")
    (course.source_dir / "os.md").unlink()
    report = rebuild(course, "default")
    assert statuses(report)["os.md"] == "removed" and report.exit_code == 0
    assert "os.md" not in {source for source, _ in found(course, CONDITIONS)}


def test_a_corrupt_new_file_fails_alone_and_is_remembered(course: Settings, parsed: list[str]) -> None:
    bad = course.source_dir / "bad.docx"
    bad.write_bytes(b"PK\x03\x04 cut short")
    report = rebuild(course, "default")
    failed = files(report)["bad.docx"]
    assert failed.status == "failed" and "bad.docx" in str(failed.reason) and failed.mend
    assert report.exit_code == 3 and report.published
    assert {source for source, status in statuses(report).items() if status == "unchanged"} == ALL
    assert [failure.source for failure in manifest_of(course).failures] == ["bad.docx"]

    parsed.clear()
    again = rebuild(course, "default")
    assert parsed == [] and not again.published
    assert files(again)["bad.docx"] == failed and again.exit_code == 3

    bad.write_bytes(b"PK\x03\x04 cut short elsewhere")
    rebuild(course, "default")
    assert parsed == ["bad.docx"]

    bad.unlink()
    assert rebuild(course, "default").exit_code == 0
    assert manifest_of(course).failures == ()


def test_a_forced_rebuild_parses_everything_again_and_keeps_a_broken_book(course: Settings, parsed: list[str]) -> None:
    (course.source_dir / "bad.docx").write_bytes(b"PK\x03\x04 cut short")
    (course.source_dir / "os.md").write_bytes(b"%PDF-1.7 not a Markdown file")
    rebuild(course, "default")
    before = current(course)
    parsed.clear()
    report = rebuild(course, "default", Request(force=True))
    assert sorted(parsed) == sorted(ALL | {"bad.docx"})
    assert report.published and current(course) != before
    assert statuses(report) == {
        "bad.docx": "failed",
        "databases.md": "indexed",
        "networks.html": "indexed",
        "os.md": "stale",
    }
    assert found(course, CONDITIONS)[0][0] == "os.md"


def test_a_failure_is_tried_again_under_the_limit_that_its_mend_names(course: Settings, parsed: list[str]) -> None:
    (course.source_dir / "large.md").write_bytes(b"%PDF-" + b"0" * 2**20)

    def under(**limits: int) -> FileReport:
        changed = course.model_copy(update={"ingest": IngestSettings(**limits)})
        return files(rebuild(changed, "default"))["large.md"]

    failed = under(max_file_mb=1)
    assert "more than the 1 allowed" in str(failed.reason) and "KEBEN_INGEST__MAX_FILE_MB" in str(failed.mend)
    parsed.clear()
    assert under(max_file_mb=1, workers=1) == failed and parsed == []
    retried = under(max_file_mb=2)
    assert parsed == ["large.md"] and "is not text" in str(retried.reason)


def test_a_file_that_cannot_be_opened_stops_no_other(course: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    # Tests may run as root, who may open everything: the refusal is acted.
    def refused(path: Path) -> str:
        if path.name in {"locked.md", "os.md"}:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    real = job.sha256
    monkeypatch.setattr(job, "sha256", refused)
    shutil.copy(course.source_dir / "databases.md", course.source_dir / "locked.md")
    report = rebuild(course, "default")
    assert statuses(report) == {
        "databases.md": "unchanged",
        "locked.md": "failed",
        "networks.html": "unchanged",
        "os.md": "stale",
    }
    assert "Permission denied" in str(files(report)["locked.md"].reason) and report.exit_code == 3
    monkeypatch.setattr(job, "sha256", real)
    assert statuses(rebuild(course, "default"))["os.md"] == "indexed"


def test_when_every_file_is_bad_nothing_is_published(settings: Settings) -> None:
    (settings.source_dir / "a.pdf").write_bytes(b"no PDF")
    (settings.source_dir / "b.md").write_bytes(b"")
    report = rebuild(settings, "default")
    assert report.exit_code == 1 and report.generation is None and not report.published
    assert statuses(report) == {"a.pdf": "failed", "b.md": "failed"}
    assert all(file.reason and file.mend for file in report.files)
    assert knowledge_bases(settings.data_dir) == []


# Folders


def test_an_empty_folder_is_an_error_that_names_it_and_the_formats(settings: Settings) -> None:
    with pytest.raises(NothingIndexed, match=re.escape(str(settings.source_dir))) as caught:
        rebuild(settings, "default")
    assert ".pdf" in caught.value.mend and ".md" in caught.value.mend
    assert knowledge_bases(settings.data_dir) == []


def test_an_emptied_folder_leaves_what_is_served_alone(course: Settings) -> None:
    before = current(course)
    for book in course.source_dir.iterdir():
        book.unlink()
    with pytest.raises(NothingIndexed):
        rebuild(course, "default")
    assert current(course) == before and found(course, CONDITIONS)[0][0] == "os.md"


def test_a_missing_folder_is_an_error_that_names_it(settings: Settings) -> None:
    with pytest.raises(SourceError, match="no-such-folder") as caught:
        rebuild(settings, "default", Request(settings.source_dir / "no-such-folder"))
    assert "--source" in caught.value.mend


def test_a_new_knowledge_base_needs_a_folder(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="'physics' is new") as caught:
        rebuild(settings, "physics")
    assert "--source" in caught.value.mend and caught.value.exit_code == 2


@pytest.mark.parametrize("kb", ["physics", "default"])
def test_the_folder_of_the_last_rebuild_is_used_when_none_is_named(
    kb: str, library_settings: Settings, books_dir: Path, tmp_path: Path
) -> None:
    shutil.copytree(library_settings.data_dir / "default", tmp_path / kb)
    report = rebuild(Settings(data_dir=tmp_path), kb)
    assert statuses(report) == dict.fromkeys(ALL, "unchanged") and not report.published
    assert manifest_of(Settings(data_dir=tmp_path), kb).source_dir == str(books_dir.resolve())


def test_a_folder_that_is_named_wins_over_the_last_one(course: Settings, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(course.source_dir / "os.md", other)
    report = rebuild(course, "default", Request(other))
    assert statuses(report) == {"os.md": "unchanged", "databases.md": "removed", "networks.html": "removed"}
    assert manifest_of(course).source_dir == str(other.resolve())


def test_an_impossible_name_is_refused_before_anything_is_made(settings: Settings) -> None:
    with pytest.raises(ConfigError, match=r"\.\./outside"):
        rebuild(settings, "../outside", Request(settings.source_dir))
    assert list(settings.data_dir.iterdir()) == [] and not (settings.data_dir.parent / "outside").exists()


# Another embedder, or other settings of it


def test_another_limit_for_unknown_tokens_embeds_again_and_a_broken_book_follows(english: Settings) -> None:
    tolerant = with_embedding(english, model=english.embedding.model, max_unknown_rate=1)
    report = rebuild(tolerant, "default")
    assert statuses(report) == dict.fromkeys(ALL, "indexed")
    assert all(file.dense for file in report.files)
    manifest = manifest_of(tolerant)
    assert manifest.vectors == manifest.chunks and manifest.fingerprint == fingerprint(tolerant)
    assert not rebuild(tolerant, "default").published

    # Back to the limit that keeps the Chinese book out, while its file is broken: its vectors must go.
    (english.source_dir / "os.md").write_bytes(b"")
    back = files(rebuild(english, "default"))
    assert back["os.md"].status == "stale" and back["os.md"].dense is False
    assert (back["os.md"].unknown_token_rate or 0) > 0.5
    manifest = manifest_of(english)
    assert manifest.vectors == manifest.chunks - back["os.md"].chunks
    assert found(english, CONDITIONS)[0][0] == "os.md"


def test_another_embedder_embeds_again_and_parses_nothing_twice(english: Settings) -> None:
    assert manifest_of(english).embedding.model == BUNDLED
    report = rebuild(english, "default")
    assert report.published and manifest_of(english).embedding.model == english.embedding.model
    assert found(english, HANDSHAKE, open_embedder(english.embedding))[0][0] == "networks.html"
    assert not rebuild(english, "default").published


def test_an_embedder_that_is_not_there_leaves_what_is_served_alone(course: Settings) -> None:
    before = current(course)
    with pytest.raises(ModelError, match="no-such-model"):
        rebuild(with_embedding(course, model="no-such-model"), "default")
    assert current(course) == before


# Damage to what is served


def test_a_generation_that_fails_its_check_is_not_published(course: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    before = current(course)
    with (course.source_dir / "os.md").open("a", encoding="utf-8") as book:
        book.write("\n## 管程\n\n管程由共享数据和对数据的一组操作组成。\n")

    cut = split.split_book

    def shifted(*args: Any) -> list[Chunk]:
        return [replace(chunk, start=chunk.start + 1) for chunk in cut(*args)]

    monkeypatch.setattr(split, "split_book", shifted)
    with pytest.raises(VerificationFailed, match=r"failed its check: .*not the text at its offsets"):
        rebuild(course, "default")
    assert current(course) == before
    assert sorted(path.name for path in (course.data_dir / "default").rglob("*.tmp")) == []


def cut_vectors(generation: Path) -> None:
    path = generation / EMBEDDINGS
    path.write_bytes(path.read_bytes()[:100])


def empty_vectors(generation: Path) -> None:
    (generation / EMBEDDINGS).write_bytes(b"")


def lose_chunks(generation: Path) -> None:
    (generation / CHUNKS).unlink()


def change_a_passage(generation: Path) -> None:
    data = (generation / CHUNKS).read_bytes()
    (generation / CHUNKS).write_bytes(data.replace("银行家算法在分配".encode(), "银行家算法在分派".encode(), 1))


def spoil_manifest(generation: Path) -> None:
    (generation / "manifest.json").write_text("{", encoding="utf-8")


@pytest.mark.parametrize("damage", [cut_vectors, empty_vectors, lose_chunks, change_a_passage, spoil_manifest])
def test_a_damaged_generation_is_made_anew_by_a_plain_rebuild(course: Settings, damage: Callable[[Path], None]) -> None:
    before = current(course)
    damage(KnowledgeBaseFolder(course.data_dir, "default").current())
    report = rebuild(course, "default")
    assert report.published and report.generation != before and statuses(report) == dict.fromkeys(ALL, "indexed")
    verify_generation(KnowledgeBaseFolder(course.data_dir, "default").current())
    assert found(course, CONDITIONS)[0][0] == "os.md"


def test_after_damage_a_broken_book_keeps_the_passages_of_the_generation_before(course: Settings) -> None:
    older = current(course)
    catalogue(course, subject="Computer Science")
    rebuild(course, "default")
    lose_chunks(KnowledgeBaseFolder(course.data_dir, "default").current())
    (course.source_dir / "os.md").write_bytes(b"")
    report = rebuild(course, "default")
    assert report.published and statuses(report) == {**dict.fromkeys(ALL, "unchanged"), "os.md": "stale"}
    assert manifest_of(course).parent == older
    assert found(course, CONDITIONS)[0][0] == "os.md"


def test_a_pointer_to_a_lost_generation_is_mended_by_a_plain_rebuild(course: Settings) -> None:
    (course.data_dir / "default" / CURRENT).write_text("lost\n", encoding="ascii")
    report = rebuild(course, "default")
    # The lost one was made from the generation before, which is still there.
    assert report.published and statuses(report) == dict.fromkeys(ALL, "unchanged")
    assert found(course, CONDITIONS)[0][0] == "os.md"


def test_the_previous_generation_is_kept_and_older_ones_are_deleted(course: Settings) -> None:
    names = [current(course)]
    for subject in ("One", "Two"):
        catalogue(course, subject=subject)
        rebuild(course, "default")
        names.append(current(course))
    assert KnowledgeBaseFolder(course.data_dir, "default").finished() == names[-2:]


def test_progress_is_told_of_every_file(course: Settings) -> None:
    told: list[object] = []

    class Told:
        def start(self, files: int, size: int) -> None:
            told.append((files, size))

        def file(self, report: FileReport, size: int) -> None:
            told.append((report.source, report.status, size))

        def embedded(self, passages: int, left: int) -> None:
            told.append((passages, left))

        def stage(self, name: str) -> None:
            told.append(name)

    sizes = {source: (course.source_dir / source).stat().st_size for source in sorted(ALL)}
    catalogue(course, subject="Computer Science")
    rebuild(course, "default", progress=Told())
    looked = [(source, "unchanged", size) for source, size in sizes.items()]
    stages = ["write the index", "measure refusals", "load the embedder"]
    assert told == [(3, sum(sizes.values())), *looked, *stages]
    told.clear()
    with (course.source_dir / "databases.md").open("a", encoding="utf-8") as book:
        book.write("\n## Locks\n\nTwo-phase locking first acquires locks, then releases them.\n")
    rebuild(course, "default", progress=Told())
    # The passages of the old text have their vectors: only the new one is embedded.
    assert [event for event in told if isinstance(event, tuple) and len(event) == 2][1:] == [(0, 1), (1, 0)]
