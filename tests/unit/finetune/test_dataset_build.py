"""The whole data set: the split, identities, books, and a folder that is whole at every moment."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigError, DatasetError
from core.settings import Settings
from finetune.conversations import Conversation, Exchange, read_conversations
from finetune.dataset.build import DatasetReport, build_dataset
from finetune.dataset.identity import identity_rows
from finetune.dataset.settings import DatasetSettings, IdentitySettings, dataset_settings
from finetune.dataset.split import split


def bank(folder: Path, count: int = 40) -> Path:
    path = folder / "bank.jsonl"
    rows = [
        {"question": f"第{number}题：{chr(0x4E00 + 7 * number) * 12}是什么？", "answer": "乙"}
        for number in range(count)
    ]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def build(folder: Path, keben: Settings | None = None, **values: Any) -> DatasetReport:
    return build_dataset(dataset_settings(out=folder / "made", **values), keben or Settings())


def test_the_folder(tmp_path: Path) -> None:
    report = build(tmp_path, sources=[{"path": bank(tmp_path)}], identity={"name": "小课", "copies": 5})
    train, test = (read_conversations(tmp_path / "made" / name) for name in ("train.jsonl", "test.jsonl"))
    assert (len(train), len(test)) == (report.train, report.test) == (28 + 5, 12)
    assert report.kinds == {"identity": {"train": 5, "test": 0}, "question": {"train": 28, "test": 12}}
    said = json.loads((tmp_path / "made" / "dataset.json").read_text(encoding="utf-8"))
    assert said == report.to_json()
    assert said["sources"][0] == {"source": "bank.jsonl", "rows": 40, "kept": 40, "left_out": [], "outside": []}
    assert {path.name for path in tmp_path.iterdir()} == {"bank.jsonl", "made"}


def test_equal_inputs_give_equal_bytes_and_another_seed_another_split(tmp_path: Path) -> None:
    sources = [{"path": bank(tmp_path)}]
    first = build(tmp_path, sources=sources)
    bytes_before = {path.name: path.read_bytes() for path in first.folder.iterdir()}
    assert build(tmp_path, sources=sources) == first
    assert {path.name: path.read_bytes() for path in first.folder.iterdir()} == bytes_before
    assert build(tmp_path, sources=sources, seed=1).fingerprint != first.fingerprint


def test_a_failed_run_leaves_the_data_set_of_before(tmp_path: Path) -> None:
    first = build(tmp_path, sources=[{"path": bank(tmp_path)}])
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"question": 1\n', encoding="utf-8")
    with pytest.raises(DatasetError, match=r"broken\.jsonl, line 1: not JSON"):
        build(tmp_path, sources=[{"path": broken}])
    assert len(read_conversations(tmp_path / "made" / "train.jsonl")) == first.train


def test_what_a_killed_run_left_is_put_right(tmp_path: Path) -> None:
    first = build(tmp_path, sources=[{"path": bank(tmp_path)}])
    scratch = tmp_path / ".made.tmp"
    (scratch / "new").mkdir(parents=True)
    (scratch / "new" / "train.jsonl").write_text("half", encoding="utf-8")
    first.folder.rename(scratch / "old")  # killed between the two renames
    assert build(tmp_path, sources=[{"path": bank(tmp_path)}]) == first
    assert not scratch.exists()


def test_a_folder_of_other_things_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "thesis.docx").write_text("x", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"holds thesis\.docx"):
        build(tmp_path, sources=[{"path": bank(tmp_path)}])
    assert (tmp_path / "made" / "thesis.docx").exists()


def test_a_folder_as_a_source_and_what_has_no_reader(tmp_path: Path) -> None:
    source = tmp_path / "banks"
    source.mkdir()
    bank(source, 3)
    (source / "qa.txt").write_text("问：甲\n答：乙\n", encoding="utf-8")
    (source / "film.mp4").write_bytes(b"x")
    (source / ".hidden.json").write_text("x", encoding="utf-8")
    report = build(tmp_path, sources=[{"path": source}], test_share=0)
    assert [(found.source, len(found.kept)) for found in report.sources] == [
        ("bank.jsonl", 3), ("film.mp4", 0), ("qa.txt", 1),
    ]  # fmt: skip
    assert report.sources[1].outside[0].reason == "no reader for '.mp4'"
    with pytest.raises(DatasetError, match=r"no reader for '\.mp4'"):
        build(tmp_path, sources=[{"path": source / "film.mp4"}])
    with pytest.raises(DatasetError, match="does not exist"):
        build(tmp_path, sources=[{"path": source / "other"}])


def test_nothing_left(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"question": "甲", "answer": ""}\n', encoding="utf-8")
    with pytest.raises(DatasetError, match=r"no row is left of the 1 .*a\.jsonl, line 1: the answer is empty"):
        build(tmp_path, sources=[{"path": path}])


def test_settings_that_mean_nothing() -> None:
    for values, fault in (
        ({}, "nothing to make a data set of"),
        ({"sources": [{"path": "a", "columns": {"frage": "x"}}]}, "sources.0.columns.frage"),
        ({"sources": [{"path": "a"}], "test_share": 1}, "test_share"),
        ({"surces": []}, "surces"),
    ):
        with pytest.raises(ConfigError, match=fault):
            dataset_settings(**values)
    made = DatasetSettings.model_validate({"sources": [{"path": "a.csv"}, {"path": "/b.csv"}]}).below(Path("/course"))
    assert [str(source.path) for source in made.sources] == ["/course/a.csv", "/b.csv"]
    assert str(made.out) == "/course/dataset"


def asked(*questions: str) -> list[Conversation]:
    return [Conversation((Exchange(question, "乙"),)) for question in questions]


def test_near_duplicates_fall_on_one_side_whatever_the_order() -> None:
    base = [
        f"请问{chr(0x4E00 + 11 * number) * 2}和{chr(0x5E00 + 13 * number) * 3}之间有什么区别与联系？"
        for number in range(30)
    ]
    rows = asked(*base, *(f"{question}！" for question in base), *(f"老师，{question}" for question in base))
    train, test = split(rows, 0.3, 0, 0.6)
    assert len(test) == 27
    texts = [one.exchanges[0].input.removeprefix("老师，").removesuffix("！") for one in test]
    assert all(texts.count(text) == 3 for text in texts)
    again = split(rows[::-1], 0.3, 0, 0.6)
    assert {one.exchanges for one in again[1]} == {one.exchanges for one in test}
    assert len(train) + len(test) == len(rows)


def test_identities_differ_and_are_in_both_languages() -> None:
    for author, most in (("", 804), ("赵老师", 1000)):
        rows = identity_rows(IdentitySettings(name="Keben 助教", author=author, copies=most)).kept
        assert len({row.exchanges for row in rows}) == most
        assert len({row.exchanges[0].input for row in rows[:60]}) == 60
        said = "".join(row.exchanges[0].output for row in rows)
        assert ("赵老师" in said) == bool(author)
        assert {"{", "}"} & set(said) == set()
    with pytest.raises(DatasetError, match="ask for 804 at most"):
        identity_rows(IdentitySettings(name="x", copies=1000))


def test_books_as_running_text(tmp_path: Path, library_settings: Settings) -> None:
    kb = {"name": "default", "books": ["操作系统"], "hold_back": ["死锁"]}
    report = build(tmp_path, library_settings, kb=kb)
    train, test = (read_conversations(tmp_path / "made" / name) for name in ("train.jsonl", "test.jsonl"))
    assert {one.kind for one in train + test} == {"text"}
    assert all("# 操作系统\n## 死锁\n" in one.exchanges[0].output for one in test)
    assert not any("## 死锁" in one.exchanges[0].output for one in train)
    assert any("互斥条件" in one.exchanges[0].output for one in test)
    assert all(not one.exchanges[0].input for one in train)
    assert test[0].source.startswith("操作系统, 死锁")
    assert report.sources[0].rows == len(train) + len(test)
    short = build(tmp_path, library_settings, kb={**kb, "max_characters": 100})
    assert short.train + short.test >= report.train + report.test


def test_questions_on_a_chapter_that_is_held_back_are_in_the_test(tmp_path: Path, library_settings: Settings) -> None:
    passage = "不可剥夺条件：进程已获得的资源在用完之前不能被强行剥夺。"
    rows = [{"question": f"第{number}问：什么不能剥夺？", "answer": "资源", "passage": passage} for number in range(3)]
    rows.append({"question": "作业的周转时间怎么算？", "answer": "见书", "passage": "从提交到完成所经历的时间"})
    path = tmp_path / "made.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    kb = {"name": "default", "hold_back": ["死锁"]}
    report = build(tmp_path, library_settings, sources=[{"path": path}], kb=kb, test_share=0)
    assert report.kinds["question"] == {"train": 1, "test": 3}


def test_books_and_chapters_that_are_not_there(tmp_path: Path, library_settings: Settings) -> None:
    with pytest.raises(DatasetError, match=r"no book '高等数学'\n.*its books are .*操作系统"):
        build(tmp_path, library_settings, kb={"name": "default", "books": ["高等数学"]})
    with pytest.raises(DatasetError, match=r"is called '积分'\n.*the chapters are .*死锁"):
        build(tmp_path, library_settings, kb={"name": "default", "hold_back": ["积分"]})
