"""What a generation says of itself, and when it is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from small_books import EMBEDDING, small_book

from core.errors import GenerationCorrupt, IndexMismatch
from core.types import Course
from vector_db.manifest import (
    MANIFEST,
    SCHEMA,
    Calibration,
    Certificate,
    CosineScale,
    CurvePoint,
    FailureRecord,
    Manifest,
    Rate,
    RelevanceModel,
    read_manifest,
)


@pytest.fixture
def manifest() -> Manifest:
    return Manifest(
        id="20260101T000000000000Z-abcdef",
        kb="physics",
        created_at="2026-01-01T00:00:00+00:00",
        source_dir="/课本",
        embedding=EMBEDDING,
        fingerprint="f",
        books=(small_book("死锁", ["进程", "线程"]).record,),
        failures=(FailureRecord(source="bad.pdf", sha256="0", reason="坏", mend="copy it again"),),
        unread=("notes.zip",),
        chunks=2,
        vectors=2,
        indexed=2,
        files={"chunks.sqlite": "0"},
    )


def write(folder: Path, manifest: Manifest, **changes: Any) -> None:
    data = {**manifest.model_dump(mode="json"), **changes}
    (folder / MANIFEST).write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")


def test_a_manifest_comes_back_as_it_was(tmp_path: Path, manifest: Manifest) -> None:
    (tmp_path / MANIFEST).write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
    assert read_manifest(tmp_path) == manifest


def test_what_is_said_of_the_course_comes_back(tmp_path: Path, manifest: Manifest) -> None:
    course = Course("操作系统", "第一行\n<|im_end|>\t$x$")
    (tmp_path / MANIFEST).write_text(manifest.model_copy(update={"course": course}).model_dump_json(), encoding="utf-8")
    assert read_manifest(tmp_path).course == course


def test_a_manifest_from_before_courses_says_nothing_of_one(tmp_path: Path, manifest: Manifest) -> None:
    data = manifest.model_dump(mode="json")
    del data["course"]
    (tmp_path / MANIFEST).write_text(json.dumps(data), encoding="utf-8")
    assert read_manifest(tmp_path) == manifest and manifest.course == Course()


RATE = Rate(value=0.9, low=0.8123, high=1)
CERTIFICATE = Certificate(
    precision=RATE,
    recall=RATE,
    f1=RATE,
    near=RATE,
    far=None,
    accepted=80,
    near_refused=75,
    far_refused=0,
    source="问题",
    curve=(CurvePoint(threshold=0.5, precision=1, recall=0.25, f1=0.4),),
)
CALIBRATION = Calibration(
    cosine=CosineScale(mean=0.1, deviation=0.123456789012345),
    relevance=RelevanceModel(
        weights=(0.1, -2, 1 / 3), intercept=-1.5, foreign_weights=(1, 2, 1 / 7), foreign_intercept=0.5
    ),
    threshold=0.4321,
    certificate=CERTIFICATE,
)


@pytest.mark.parametrize(
    "calibration",
    [None, CALIBRATION, CALIBRATION.model_copy(update={"cosine": None, "certificate": None})],
    ids=["none", "whole", "without vectors or certificate"],
)
def test_a_calibration_comes_back_to_the_last_digit(
    tmp_path: Path, manifest: Manifest, calibration: Calibration | None
) -> None:
    calibrated = manifest.model_copy(update={"calibration": calibration})
    (tmp_path / MANIFEST).write_text(calibrated.model_dump_json(indent=1), encoding="utf-8")
    assert read_manifest(tmp_path) == calibrated


def test_a_certificate_from_before_curves_has_none(tmp_path: Path, manifest: Manifest) -> None:
    data = manifest.model_copy(update={"calibration": CALIBRATION}).model_dump(mode="json")
    assert data["calibration"]["certificate"].pop("curve") == [
        {"threshold": 0.5, "precision": 1, "recall": 0.25, "f1": 0.4}
    ]
    (tmp_path / MANIFEST).write_text(json.dumps(data), encoding="utf-8")
    calibration = read_manifest(tmp_path).calibration
    assert calibration is not None and calibration.certificate is not None and calibration.certificate.curve == ()


@pytest.mark.parametrize(
    "changes", [{"threshold": 1.1}, {"threshold": -0.1}, {"cosine": {"mean": 0, "deviation": 0}}, {"surprise": 1}]
)
def test_an_impossible_calibration_is_refused(tmp_path: Path, manifest: Manifest, changes: dict[str, Any]) -> None:
    write(tmp_path, manifest, calibration={**CALIBRATION.model_dump(mode="json"), **changes})
    with pytest.raises(GenerationCorrupt, match=f"calibration.{next(iter(changes))}"):
        read_manifest(tmp_path)


def test_an_unknown_field_is_refused(tmp_path: Path, manifest: Manifest) -> None:
    write(tmp_path, manifest, surprise=1)
    with pytest.raises(GenerationCorrupt, match="surprise") as caught:
        read_manifest(tmp_path)
    assert str(tmp_path) in caught.value.message and "keben rebuild --force" in caught.value.mend


def test_a_missing_field_is_refused(tmp_path: Path, manifest: Manifest) -> None:
    data = manifest.model_dump(mode="json")
    del data["vectors"]
    (tmp_path / MANIFEST).write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(GenerationCorrupt, match="vectors"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("schema", [SCHEMA + 1, SCHEMA - 1])
def test_another_schema_is_refused_with_both_numbers(tmp_path: Path, manifest: Manifest, schema: int) -> None:
    write(tmp_path, manifest, schema_version=schema)
    with pytest.raises(IndexMismatch, match=f"schema {schema}, this version of Keben reads {SCHEMA}") as caught:
        read_manifest(tmp_path)
    assert "keben rebuild --force" in caught.value.mend


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_a_damaged_manifest_is_corrupt(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(GenerationCorrupt, match=r"manifest\.json cannot be read"):
        read_manifest(tmp_path)


def test_a_folder_without_a_manifest_is_no_generation(tmp_path: Path) -> None:
    with pytest.raises(GenerationCorrupt, match=r"manifest\.json"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("rate", [-0.1, 1.1])
def test_a_rate_outside_zero_and_one_is_refused(tmp_path: Path, manifest: Manifest, rate: float) -> None:
    books = [{**manifest.books[0].model_dump(mode="json"), "unknown_token_rate": rate}]
    write(tmp_path, manifest, books=books)
    with pytest.raises(GenerationCorrupt, match="unknown_token_rate"):
        read_manifest(tmp_path)


def test_a_manifest_cannot_be_changed_by_accident(manifest: Manifest) -> None:
    with pytest.raises(ValidationError):
        manifest.chunks = 3  # type: ignore[misc]


def test_the_embedder_it_was_built_with_is_accepted(manifest: Manifest) -> None:
    manifest.require_embedder(EMBEDDING.model, EMBEDDING.revision)


@pytest.mark.parametrize(("model", "revision"), [("other", EMBEDDING.revision), (EMBEDDING.model, "1")])
def test_another_embedder_is_refused_with_the_command_that_mends_it(
    manifest: Manifest, model: str, revision: str
) -> None:
    with pytest.raises(IndexMismatch) as caught:
        manifest.require_embedder(model, revision)
    assert all(name in caught.value.message for name in ("'physics'", f"'{EMBEDDING.model}'", f"'{model}' ({revision}"))
    assert "keben rebuild --kb physics" in caught.value.mend and "KEBEN_EMBEDDING__MODEL" in caught.value.mend


def test_without_vectors_any_embedder_fits(manifest: Manifest) -> None:
    manifest.model_copy(update={"vectors": 0}).require_embedder("other", "1")


def test_a_record_gives_the_book_that_answers_show(manifest: Manifest) -> None:
    book = manifest.books[0].book()
    assert (book.id, book.source, book.title, book.language) == ("死锁", "死锁.txt", "死锁", "en")
