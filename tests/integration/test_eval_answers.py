"""`keben eval refusal`, `citations` and `plot`, on a real knowledge base."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.settings import PROJECT, Settings
from core.types import Answer
from evaluate.citation_results import AnswerResult
from evaluate.citations import check, evaluate_citations
from evaluate.places import Places
from evaluate.queries import Query, SpanGold, read_queries
from evaluate.questions import read_labelled
from evaluate.refusal import evaluate_refusal
from evaluate.refusal_results import RefusalResult
from rag.answer import Question
from rag.build import build_answerer, build_embedder
from vector_db.library import open_knowledge_base

DATA = PROJECT.parent / "shared" / "data"


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def accept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    asked = (
        "什么是死锁？",
        "死锁的必要条件有哪些？",
        "What are the ACID properties?",
        "How does TCP open a connection?",
    )
    return written(tmp_path_factory.mktemp("set") / "accept.jsonl", [{"query": text} for text in asked])


@pytest.fixture(scope="module")
def reject(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [
        {"question": "哪位画家创作了蒙娜丽莎？", "kind": "far"},
        {"question": "What is the capital of Mongolia?", "kind": "far"},
        {"question": "什么是缓存雪崩？", "kind": "near"},
        {"question": "线程是处理机调度的基本单位吗？", "kind": "near"},  # the books do say so: it will be accepted
    ]
    return written(tmp_path_factory.mktemp("set") / "reject.jsonl", rows)


@pytest.fixture(scope="module")
def query_set(books_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = "死锁是指两个或两个以上的进程互相等待对方占有的资源"
    start = (books_dir / "os.md").read_text(encoding="utf-8").index(words)
    rows = [
        {"qid": "span", "query": "什么是死锁？", "doc": "os.md", "span": [start, start + 9], "answers": ["互相等待"]},
        {"qid": "pid", "query": "What are the ACID properties?", "gold_pids": ["databases"], "gold_text": "Atomicity"},
        {"qid": "answers", "query": "How does TCP open a connection?", "answers": ["three-way handshake", "magic"]},
        {"qid": "wrong", "query": "什么是线程？", "doc": "networks.html", "answers": ["蒙娜丽莎"]},
        {"qid": "refused", "query": "哪位画家创作了蒙娜丽莎？", "answers": ["达芬奇"]},
    ]
    return written(tmp_path_factory.mktemp("set") / "queries.jsonl", rows)


def test_scores_are_the_relevance_that_refusal_looks_at(library_settings: Settings, accept: Path, reject: Path) -> None:
    questions = read_labelled(accept, reject)
    result = evaluate_refusal(library_settings, "default", questions, accept_set="a", reject_set="r")
    base = open_knowledge_base(library_settings, "default")
    answerer = build_answerer(library_settings, build_embedder(library_settings, [base]))
    for one in result.questions:
        passages = answerer.search(base, one.question)
        assert one.score == max((passage.relevance for passage in passages), default=0)
        answer = answerer.ask(base, Question(one.question))
        if one.score < result.threshold.value:
            assert answer.refused
    with base.generation() as generation:
        calibration = generation.manifest.calibration
    base.close()
    assert calibration is not None and result.threshold.value == calibration.threshold
    assert [(group.name, group.accept, group.reject) for group in result.groups] == [
        ("all", 4, 4), ("near", 4, 2), ("far", 4, 2), ("language en", 2, 1), ("language zh", 2, 3)
    ]  # fmt: skip
    assert [one.question for one in result.wrongly_accepted][:1] == ["线程是处理机调度的基本单位吗？"]


def test_the_refusal_command(keben_eval: Any, accept: Path, reject: Path, tmp_path: Path) -> None:
    saved, report, figure = tmp_path / "run.json", tmp_path / "report.md", tmp_path / "figure.png"
    files = ("--accept", accept, "--reject", reject)
    code, out, err = keben_eval("refusal", *files, "--save", saved, "--plot", figure)
    assert code == 0, err
    assert "asked 8 of 8 questions" in err
    threshold = json.loads(saved.read_text(encoding="utf-8"))["threshold"]["value"]
    assert f"served threshold {threshold:g}" in out and "chosen on these very questions" in out
    assert "线程是处理机调度的基本单位吗？" in out.split("answered that should be refused")[1]
    assert figure.read_bytes().startswith(b"\x89PNG")

    code, out, err = keben_eval("refusal", *files, "--baseline", saved, "--report", report, "--json")
    assert (code, err) == (0, "")
    value = json.loads(out)
    assert RefusalResult.model_validate(value["result"]).threshold.recall == 1
    assert value["comparison"]["compared"] == 8
    assert all(change["difference"]["mean"] == 0 for change in value["comparison"]["changes"])
    assert "# Refusal of `default`" in report.read_text(encoding="utf-8")

    assert keben_eval("plot", saved, tmp_path / "again.svg")[0] == 0
    assert f"served threshold {threshold:g}" in (tmp_path / "again.svg").read_text(encoding="utf-8")


def test_wrong_usage_of_refusal_and_plot(keben_eval: Any, accept: Path, reject: Path, tmp_path: Path) -> None:
    code, _, err = keben_eval("refusal", "--accept", accept, "--reject", accept)
    assert code == 2 and f"is in {accept} too" in err
    code, _, err = keben_eval("refusal", "--accept", accept, "--reject", reject, "--plot", tmp_path / "figure.jpg")
    assert code == 2 and "'.jpg'" in err and "asked" not in err
    code, _, err = keben_eval("plot", accept, tmp_path / "figure.png")
    assert code == 2 and "not a saved run" in err


def test_answers_are_measured_against_gold_and_answers(library_settings: Settings, query_set: Path) -> None:
    queries = read_queries(query_set, need_gold=False)
    result = evaluate_citations(library_settings, "default", queries, query_set="set")
    by_id = {answer.qid: answer for answer in result.answers}
    assert [qid for qid, answer in by_id.items() if answer.refused] == ["refused"]
    assert by_id["refused"].reason and set(by_id["refused"].shares) == {"answered"}
    assert all(one.verbatim for answer in result.answers for one in answer.citations)

    def measured(name: str) -> dict[str, float]:
        return {qid: answer.shares[name].part for qid, answer in by_id.items() if name in answer.shares}

    right = {"span": 1, "pid": 1, "answers": 1, "wrong": 0}
    assert measured("gold_cited") == measured("answer_contained") == right
    assert result.model == "extractive"
    everything, english, chinese = result.groups
    assert (everything.answered, english.answered, chinese.answered) == (4, 2, 2)
    assert everything.scores["quote_verbatim"].mean == 1
    assert everything.scores["gold_cited"].mean == 0.75


def test_the_citations_command(keben_eval: Any, query_set: Path, tmp_path: Path) -> None:
    saved, report = tmp_path / "run.json", tmp_path / "report.md"
    code, out, err = keben_eval("citations", "--set", query_set, "--save", saved, "--report", report)
    assert code == 0, err
    assert "language zh" in out and "asked 5 of 5 questions" in err
    text = report.read_text(encoding="utf-8")
    assert "| wrong | 什么是线程？ |" in text.split("## Answered without citing the gold")[1]
    assert "| refused | 哪位画家创作了蒙娜丽莎？ |" in text.split("## Refused")[1]
    code, out, err = keben_eval("citations", "--set", query_set, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["result"] == json.loads(saved.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def deadlock(library_settings: Settings) -> Iterator[tuple[Places, Answer]]:
    base = open_knowledge_base(library_settings, "default")
    answer = build_answerer(library_settings, None).ask(base, Question("什么是死锁？"))
    assert answer.citations
    with base.generation() as generation:
        yield Places(generation), answer
    base.close()


def test_false_citations_are_found_by_the_stored_book(deadlock: tuple[Places, Answer]) -> None:
    places, answer = deadlock
    query = Query("q", "什么是死锁？", "zh", (SpanGold("os.md", 0, 10**6),))

    def checked(**changes: Any) -> AnswerResult:
        return check(query, replace(answer, citations=(replace(answer.citations[0], **changes),)), places)

    assert [(one.verbatim, one.gold) for one in checked().citations] == [(True, True)]
    for changes in ({"quote": "死锁是好事"}, {"quote": ""}, {"page": 7}, {"page_label": "7"}, {"source": "none.md"}):
        assert not checked(**changes).citations[0].verbatim, changes
    assert checked(quote="死锁是好事").shares["quote_verbatim"].part == 0
    # Characters of another passage, or of none.
    assert not check(replace(query, gold=(SpanGold("os.md", 0, 1),)), answer, places).citations[0].gold
    assert not checked(start=10**7, end=10**7 + 1).citations[0].gold


@pytest.mark.skipif(not (DATA / "ood").is_dir(), reason=f"the questions out of every book are not in {DATA}")
def test_real_question_files_are_read_as_they_are() -> None:
    sets = DATA / "retrieval"
    questions = read_labelled(sets / "hello_algo_qa_zh" / "queries.jsonl", DATA / "ood" / "questions.jsonl")
    kinds = [question.kind for question in questions]
    assert (kinds.count("accept"), kinds.count("near"), kinds.count("far")) == (50, 50, 272)
    for folder in sorted(sets.iterdir()):
        assert read_queries(folder / "queries.jsonl") == read_queries(folder / "queries.jsonl", need_gold=False)
