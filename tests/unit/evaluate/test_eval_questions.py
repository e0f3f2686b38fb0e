"""Reading questions to accept and to refuse, and errors that name file, line and mend."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigError
from evaluate.questions import Labelled, read_labelled


def written(path: Path, *rows: Any) -> Path:
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


def test_query_sets_and_question_files_are_read(tmp_path: Path) -> None:
    accept = written(tmp_path / "a.jsonl", {"qid": "q", "query": "什么是死锁？", "doc": "os.md"}, {"question": "What?"})
    reject = written(
        tmp_path / "r.jsonl",
        {"id": "n", "question": "什么是索引？", "kind": "near", "lang": "zh"},
        {"id": 7, "question": "Who won?", "kind": "far"},
        {"question": "什么药？", "kind": "medical"},
        {"question": "什么菜？"},
    )
    assert read_labelled(accept, reject) == [
        Labelled("q", "什么是死锁？", "zh", "accept"),
        Labelled("line 2", "What?", "en", "accept"),
        Labelled("n", "什么是索引？", "zh", "near"),
        Labelled("7", "Who won?", "en", "far"),
        Labelled("line 3", "什么药？", "zh", "other"),
        Labelled("line 4", "什么菜？", "zh", "other"),
    ]


def test_what_is_to_be_accepted_stays_so_whatever_its_kind(tmp_path: Path) -> None:
    accept = written(tmp_path / "a.jsonl", {"question": "甲", "kind": "far"})
    reject = written(tmp_path / "r.jsonl", {"question": "乙"})
    assert [question.kind for question in read_labelled(accept, reject)] == ["accept", "other"]


def test_the_key_tells_questions_apart() -> None:
    keys = {Labelled("a", text, "zh", kind).key for text in ("甲", "乙") for kind in ("accept", "near")}  # type: ignore[arg-type]
    assert len(keys) == 4
    assert Labelled("a", "甲", "zh", "near").key == Labelled("a", "甲", "en", "near").key


def test_a_question_in_both_files_is_named(tmp_path: Path) -> None:
    accept = written(tmp_path / "a.jsonl", {"question": "甲"})
    reject = written(tmp_path / "r.jsonl", {"question": "乙"}, {"question": "甲"})
    with pytest.raises(ConfigError, match="'line 2' \\(甲\\)") as caught:
        read_labelled(accept, reject)
    assert str(accept) in caught.value.message and str(reject) in caught.value.message and caught.value.mend


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "no questions"),
        ([{"kind": "near"}], 'line 1: neither "question" nor "query"'),
        ([{"question": "甲"}, {"question": " "}], 'line 2: "question"'),
        ([{"id": "x", "question": "甲"}, {"id": "x", "question": "乙"}], "line 2: .*line 1"),
        ([{"question": "甲", "kind": 3}], 'line 1: "kind"'),
        (["甲"], "line 1: .*not a JSON object"),
    ],
)
def test_a_bad_file_is_named_with_a_mend(tmp_path: Path, rows: list[Any], said: str) -> None:
    accept = written(tmp_path / "a.jsonl", {"question": "好"})
    with pytest.raises(ConfigError, match=said) as caught:
        read_labelled(accept, written(tmp_path / "r.jsonl", *rows))
    assert str(tmp_path / "r.jsonl") in caught.value.message and caught.value.mend
