"""Results: groups, saving and loading, differences, the Markdown report."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from core.errors import ConfigError
from evaluate.compare import compare
from evaluate.files import check_outputs, load, save, write_text
from evaluate.markdown import cell, signed
from evaluate.measures import measure_names, measured
from evaluate.records import Score
from evaluate.report import markdown
from evaluate.results import QueryResult, RetrievalResult, group, grouped


def query(qid: str, rank: int | None, top_k: int = 10, **fields: object) -> QueryResult:
    return QueryResult.model_validate(
        {"qid": qid, "key": f"key-{qid}", "query": f"问题 {qid}", "language": "zh", "ranks": [rank], "relevance": 0.5,
         "values": measured([rank], top_k), **fields}
    )  # fmt: skip


def run(ranks: Mapping[str, int | None], top_k: int = 10, **fields: object) -> RetrievalResult:
    queries = tuple(query(qid, rank, top_k) for qid, rank in ranks.items())
    measures = measure_names(top_k)
    return RetrievalResult.model_validate(
        {"served": {"kb": "default", "generation": "g1", "embedder": "minilm",
                    "settings": {"rrf_k": 60, "dense_weight": 0.5}},
         "query_set": "set.jsonl", "top_k": top_k, "measures": measures,
         "overall": group("all", queries, measures), "languages": (), "subjects": (), "queries": queries, **fields}
    )  # fmt: skip


def test_a_group_holds_the_means_of_its_queries() -> None:
    results = [query("a", 1), query("b", 2), query("c", None), query("d", 7)]
    overall = group("all", results, measure_names(10))
    assert overall.queries == 4
    means = {name: score.mean for name, score in overall.scores.items()}
    assert means["recall@1"] == 0.25
    assert means["recall@5"] == 0.5
    assert means["recall@10"] == 0.75
    assert means["mrr@10"] == pytest.approx((1 + 1 / 2 + 0 + 1 / 7) / 4)
    assert all(score.low <= score.mean <= score.high for score in overall.scores.values())


def test_groups_are_sorted_and_leave_out_what_has_no_name() -> None:
    named = [("zh", query("a", 1)), (None, query("b", 1)), ("en", query("c", None)), ("zh", query("d", None))]
    groups = grouped(named, ("recall@1",))
    assert [(one.name, one.queries, one.scores["recall@1"].mean) for one in groups] == [("en", 1, 0), ("zh", 2, 0.5)]


def test_a_saved_run_comes_back_whole_and_unescaped(tmp_path: Path) -> None:
    result = run({"甲": 1, "乙": None})
    save(result, tmp_path / "run.json")
    assert load(tmp_path / "run.json", RetrievalResult) == result
    assert "问题 甲" in (tmp_path / "run.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "other"}', "not json"])
def test_a_baseline_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="not a saved run") as caught:
        load(path, RetrievalResult)
    assert str(path) in caught.value.message and "--save" in caught.value.mend


def test_a_baseline_whose_queries_lack_a_measure_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(run({"a": 1}).model_dump_json().replace('"values":{"recall@1":1.0,', '"values":{'), "utf-8")
    with pytest.raises(ConfigError, match="other measures"):
        load(path, RetrievalResult)
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.json", RetrievalResult)


def test_paths_that_cannot_be_written(tmp_path: Path) -> None:
    check_outputs(tmp_path / "new.md")
    for path in (tmp_path, tmp_path / "no" / "new.md"):
        with pytest.raises(ConfigError, match="cannot be written"):
            check_outputs(path)
        with pytest.raises(ConfigError, match="cannot be written"):
            write_text(path, "x")
    check_outputs(figure=tmp_path / "new.SVG")
    with pytest.raises(ConfigError, match=r"'\.jpg'") as caught:
        check_outputs(figure=tmp_path / "new.jpg")
    assert ".png" in caught.value.mend


def test_nothing_changed() -> None:
    result = run({"a": 1, "b": 3})
    comparison = compare(result, result)
    assert (comparison.compared, comparison.better, comparison.worse) == (2, (), ())
    assert all(change.difference == Score(mean=0, low=0, high=0) for change in comparison.changes)
    assert not any(change.certain for change in comparison.changes)


def test_what_moved_and_by_how_much() -> None:
    before = run({"a": 1, "b": 4, "c": None, "d": 2, "gone": 1})
    now = run({"a": 2, "b": 1, "c": 10, "d": 2, "new": 1})
    comparison = compare(now, before)
    assert (comparison.compared, comparison.only_before, comparison.only_now) == (4, 1, 1)
    assert [(move.qid, move.before, move.now) for move in comparison.better] == [("b", 4, 1), ("c", None, 10)]
    assert [(move.qid, move.before, move.now) for move in comparison.worse] == [("a", 1, 2)]
    mrr = next(change for change in comparison.changes if change.measure == "mrr@10")
    assert mrr.before == pytest.approx((1 + 1 / 4 + 0 + 1 / 2) / 4)
    assert mrr.now == pytest.approx((1 / 2 + 1 + 1 / 10 + 1 / 2) / 4)
    assert mrr.difference.mean == pytest.approx(mrr.now - mrr.before)
    assert not mrr.certain


def test_a_gain_on_every_query_is_certain() -> None:
    qids = [f"q{number}" for number in range(20)]
    comparison = compare(run(dict.fromkeys(qids, 1)), run(dict.fromkeys(qids, 2)))
    certain = {change.measure: change.certain for change in comparison.changes}
    assert certain == {"recall@1": True, "recall@5": False, "recall@10": False, "mrr@10": True, "ndcg@10": True}


def test_runs_of_other_depth_share_some_measures_and_ranks() -> None:
    comparison = compare(run({"a": 3, "b": 8}, top_k=10), run({"a": 3, "b": None}, top_k=5))
    assert [change.measure for change in comparison.changes] == ["recall@1", "recall@5"]
    assert (comparison.better, comparison.worse) == ((), ())  # rank 8 was out of the baseline's sight


def test_other_questions_cannot_be_compared() -> None:
    with pytest.raises(ConfigError, match="no query in common"):
        compare(run({"a": 1}), run({"b": 1}))


def test_cells() -> None:
    assert cell(Score(mean=0.6124, low=0.5811, high=0.64)) == "0.612 (0.581–0.640)"
    assert signed(Score(mean=0.0121, low=-0.003, high=0.027)) == "+0.012 (-0.003 to +0.027)"


def test_the_report_names_scores_changes_and_what_was_not_found() -> None:
    before, now = run({"a": 1, "b": 2}), run({"a": 3, "b": 2})
    lost = query(
        "x", None, query="为什么 | <b>什么</b>\n`code` ![p](http://h/x.png)？", missing=("DocGold(doc='y.md')",)
    )
    now = now.model_copy(update={"queries": (*now.queries, lost, query("z", None))})
    text = markdown(now, compare(now.model_copy(update={"queries": now.queries[:2]}), before))
    assert "| all | 2 | 0.000 (0.000–0.000) |" in text
    assert "rrf_k 60, dense_weight 0.5" in text
    assert "| a | 问题 a | 1 | 3 |" in text
    assert "higher for 0, lower for 1" in text
    assert "| z | 问题 z |" in text.split("## Not among the first 10")[1]
    assert "DocGold(doc='y.md')" in text.split("does not hold")[1]
    row = next(line for line in text.splitlines() if line.startswith("| x |"))
    assert row.replace("\\|", "").count("|") == 4
    assert "<b>" not in text and "](" not in text


def test_a_long_list_is_cut_and_says_so() -> None:
    text = markdown(run({f"q{number:02}": None for number in range(23)}))
    assert "| q19 |" in text and "| q20 |" not in text
    assert "… and 3 more." in text
