"""What is wrong with data sets that others trained on, where the shared data is at hand."""

from pathlib import Path

import pytest

from finetune.audit.examine import audit
from finetune.audit.findings import Finding
from finetune.audit.formulas import faults
from finetune.audit.read import read_dataset
from finetune.audit.report import AuditReport
from finetune.audit.settings import AuditSettings

DATA = Path(__file__).parents[4] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="shared/data is not beside this checkout")


def examined(name: str, **settings: object) -> tuple[AuditReport, dict[str, Finding]]:
    report = audit(*read_dataset([DATA / name]), AuditSettings.model_validate(settings))
    return report, {one.check: one for one in report.findings}


def test_one_row_in_three_is_the_same() -> None:
    report, found = examined("finetune/assistant408_answer2.json")
    assert (report.train, report.unique) == (363, 195)
    assert (found["repeated-row"].severity, found["repeated-row"].count) == ("error", 130)
    assert found["duplicate"].count == 39
    assert found["different-answers"].count == 2
    assert "contradicting-rows" not in found and "latex" not in found and "cut-answer" not in found


def test_formulas_without_delimiters() -> None:
    report, found = examined("finetune/AMchat_dataset.json")
    assert (found["latex"].severity, found["latex"].count) == ("error", 47)
    train, _ = read_dataset([DATA / "finetune" / "AMchat_dataset.json"])
    wrong = {
        number: {fault.why for turn in row.exchanges for fault in (*faults(turn.input), *faults(turn.output))}
        for number, row in enumerate(train, 1)
    }
    assert [number for number, why in wrong.items() if not why] == [6, 24]
    assert wrong[39] == {"a bracket is opened inside {…} and closed outside"}
    assert wrong[40] == {"the name of a function without \\"}
    assert {"a single \\ before an option", "a \\ before a Chinese character"} < wrong[12]
    assert "cut-answer" not in found and report.labels


def test_translated_instructions() -> None:
    _, found = examined("finetune/alpaca_zh_demo.json")
    assert found["cut-answer"].count == 5 and found["duplicate"].count == 8
    assert found["other-language"].count == 7 and found["mixed-scripts"].count == 1
    assert all(one.severity != "error" for one in found.values())


def test_preferred_answers() -> None:
    _, found = examined("finetune/dpo_zh_demo_100.json")
    assert found["broken-text"].count == 2 and found["option-letter"].count == 1
    assert all(one.severity != "error" for one in found.values())


def test_letters_of_an_exam_and_its_leak() -> None:
    report, found = examined("mcq/assistant408_400.jsonl", exam=[DATA / "mcq" / "assistant408_400.jsonl"])
    assert sum(report.labels.values()) == 400
    assert (found["leak-exam"].severity, found["leak-exam"].count) == ("error", 400)
    assert found["label-skew"].severity == "warning"
    _, other = examined("mcq/cmmlu_half_a.jsonl", exam=[DATA / "mcq" / "assistant408_400.jsonl"])
    assert "leak-exam" not in other and "compatibility" in other
