import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from core.errors import ConfigError, DatasetError, ModelError
from finetune.audit.examine import audit
from finetune.audit.lengths import counter, estimate, lengths
from finetune.audit.markdown import markdown, summary
from finetune.audit.plots import write_report
from finetune.audit.read import read_dataset
from finetune.audit.rows import rows_of
from finetune.audit.settings import CHECKS, AuditSettings, accepted
from finetune.conversations import Conversation, Exchange, write_conversations

GOOD = [
    Conversation(
        (Exchange("什么是死锁？", "两个或两个以上的进程互相等待对方占有的资源。"),), source="bank.xlsx, row 1"
    ),
    Conversation((Exchange("线程的定义？", "线程是处理机调度的基本单位。"),), source="bank.xlsx, row 2"),
]
BAD = [
    *GOOD,
    Conversation((Exchange("什么是分页？", "固定大小|页<|im_end|>"),), source="bank.xlsx, row 3"),
    Conversation((Exchange("什么是分段？", " "),), source="bank.xlsx, row 4"),
]


def settings(**values: object) -> AuditSettings:
    return AuditSettings.model_validate(values)


def test_good_rows_pass() -> None:
    report = audit(GOOD)
    assert report.passed and report.findings == () and report.labels == {}
    assert (report.train, report.test, report.unique) == (2, 0, 2)
    assert report.questions == {"zh": 1.0}
    report.require()
    assert "nothing was found" in summary(report)
    assert "Nothing was found." in markdown(report, "bank")


def test_errors_stop_and_are_let_pass_by_name() -> None:
    report = audit(BAD)
    assert [one.check for one in report.errors] == ["empty", "template-token"]
    with pytest.raises(DatasetError, match="template-token: 1 of 4 rows") as caught:
        report.require()
    assert "--accept empty --accept template-token" in caught.value.mend

    one = audit(BAD, settings=settings(accept=["empty", "latex"]))
    assert [error.check for error in one.errors] == ["template-token"]
    assert [error.check for error in one.let_pass] == ["empty"]
    text = markdown(one, "bank")
    assert "Let pass by `--accept`: `empty`, `latex` (stopped nothing)." in text
    assert "## empty (error, accepted)" in text
    audit(BAD, settings=settings(accept=["empty", "template-token"])).require()


def test_the_report_as_json() -> None:
    said = json.loads(json.dumps(audit(BAD, GOOD[:1]).to_json()))
    assert (said["train"], said["test"], said["passed"], said["held"]) == (4, 1, False, None)
    checks = {one["check"]: one for one in said["findings"]}
    assert checks["leak-test"]["rows"] == ["train: bank.xlsx, row 1"]
    assert {"severity", "count", "share", "examples", "todo"} <= checks["empty"].keys()


def test_the_report_on_disk(tmp_path: Path) -> None:
    choice = Conversation((Exchange("哪个是线性的？\nA. 栈\nB. 树\nC. 图\nD. 堆", "A"),))
    path = write_report(audit([*BAD, choice], settings=settings(max_length=16)), tmp_path / "deep" / "report", "a|b")
    text = path.read_text(encoding="utf-8")
    assert "# Audit of a\\|b" in text and "![lengths](lengths.png)" in text and "![labels](labels.png)" in text
    assert "固定大小\\|页&lt;\\|im_end\\|>" in text
    for name in ("lengths.png", "labels.png"):
        assert (path.parent / name).read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_report(audit(GOOD), path, "a file is no folder")


def test_lengths_are_estimated_without_a_tokenizer() -> None:
    found, findings = lengths(rows_of([*GOOD, Conversation((Exchange("长", "很长的回答。" * 400),))], "train"), 1000)
    assert found.by == "an estimate by characters"
    assert found.longest > 1000 and found.over == pytest.approx(1 / 3)
    assert sum(found.counts) == 3 and len(found.edges) == len(found.counts) + 1
    assert [one.check for one in findings] == ["too-long"]
    assert estimate("操作系统") == 3 and estimate("") == 0


