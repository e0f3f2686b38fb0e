"""`keben eval retrieval` on real knowledge bases."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigError, KnowledgeBaseMissing
from core.settings import PROJECT, Settings
from evaluate.gold import is_relevant, unit_of
from evaluate.queries import PidGold, SpanGold, TextGold, read_queries
from evaluate.results import RetrievalResult
from evaluate.retrieval import evaluate_retrieval
from ingest.rebuild import rebuild
from rag.build import build_embedder, build_retriever
from vector_db.library import open_knowledge_base

DATA = PROJECT.parent / "shared" / "data" / "retrieval"


def span(book: Path, words: str) -> dict[str, Any]:
    start = book.read_text(encoding="utf-8").index(words)
    return {"doc": book.name, "span": [start, start + len(words)]}


@pytest.fixture(scope="module")
def query_set(books_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five questions on the shared library, one for each form of gold, and one whose gold is wrong on purpose."""
    rows = [
        {"qid": "deadlock", "query": "什么是死锁？", **span(books_dir / "os.md", "死锁是指两个")},
        {"qid": "acid", "query": "Which four properties must a transaction have?", "gold_pids": ["databases"]},
        {"qid": "tcp", "query": "How does TCP open a connection?", "doc": "networks.html"},
        {"qid": "thread", "query": "线程是什么？", "gold_text": "线程是处理机调度的基本单位。"},
        {"qid": "wrong", "query": "什么是银行家算法？", **span(books_dir / "os.md", "时间片轮转算法让就绪")},
    ]
    path = tmp_path_factory.mktemp("set") / "queries.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def result(library_settings: Settings, query_set: Path) -> RetrievalResult:
    return evaluate_retrieval(library_settings, "default", read_queries(query_set), query_set="set", top_k=5)


def test_every_form_of_gold_is_found_and_the_wrong_one_ranks_low(result: RetrievalResult) -> None:
    ranks = {query.qid: query.rank for query in result.queries}
    assert [ranks[qid] for qid in ("deadlock", "acid", "tcp", "thread")] == [1, 1, 1, 1]
    assert ranks["wrong"] != 1
    assert result.overall.scores["recall@1"].mean == 0.8
    assert not any(query.missing for query in result.queries)


def test_groups_by_language_and_by_the_subject_of_the_gold(result: RetrievalResult) -> None:
    assert {group.name: group.queries for group in result.languages} == {"en": 2, "zh": 3}
    # Gold that is only words names no book.
    subjects = {"操作系统": 2, "Database Systems": 1, "Computer Networks": 1}
    assert {group.name: group.queries for group in result.subjects} == subjects
    assert {group.name: group.scores["recall@1"].mean for group in result.languages} == {
        "en": 1,
        "zh": pytest.approx(2 / 3),
    }


def test_the_ranks_are_those_of_the_retriever_that_answers(
    library_settings: Settings, query_set: Path, result: RetrievalResult
) -> None:
    base = open_knowledge_base(library_settings, "default")
    retriever = build_retriever(library_settings, build_embedder(library_settings, [base]))
    with base.generation() as generation:
        for query, measured in zip(read_queries(query_set), result.queries, strict=True):
            units = [unit_of(passage) for passage in retriever.search(generation, query.text, 5)]
            ranks = [rank for rank, unit in enumerate(units, 1) if is_relevant(query.gold[0], unit)]
            assert measured.rank == (ranks[0] if ranks else None)
        chunk_id = retriever.search(generation, "什么是死锁？", 1)[0].chunk.id
    base.close()
    by_id = [
        query.__class__(query.qid, query.text, "zh", (PidGold(chunk_id),)) for query in read_queries(query_set)[:1]
    ]
    again = evaluate_retrieval(library_settings, "default", by_id, query_set="set", top_k=5)
    assert (again.queries[0].rank, again.queries[0].subject) == (1, "操作系统")


def test_gold_that_is_not_there_counts_as_not_found_and_is_named(library_settings: Settings, query_set: Path) -> None:
    queries = read_queries(query_set)[:1]
    beyond = [queries[0].__class__("beyond", "什么是死锁？", "zh", (SpanGold("os.md", 10**6, 10**6 + 9),))]
    result = evaluate_retrieval(library_settings, "default", queries + beyond, query_set="set")
    assert [query.rank for query in result.queries] == [1, None]
    assert "os.md" in result.queries[1].missing[0]
    with pytest.raises(ConfigError, match="none of the gold") as caught:
        evaluate_retrieval(library_settings, "default", beyond, query_set="set")
    assert "databases.md" in caught.value.mend


