"""`keben calibrate`: refusals measured with labelled questions, and rebuilds that keep to them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from core.errors import ConfigError, KnowledgeBaseMissing
from core.settings import Settings
from core.types import Course
from ingest.rebuild import rebuild
from ingest.recalibrate import recalibrate
from ingest.request import Request
from rag.calibrate import LABELLED, LEAST, SELF_MADE
from rag.labelled import Labelled
from vector_db.layout import KnowledgeBaseFolder
from vector_db.manifest import Calibration, read_manifest

NOUNS = [f"{one}{other}" for one in "红黑白青蓝紫黄灰" for other in "树图表栈堆队列环链"][:50]


def write_book(folder: Path, name: str = "data.md") -> None:
    sections = (
        f"## {noun}的性质\n\n{noun}是一种数据结构，它的第{number}条性质是查找一个元素最多需要{number}次比较。\n"
        for number, noun in enumerate(NOUNS)
    )
    (folder / name).write_text("# 数据结构\n\n" + "\n".join(sections), encoding="utf-8")


@pytest.fixture
def built(settings: Settings) -> Settings:
    settings.source_dir.mkdir(parents=True, exist_ok=True)
    write_book(settings.source_dir)
    rebuild(settings, "default")
    return settings


def served(settings: Settings) -> Calibration:
    calibration = read_manifest(KnowledgeBaseFolder(settings.data_dir, "default").current()).calibration
    assert calibration is not None
    return calibration


def questions(count: int = 2 * LEAST) -> list[Labelled]:
    own = [Labelled(f"{noun}的性质是什么？", "own") for noun in NOUNS[:count]]
    foreign = [Labelled(f"第{number}届奥运会在哪个城市举办？", "far") for number in range(count)]
    return own + foreign


def source(calibration: Calibration) -> str | None:
    return calibration.certificate.source if calibration.certificate else None


def test_what_is_said_of_the_course_stays(built: Settings) -> None:
    (built.source_dir / "catalog.toml").write_text('[course]\ntitle = "数据结构"\n', encoding="utf-8")
    rebuild(built, "default")
    assert recalibrate(built, "default", questions()).course == Course("数据结构")


def test_labelled_questions_are_measured_with_and_kept_for_rebuilds(built: Settings) -> None:
    assert source(served(built)) in {SELF_MADE, None}
    before = KnowledgeBaseFolder(built.data_dir, "default").current_id()
    manifest = recalibrate(built, "default", questions())
    assert manifest.calibration == served(built) and manifest.id != before and manifest.parent == before
    certificate = served(built).certificate
    assert certificate is not None and certificate.source == LABELLED
    assert certificate.f1.value > 0.9 and certificate.near is None and certificate.accepted == LEAST
    rebuild(built, "default", Request(force=True))
    assert source(served(built)) == LABELLED


def test_without_questions_those_of_the_books_serve_again(built: Settings) -> None:
    first = served(built)
    recalibrate(built, "default", questions())
    recalibrate(built, "default", [])
    assert served(built) == first


@pytest.mark.parametrize("count", [1, 2 * LEAST - 1])
def test_too_few_questions_are_refused_and_nothing_changes(built: Settings, count: int) -> None:
    before = KnowledgeBaseFolder(built.data_dir, "default").current_id()
    with pytest.raises(ConfigError, match=f"{count} questions to answer and {count} to refuse") as caught:
        recalibrate(built, "default", questions(count))
    assert str(2 * LEAST) in caught.value.mend
    assert KnowledgeBaseFolder(built.data_dir, "default").current_id() == before


def test_a_knowledge_base_that_is_not_there_cannot_be_measured(settings: Settings) -> None:
    with pytest.raises(KnowledgeBaseMissing, match="default"):
        recalibrate(settings, "default", [])


def test_the_books_stay_as_they_are(built: Settings) -> None:
    folder = KnowledgeBaseFolder(built.data_dir, "default")
    before = read_manifest(folder.current())
    after = recalibrate(built, "default", questions())
    assert (after.books, after.fingerprint, after.source_dir) == (before.books, before.fingerprint, before.source_dir)
    assert rebuild(built, "default").published is False


def test_the_command_reads_files_and_prints_json(built: Settings, tmp_path: Path) -> None:
    for name, kinds in (("accept", {"own"}), ("reject", {"near", "far"})):
        rows = [{"question": one.text, "kind": one.kind} for one in questions() if one.kind in kinds]
        text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(text, encoding="utf-8")
    files = ["--accept", str(tmp_path / "accept.jsonl"), "--reject", str(tmp_path / "reject.jsonl")]
    run, environment = CliRunner(), {"KEBEN_DATA_DIR": str(built.data_dir)}
    done = run.invoke(app, ["calibrate", *files, "--json"], env=environment)
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert found["certificate"]["source"] == LABELLED and found["threshold"] == served(built).threshold
    alone = run.invoke(app, ["calibrate", *files[:2]], env=environment)
    assert isinstance(alone.exception, ConfigError) and "--reject" in alone.exception.message