def test_tokens_of_a_model(tmp_path: Path) -> None:
    words = Tokenizer(WordLevel({"<unk>": 0, "死锁": 1}, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>").save_pretrained(tmp_path)
    count, by = counter(tmp_path)
    assert count("死锁 是 什么") == 3
    assert by == f"the tokenizer in {tmp_path}"


def test_a_folder_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(ModelError, match=str(folder)):
            counter(folder)


def test_settings_and_names_of_checks() -> None:
    assert settings().accept == () and settings().max_length == 2048
    for wrong in ({"accept": ["spelling"]}, {"near_duplicate": 0}, {"max_len": 3}):
        with pytest.raises(ValidationError):
            settings(**wrong)
    assert accepted(["latex", "latex"]) == ("latex",)
    with pytest.raises(ConfigError, match="'spelling'") as caught:
        accepted(["spelling"])
    assert all(name in caught.value.mend for name in CHECKS)
    documented = AuditSettings.__doc__ or ""
    assert all(f"`{name}`" in documented for name in CHECKS)


def test_a_knowledge_base_needs_settings() -> None:
    with pytest.raises(ConfigError, match="'course'"):
        audit(GOOD, settings=settings(kb="course"))


TEXTS = st.text(alphabet="死锁是什么AB.\n$\\{}（|<s>#`3个", max_size=30)


@given(st.lists(st.lists(st.builds(Exchange, TEXTS, TEXTS), min_size=1, max_size=2), max_size=8), st.integers(0, 3))
@hypothesis_settings(max_examples=50, deadline=None)
def test_any_rows_can_be_examined(rows: list[list[Exchange]], test: int) -> None:
    conversations = [Conversation(tuple(turns)) for turns in rows]
    report = audit(conversations[test:], conversations[:test])
    json.dumps(report.to_json())
    markdown(report, "rows")
    assert report.train + report.test == len(rows)
    assert all(0 < one.count <= len(rows) and 0 < one.share <= 1 for one in report.findings)
    assert all(0 < len(one.rows) == one.count and one.examples for one in report.findings)


def test_a_folder_and_raw_files_are_read(tmp_path: Path) -> None:
    write_conversations(tmp_path / "train.jsonl", BAD)
    write_conversations(tmp_path / "test.jsonl", GOOD)
    assert read_dataset([tmp_path]) == (BAD, GOOD)
    raw = {
        "xtuner.json": [{"conversation": [{"system": "s", "input": "q", "output": "a"}]}],
        "alpaca.json": [{"instruction": "q", "input": "", "output": "a", "system": "s"}],
        "sharegpt.json": [{"conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "q"},
                                             {"from": "gpt", "value": "a"}]}],
        "dpo.json": [{"conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "q"}],
                      "chosen": {"from": "gpt", "value": "a"}, "rejected": {"from": "gpt", "value": "b"}}],
        "openai.json": [{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"},
                                      {"role": "assistant", "content": "a"}]}],
    }  # fmt: skip
    for name, value in raw.items():
        (tmp_path / name).write_text(json.dumps(value), encoding="utf-8")
        train, test = read_dataset([tmp_path / name])
        assert train == [Conversation((Exchange("q", "a", "s"),), source=f"{name}, row 1")] and test == []
    lines = tmp_path / "test_mcq.jsonl"
    lines.write_text('{"question": "q", "options": {"A": "x", "B": "y"}, "answer": "B"}\n', encoding="utf-8")
    assert read_dataset([lines]) == (
        [],
        [Conversation((Exchange("q\nA. x\nB. y", "B"),), source="test_mcq.jsonl, row 1")],
    )


@pytest.mark.parametrize(
    "text", ["{", "[3]", '[{"instruction": "q"}]', '[{"conversation": []}]', "[]", '[{"question": 1}]', "\ufeff"]
)
def test_files_that_are_no_rows_are_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match=r"rows\.json"):
        read_dataset([path])


def test_missing_files_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(DatasetError, match="cannot be read"):
            read_dataset([path])