def test_a_knowledge_base_that_is_not_there(settings: Settings, query_set: Path) -> None:
    with pytest.raises(KnowledgeBaseMissing, match="'none'"):
        evaluate_retrieval(settings, "none", read_queries(query_set), query_set="set")


def test_the_command_saves_reports_and_compares(keben_eval: Any, query_set: Path, tmp_path: Path) -> None:
    saved, report = tmp_path / "run.json", tmp_path / "report.md"
    code, out, err = keben_eval("retrieval", "--set", query_set, "--save", saved)
    assert code == 0, err
    assert "recall@10" in out and "language zh" in out and "subject 操作系统" in out
    assert "asked 5 of 5 questions" in err

    # A baseline that had not found one of the answers.
    baseline = json.loads(saved.read_text(encoding="utf-8"))
    lost = next(query for query in baseline["queries"] if query["qid"] == "tcp")
    lost |= {"ranks": [None], "values": dict.fromkeys(lost["values"], 0.0)}
    saved.write_text(json.dumps(baseline), encoding="utf-8")
    code, out, err = keben_eval("retrieval", "--set", query_set, "--baseline", saved, "--report", report, "--json")
    assert (code, err) == (0, "")
    value = json.loads(out)
    assert "什么是死锁？" in out
    assert [(move["qid"], move["before"], move["now"]) for move in value["comparison"]["better"]] == [("tcp", None, 1)]
    assert value["comparison"]["worse"] == []
    change = next(change for change in value["comparison"]["changes"] if change["measure"] == "recall@10")
    assert change["difference"]["mean"] == pytest.approx(0.2)
    assert "| tcp | How does TCP open a connection? | – | 1 |" in report.read_text(encoding="utf-8")

    code, out, _ = keben_eval("retrieval", "--set", query_set, "--baseline", saved)
    assert code == 0 and "higher for 1, lower for 0" in out and "(may be chance)" in out


def test_wrong_usage_exits_with_2_and_says_where(keben_eval: Any, query_set: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"query": "什么是死锁？", "doc": "os.md"}\n{"query": "什么是线程？"}\n', encoding="utf-8")
    code, out, _ = keben_eval("retrieval", "--set", bad, "--json")
    error = json.loads(out)
    assert code == 2 and error["error"] == "bad-setting"
    assert f"{bad}, line 2: no usable gold" in error["message"] and error["mend"]
    code, _, err = keben_eval("retrieval", "--set", query_set, "--save", tmp_path / "no" / "run.json")
    assert code == 2 and "cannot be written" in err and "asked" not in err
    code, _, err = keben_eval("retrieval", "--set", query_set, "--baseline", bad)
    assert code == 2 and "not a saved run" in err
    assert keben_eval("retrieval", "--set", query_set, "--top-k", 0)[0] == 2


def test_the_command_line_imports_nothing_heavy() -> None:
    code = "import sys, cli.main; print(sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    modules = done.stdout
    assert "'cli'" in modules
    for heavy in ("numpy", "pydantic", "torch", "chromadb", "langchain_core", "rich", "tqdm", "rag", "evaluate"):
        assert f"'{heavy}'" not in modules


@pytest.mark.skipif(not (DATA / "hello_algo_qa_zh").is_dir(), reason=f"the retrieval sets are not in {DATA}")
def test_spans_of_a_real_set_are_where_their_words_are(settings: Settings) -> None:
    """Offsets are offsets into the file: the passage at the span holds the words of the gold."""
    folder = DATA / "hello_algo_qa_zh"
    rows = [json.loads(line) for line in (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
    texts = {row["qid"]: TextGold(row["gold_text"]) for row in rows}
    docs = sorted({row["doc"] for row in rows})[:4]
    queries = [query for query in read_queries(folder / "queries.jsonl") if query.gold[0].doc in docs]  # type: ignore[union-attr]
    for doc in docs:
        (settings.source_dir / doc).write_bytes((folder / "docs" / doc).read_bytes())
    rebuild(settings, "default")
    result = evaluate_retrieval(settings, "default", queries, query_set="hello", top_k=50)
    assert len(queries) >= 10 and not any(query.missing for query in result.queries)
    assert result.overall.scores["recall@10"].mean > 0.8  # four files only: an easy set
    base = open_knowledge_base(settings, "default")
    with base.generation() as generation:
        chunks = [(book, chunk) for book in generation.books.values() for chunk, _ in generation.store.of_book(book.id)]
        for query in queries:
            gold = query.gold[0]
            assert isinstance(gold, SpanGold)
            at = [
                chunk
                for book, chunk in chunks
                if book.source == gold.doc and chunk.start < gold.end and gold.start < chunk.end
            ]
            whole = "".join(chunk.text for chunk in at)
            assert texts[query.qid].text.split("\n")[0][:20] in whole
    base.close()
