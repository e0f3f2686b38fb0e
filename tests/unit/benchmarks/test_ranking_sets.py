"""Retrieval sets as the benchmark finds and makes them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ranking.sets import crossed, find_sets, is_crossing

from core.errors import ConfigError
from evaluate.corpus import prepare_set
from evaluate.queries import SpanGold


def write_set(folder: Path, language: str, texts: Sequence[str]) -> None:
    name = f"{folder.name}-"
    folder.mkdir(parents=True)
    passages = [{"pid": f"{name}{row}", "title": "T", "text": text} for row, text in enumerate(texts)]
    queries = [
        {"qid": f"q{row}", "query": f"{language} {row}", "lang": language, "gold_pids": [f"{name}{row}"]}
        for row in range(len(texts))
    ]
    write(folder / "corpus.jsonl", passages)
    write(folder / "queries.jsonl", queries)


def write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    write_set(folder / "wiki_zh", "zh", ["水往低处流。", "火往上烧。"])
    write_set(folder / "wiki_en", "en", ["Water flows down.", "Fire burns upwards."])
    write_set(folder / "news_zh", "zh", ["今天下雨。"])
    write_set(folder / "news_en", "en", ["It rains.", "It snows."])
    (tmp_path / "scratch").mkdir()
    return folder


def test_questions_of_one_language_get_the_parallel_passages_of_the_other(data: Path, tmp_path: Path) -> None:
    found = find_sets(data, ["wiki_en->zh"], tmp_path / "scratch")
    assert [folder.name for folder in found] == ["wiki_en→zh"]
    books = tmp_path / "books"
    books.mkdir()
    queries = prepare_set(found[0], books)
    text = (books / "corpus.md").read_text(encoding="utf-8")
    golds = [gold for query in queries for gold in query.gold]
    assert [query.text for query in queries] == ["en 0", "en 1"]
    assert [text[gold.start : gold.end] for gold in golds if isinstance(gold, SpanGold)] == [
        "水往低处流。",
        "火往上烧。",
    ]


def test_all_sets_are_found_and_only_wholly_parallel_ones_are_crossed(data: Path, tmp_path: Path) -> None:
    names = [folder.name for folder in find_sets(data, None, tmp_path / "scratch")]
    assert names == ["news_en", "news_zh", "wiki_en", "wiki_zh", "news_zh→en", "wiki_en→zh", "wiki_zh→en"]
    assert [name for name in names if is_crossing(name)] == names[4:]


def test_a_question_whose_passage_has_no_counterpart_makes_no_set() -> None:
    queries = [{"qid": "1", "query": "?", "gold_pids": ["a_en-1"]}, {"qid": "2", "query": "?", "gold_pids": ["a_en-2"]}]
    assert crossed(queries, {"a_en-": "a_zh-"}, {"a_zh-1"}) == []
    assert crossed(queries, {"a_en-": "a_zh-"}, {"a_zh-1", "a_zh-2"})[1]["gold_pids"] == ["a_zh-2"]


def test_an_unknown_set_and_an_empty_folder_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no set named physics"):
        find_sets(data, ["physics"], tmp_path / "scratch")
    with pytest.raises(ConfigError, match="there are no retrieval sets"):
        find_sets(tmp_path / "nowhere", None, tmp_path / "scratch")
