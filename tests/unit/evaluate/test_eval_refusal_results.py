"""Runs of refusal: groups, thresholds, differences, the report, the figure's parts."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from core.errors import ConfigError
from evaluate.files import load, save
from evaluate.questions import Kind
from evaluate.records import Served
from evaluate.refusal_compare import compare_refusals
from evaluate.refusal_report import refusal_markdown
from evaluate.refusal_results import (
    RefusalResult,
    ScoredQuestion,
    best_in_sample,
    refusal_group,
    splits,
    threshold_of,
)

SCORES: dict[str, tuple[Kind, float]] = {
    "a1": ("accept", 0.9), "a2": ("accept", 0.5), "a3": ("accept", 0.2), "a4": ("accept", 0.7),
    "n1": ("near", 0.6), "n2": ("near", 0.3), "f1": ("far", 0.1), "f2": ("far", 0.0),
}  # fmt: skip


def question(name: str, kind: Kind, score: float, language: str = "zh") -> ScoredQuestion:
    return ScoredQuestion(
        id=name,
        key=f"key-{name}",
        question=f"问题 {name}",
        language=language,
        kind=kind,
        score=score,
        passage="书 > 章",
    )


def run(scores: Mapping[str, tuple[Kind, float]] = SCORES, threshold: float = 0.38) -> RefusalResult:
    questions = tuple(question(name, kind, score) for name, (kind, score) in scores.items())
    return RefusalResult(
        served=Served(kb="default", generation="g1", embedder="minilm", settings={"top_k": 5}),
        accept_set="accept.jsonl",
        reject_set="reject.jsonl",
        threshold=threshold_of(questions, threshold),
        best_in_sample=best_in_sample(questions),
        groups=tuple(refusal_group(split, threshold) for split in splits(questions)),
        questions=questions,
    )


def test_all_negatives_and_each_kind_apart() -> None:
    result = run()
    assert [(group.name, group.accept, group.reject) for group in result.groups] == [
        ("all", 4, 4), ("near", 4, 2), ("far", 4, 2)
    ]  # fmt: skip
    everything, near, far = result.groups
    assert (everything.accepted, everything.wrongly_accepted) == (3, 1)
    assert everything.scores["precision"].mean == everything.scores["recall"].mean == 0.75
    assert near.scores["roc_auc"].mean == 5 / 8
    assert (far.scores["roc_auc"].mean, far.scores["precision"].mean) == (1, 1)
    for group in result.groups:
        assert all(score.low <= score.mean <= score.high for score in group.scores.values())


def test_languages_are_apart_only_where_both_classes_have_them() -> None:
    questions = [question("a", "accept", 1), question("b", "other", 0), question("c", "other", 0, "en")]
    assert [name for name, _, _ in splits(questions)] == ["all", "language zh"]
    assert [name for name, _, _ in splits(questions[:2])] == ["all"]


def test_the_served_and_the_best_threshold() -> None:
    result = run(threshold=0.65)
    assert (result.threshold.accepted, result.threshold.wrongly_accepted, result.threshold.precision) == (2, 0, 1)
    # From 0.5 three of four are accepted and one is wrong; from 0.2 all four and two are wrong.
    assert result.best_in_sample.value == 0.2
    assert result.best_in_sample.f1 == pytest.approx(2 * 4 / (6 + 4))


def test_the_worst_mistakes_come_first() -> None:
    result = run(SCORES | {"n3": ("near", 0.95), "a5": ("accept", 0.1)})
    assert [one.id for one in result.wrongly_accepted] == ["n3", "n1"]
    assert [one.id for one in result.wrongly_refused] == ["a5", "a3"]


def test_a_saved_run_comes_back_whole(tmp_path: Path) -> None:
    save(run(), tmp_path / "run.json")
    assert load(tmp_path / "run.json", RefusalResult) == run()


def test_nothing_changed() -> None:
    comparison = compare_refusals(run(), run())
    assert comparison.compared == 8
    assert {change.measure for change in comparison.changes} >= {"roc_auc", "near precision", "far f1"}
    assert all(change.difference.low == change.difference.high == 0 for change in comparison.changes)


def test_a_change_of_scores_and_of_the_threshold() -> None:
    before = run({name: entry for name, entry in SCORES.items() if name != "f2"} | {"gone": ("far", 0.4)})
    now = run(SCORES | {"n1": ("near", 0.1)}, threshold=0.1)
    comparison = compare_refusals(now, before)
    assert (comparison.compared, comparison.only_before, comparison.only_now) == (7, 1, 1)
    changes = {change.measure: change for change in comparison.changes}
    assert (changes["recall"].before, changes["recall"].now) == (0.75, 1)
    assert changes["recall"].difference.mean == 0.25
    assert changes["near roc_auc"].now == 7 / 8
    assert changes["near roc_auc"].difference.mean == pytest.approx(2 / 8)


def test_other_questions_cannot_be_compared() -> None:
    only_rejects = {name: entry for name, entry in SCORES.items() if entry[0] != "accept"}
    with pytest.raises(ConfigError, match="in common"):
        compare_refusals(run(), run(only_rejects | {"other": ("accept", 1)}))


def test_the_report_states_counts_and_marks_the_best_threshold_as_in_sample() -> None:
    text = refusal_markdown(run(), compare_refusals(run(), run(threshold=0.8)))
    assert "4 questions to accept of `accept.jsonl`, 4 to refuse of `reject.jsonl`" in text
    assert "| near | 3 of 4 | 1 of 2 |" in text
    assert "| best in-sample (chosen on these very questions: optimistic) | 0.2 | 4 | 2 |" in text
    assert "8 questions in both runs" in text
    assert "| 0.600 | near | n1 | 问题 n1 | 书 > 章 |" in text.split("## Answered that should be refused")[1]
    assert "| 0.200 | accept | a3 |" in text.split("## Refused that should be answered")[1]
