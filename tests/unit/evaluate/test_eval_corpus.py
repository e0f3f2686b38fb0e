"""Sets become textbooks without their gold going astray."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigError
from evaluate.corpus import CORPUS, prepare_set
from evaluate.queries import DocGold, SpanGold


@pytest.fixture
def books(tmp_path: Path) -> Path:
    folder = tmp_path / "books"
    folder.mkdir()
    return folder


def a_set(tmp_path: Path, queries: list[dict[str, Any]], corpus: list[Any] | None = None) -> Path:
    folder = tmp_path / "set"
    folder.mkdir()
    lines = [json.dumps({"query": "什么？", **query}, ensure_ascii=False) for query in queries]
    (folder / "queries.jsonl").write_text("\n".join(lines), encoding="utf-8")
    if corpus is not None:
        rows = "\n".join(row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in corpus)
        (folder / "corpus.jsonl").write_text(rows, encoding="utf-8")
    return folder


def test_gold_passages_become_the_spans_of_their_text(tmp_path: Path, books: Path) -> None:
    texts = ["死锁是\u200b互相等待。", "# 像标题的一行", "TCP 有三次握手。"]
    corpus = [{"pid": f"p{number}", "title": f"A_{number}", "text": text} for number, text in enumerate(texts)]
    folder = a_set(
        tmp_path, [{"gold_pids": [f"p{number}"]} for number in range(3)] + [{"gold_pids": ["p2", "p0"]}], corpus
    )
    queries = prepare_set(folder, books)
    book = (books / CORPUS).read_text(encoding="utf-8")
    found = []
    for query in queries:
        for gold in query.gold:
            assert isinstance(gold, SpanGold) and gold.doc == CORPUS
            found.append(book[gold.start : gold.end])
    shown = ["死锁是互相等待。", texts[1], texts[2]]
    assert found == [*shown, shown[2], shown[0]]
    assert book.startswith("# 阅读材料\n\n## A 0\n\n死锁")


def test_spans_of_documents_move_with_the_invisible_characters(tmp_path: Path, books: Path) -> None:
    text = "第一行\r\n\u200b死锁是互相等待。\r\n完"
    start = text.index("死锁")
    folder = a_set(tmp_path, [{"doc": "os.md", "span": [start, start + 8]}, {"doc": "os.md"}])
    (folder / "docs").mkdir()
    (folder / "docs" / "os.md").write_bytes(text.encode())
    span, whole = (query.gold[0] for query in prepare_set(folder, books))
    assert isinstance(span, SpanGold)
    assert (books / "os.md").read_text(encoding="utf-8")[span.start : span.end] == "死锁是互相等待。"
    assert span.start == start - 2
    assert whole == DocGold("os.md")


def test_gold_that_is_not_in_the_corpus_is_an_error(tmp_path: Path, books: Path) -> None:
    corpus = [{"pid": "p0", "title": "t", "text": "x"}]
    with pytest.raises(ConfigError, match="p9 is not in the corpus"):
        prepare_set(a_set(tmp_path, [{"gold_pids": ["p9"]}], corpus), books)


@pytest.mark.parametrize("row", ["{", "[]", {"pid": "p1", "title": "t"}, {"pid": "p1", "title": "t", "text": None}])
def test_a_bad_passage_is_named_with_its_line(tmp_path: Path, books: Path, row: Any) -> None:
    folder = a_set(tmp_path, [{"gold_pids": ["p0"]}], [{"pid": "p0", "title": "t", "text": "x"}, row])
    with pytest.raises(ConfigError, match="line 2: not a passage"):
        prepare_set(folder, books)


def test_a_set_without_documents_is_an_error(tmp_path: Path, books: Path) -> None:
    with pytest.raises(ConfigError, match=r"corpus\.jsonl cannot be read"):
        prepare_set(a_set(tmp_path, [{"gold_pids": ["p0"]}]), books)
