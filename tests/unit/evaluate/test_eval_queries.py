"""Reading query sets: every form of gold, and errors that name file, line and mend."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigError
from evaluate.queries import DocGold, PidGold, Query, SpanGold, TextGold, read_queries

GOOD = {"qid": "a", "query": "什么是死锁？", "lang": "zh", "doc": "os.md"}


def written(path: Path, *rows: Any) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read_one(tmp_path: Path, **fields: Any) -> Query:
    return read_queries(written(tmp_path / "set.jsonl", {"query": "什么是死锁？", **fields}))[0]


@pytest.mark.parametrize(
    ("fields", "gold"),
    [
        ({"gold_pids": ["p1", "p2", "p1"]}, (PidGold("p1"), PidGold("p2"))),
        ({"doc": "os.md", "span": [3, 9]}, (SpanGold("os.md", 3, 9),)),
        ({"doc": "os.md"}, (DocGold("os.md"),)),
        ({"gold_text": " 互相等待 "}, (TextGold("互相等待"),)),
        # Several forms in a row: the strongest is used.
        ({"doc": "os.md", "span": [3, 9], "gold_text": "互相等待"}, (SpanGold("os.md", 3, 9),)),
        ({"gold_pids": ["p1"], "doc": "os.md", "gold_text": "互相等待"}, (PidGold("p1"),)),
        ({"gold_pids": [], "doc": "os.md"}, (DocGold("os.md"),)),
    ],
)
def test_every_form_of_gold(tmp_path: Path, fields: dict[str, Any], gold: tuple[Any, ...]) -> None:
    assert read_one(tmp_path, **fields).gold == gold


def test_what_is_left_out_is_taken_from_the_row(tmp_path: Path) -> None:
    path = written(tmp_path / "set.jsonl", "", {"query": "What is a lock?", "doc": "a"}, {"query": "锁", "doc": "b"})
    queries = read_queries(path)
    assert [(query.qid, query.language) for query in queries] == [("line 2", "en"), ("line 3", "zh")]
    assert read_one(tmp_path, doc="a", lang="fr", vague=False).language == "fr"


def test_answers_in_words_are_kept_beside_the_gold_and_will_do_without_it(tmp_path: Path) -> None:
    assert read_one(tmp_path, doc="os.md", answers=["甲", "乙"], gold_text="丙").answers == ("甲", "乙", "丙")
    assert read_one(tmp_path, gold_text="丙").answers == ("丙",)
    path = written(tmp_path / "set.jsonl", {"query": "什么是死锁？", "answers": ["互相等待"]})
    assert read_queries(path, need_gold=False) == [Query("line 1", "什么是死锁？", "zh", (), ("互相等待",))]
    with pytest.raises(ConfigError, match="no usable gold"):
        read_queries(path)
    with pytest.raises(ConfigError, match="no usable gold"):
        read_queries(written(tmp_path / "none.jsonl", {"query": "什么是死锁？"}), need_gold=False)


def test_a_byte_order_mark_and_carriage_returns_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n")
    assert [query.qid for query in read_queries(path)] == ["a"]


def test_the_key_changes_with_question_and_gold_only(tmp_path: Path) -> None:
    key = read_one(tmp_path, qid="a", doc="os.md").key
    assert read_one(tmp_path, qid="a", doc="os.md", lang="en", note="x").key == key
    assert read_one(tmp_path, qid="a", doc="os.md", query="死锁？").key != key
    assert read_one(tmp_path, qid="a", doc="os.md", span=[0, 1]).key != key


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('{"query": "x", "doc": ', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1, 2]", "not a JSON object"),
        ({"doc": "os.md"}, '"query": it is missing'),
        ({**GOOD, "query": "   "}, '"query"'),
        ({**GOOD, "query": 7}, '"query"'),
        ({"query": "x"}, "no usable gold"),
        ({"query": "x", "gold_pids": []}, "no usable gold"),
        ({"query": "x", "gold_pids": "p1"}, '"gold_pids"'),
        ({"query": "x", "gold_pids": ["p1", ""]}, '"gold_pids.1"'),
        ({"query": "x", "doc": ""}, '"doc"'),
        ({"query": "x", "gold_text": " "}, '"gold_text"'),
        ({"query": "x", "span": [0, 4]}, '"span" without "doc"'),
        ({**GOOD, "span": [9, 9]}, '"span"'),
        ({**GOOD, "span": [-1, 4]}, '"span"'),
        ({**GOOD, "span": [1, 2, 3]}, '"span"'),
        ({**GOOD, "span": [True, 4]}, '"span.0"'),
        ({**GOOD, "span": ["1", "4"]}, '"span.0"'),
        (r'{"query": "\ud800", "doc": "os.md"}', '"query"'),
    ],
)
def test_a_bad_row_is_named_with_its_line_and_a_mend(tmp_path: Path, row: Any, said: str) -> None:
    path = written(tmp_path / "set.jsonl", {**GOOD, "qid": "good"}, row)
    with pytest.raises(ConfigError) as caught:
        read_queries(path)
    assert f"{path}, line 2" in caught.value.message
    assert said in caught.value.message
    assert caught.value.mend


def test_an_id_that_occurs_twice_names_both_lines(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"line 3: .*line 1"):
        read_queries(written(tmp_path / "set.jsonl", GOOD, "", GOOD))


def test_a_set_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.jsonl").write_bytes('{"query": "é"}'.encode("latin-1"))
    (tmp_path / "empty.jsonl").write_text("\n\n", encoding="utf-8")
    for name, said in (("none.jsonl", "cannot be read"), ("latin.jsonl", "UTF-8"), ("empty.jsonl", "no queries")):
        with pytest.raises(ConfigError, match=said) as caught:
            read_queries(tmp_path / name)
        assert str(tmp_path / name) in caught.value.message
        assert caught.value.mend
