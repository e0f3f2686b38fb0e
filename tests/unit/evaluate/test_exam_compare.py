"""What guessing scores, groups of questions, and what two exams tell apart."""

import math
from collections.abc import Callable, Sequence

import pytest

from core.errors import ConfigError
from evaluate.exam.chance import guessing
from evaluate.exam.compare import compare_exams, worse
from evaluate.exam.questions import ExamQuestion
from evaluate.exam.report import exam_markdown
from evaluate.exam.results import ExamResult, ExamRow, Pick, by_subject, chosen, group, row
from evaluate.files import load, save
from evaluate.loss_results import LossRow, loss_difference, loss_result


def exam(
    right: Callable[[str, int], bool],
    *,
    subjects: Sequence[str] = ("网络", "系统"),
    each: int = 40,
    measure: str = "letter",
) -> ExamResult:
    rows: list[ExamRow] = []
    for subject in subjects:
        for at in range(each):
            question = ExamQuestion(f"{subject}-{at}", subject, "zh", f"问题 {at}", ("1", "2", "3", "4"), ("A",))
            rows.append(row(question, {measure: chosen(question, "A" if right(subject, at) else "B")}))
    return ExamResult(
        solver="model",
        model="m",
        served=None,
        sets=("set.jsonl",),
        few_shot=0,
        limit=None,
        measures=(measure,),
        overall=group("all", rows),
        subjects=by_subject(rows),
        questions=tuple(rows),
    )


def test_guessing_is_the_binomial_distribution() -> None:
    chance = guessing([0.25] * 400)
    error = 1.96 * math.sqrt(0.25 * 0.75 / 400)
    assert chance.mean == 0.25
    assert chance.low == pytest.approx(0.25 - error, abs=0.004)
    assert chance.high == pytest.approx(0.25 + error, abs=0.004)


def test_guessing_one_question_and_questions_with_other_numbers_of_options() -> None:
    assert guessing([0.25]).mean == 0.25
    assert (guessing([0.25]).low, guessing([0.25]).high) == (0, 1)
    assert guessing([0.5, 0.25]).mean == 0.375


def test_groups_count_what_is_unread_as_wrong() -> None:
    question = ExamQuestion("1", "s", "zh", "q", ("1", "2"), ("B",))
    rows = [row(question, {"written": chosen(question, letter)}) for letter in ("B", "A", None, None)]
    found = group("s", rows)
    assert found.scores["written"].mean == 0.25
    assert found.unanswered == {"written": 0.5}
    assert found.chance and found.chance.mean == 0.5


def test_the_subject_that_fell_is_named_and_no_other() -> None:
    before = exam(lambda subject, at: at % 2 == 0)
    after = exam(lambda subject, at: at % 2 == 0 and not (subject == "网络" and at < 30))
    fallen = worse(before, after)
    assert [change.measure for change in fallen] == ["all: letter", "网络: letter"]
    assert fallen[1].before == 0.5
    assert fallen[1].now == 0.125
    assert fallen[1].difference.high < 0
    assert worse(after, before) == ()
    assert worse(before, before) == ()


def test_a_small_fall_is_chance_and_a_few_questions_say_nothing() -> None:
    before = exam(lambda subject, at: at % 2 == 0)
    assert worse(before, exam(lambda subject, at: at % 2 == 0 and at != 4)) == ()
    few = exam(lambda subject, at: True, each=5)
    none = exam(lambda subject, at: subject == "系统", each=5)
    assert [change.measure for change in worse(few, none)] == ["all: letter"]
    assert [change.measure for change in worse(few, none, least=5)] == ["all: letter", "网络: letter"]


def test_measures_to_look_at() -> None:
    one = exam(lambda subject, at: True)
    with pytest.raises(ConfigError, match="share none"):
        worse(one, one, measures=["written"])
    assert worse(one, exam(lambda subject, at: False), measures=["letter"])


def test_a_model_is_compared_with_guessing() -> None:
    guessed = exam(lambda subject, at: True, measure="chance")
    rows = tuple(
        one.model_copy(update={"picks": {"chance": Pick(chosen=None, right=0.25)}}) for one in guessed.questions
    )
    comparison = compare_exams(exam(lambda subject, at: True), guessed.model_copy(update={"questions": rows}))
    assert comparison.groups[0].changes[0].measure == "letter against chance"
    assert comparison.groups[0].changes[0].difference.mean == 0.75


def test_exams_without_a_question_in_common_are_refused() -> None:
    with pytest.raises(ConfigError, match="no question in common"):
        compare_exams(exam(lambda s, at: True, subjects=["a"]), exam(lambda s, at: True, subjects=["b"]))


def test_the_comparison_names_what_was_lost_and_won() -> None:
    before, now = exam(lambda s, at: at == 0, subjects=["a"]), exam(lambda s, at: at == 1, subjects=["a"], each=50)
    comparison = compare_exams(now, before)
    assert [move.id for move in comparison.lost] == ["a-0"]
    assert [move.id for move in comparison.won] == ["a-1"]
    assert (comparison.compared, comparison.only_before, comparison.only_now) == (40, 0, 10)
    report = exam_markdown(now, comparison)
    assert "## Against the baseline" in report
    assert "| a-0 | letter | 问题 0 | A | B |" in report


def test_a_saved_exam_is_the_same(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("exam") / "run.json"
    result = exam(lambda subject, at: at % 3 == 0)
    save(result, path)
    assert load(path, ExamResult) == result


def test_losses_are_means_over_tokens() -> None:
    rows = (LossRow(key="a", tokens=1, loss=1.0), LossRow(key="b", tokens=3, loss=9.0))
    before = loss_result("m", rows)
    assert before.loss.mean == 2.5
    assert before.perplexity == pytest.approx(math.exp(2.5))
    now = loss_result("n", tuple(one.model_copy(update={"loss": one.loss + one.tokens}) for one in rows))
    difference = loss_difference(before, now)
    assert difference and difference.low == pytest.approx(1) and difference.high == pytest.approx(1)
    assert loss_difference(before, loss_result("n", (LossRow(key="c", tokens=1, loss=1.0),))) is None
    with pytest.raises(ConfigError):
        loss_result("m", ())
