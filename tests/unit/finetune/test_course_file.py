"""The course file, what a flow remembers of its steps, how rows are prompted, and what passes the gate."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from core.errors import ConfigError, TrainingError
from core.settings import Settings
from core.types import Course as Described
from core.types import Passage
from finetune import flow
from finetune.conversations import Conversation, Exchange, write_conversations
from finetune.course import read_course
from finetune.prompted import with_passages, with_system
from finetune.steps import Steps, fingerprint

COURSE = """
name = "os"
[[dataset.sources]]
path = "questions.xlsx"
[audit]
exam = ["exam.jsonl"]
[train]
base = "models/base"
[gate]
general = ["/data/cmmlu.csv"]
"""


def course(folder: Path, text: str = COURSE) -> Path:
    path = folder / "course.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    read = read_course(course(tmp_path))
    assert read.dataset.sources[0].path == tmp_path / "questions.xlsx"
    assert read.train.base == tmp_path / "models" / "base"
    assert read.audit.exam == (tmp_path / "exam.jsonl",)
    assert read.gate.general == (Path("/data/cmmlu.csv"),)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (COURSE.replace('name = "os"', 'name = "../os"'), "name"),
        (COURSE.replace("[train]", "[train]\nepoch = 3"), "train.epoch"),
        (COURSE.replace("[gate]", "[gates]"), "gates"),
        (COURSE.replace('base = "models/base"', ""), "train.base"),
        (COURSE + '[prompt]\nform = "passages"\n', "needs kb"),
        (COURSE.replace('exam = ["exam.jsonl"]', 'accept = ["typo"]'), "audit.accept"),
        ("name = ", "no TOML"),
    ],
)
def test_a_setting_at_fault_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        read_course(course(tmp_path, text))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_course(tmp_path / "none.toml")


def test_a_step_is_done_for_its_input_and_while_its_result_is_there(tmp_path: Path) -> None:
    result = tmp_path / "rows.jsonl"
    Steps(tmp_path).record("dataset", "a", rows=3)
    assert not Steps(tmp_path).done("dataset", "a", result)
    result.write_text("x")
    assert Steps(tmp_path).done("dataset", "a", result) and Steps(tmp_path).said("dataset")["rows"] == 3
    assert not Steps(tmp_path).done("dataset", "b", result) and not Steps(tmp_path).done("audit", "a")
    before = fingerprint("x", result)
    result.write_text("y")
    assert fingerprint("x", result) != before != fingerprint("z", result)
    (tmp_path / "steps.json").write_text("{")
    with pytest.raises(ConfigError, match="damaged"):
        Steps(tmp_path)


def test_a_system_prompt_stands_in_the_first_exchange_that_has_none() -> None:
    rows = [
        Conversation((Exchange("问", "答"), Exchange("再问", "再答"))),
        Conversation((Exchange("问", "答", "自己的"),)),
        Conversation((Exchange("", "正文"),), kind="text"),
    ]
    led = with_system(rows, "你是助教。")
    assert [exchange.system for row in led for exchange in row.exchanges] == ["你是助教。", "", "自己的", ""]
    assert with_system(rows, "") == rows


def test_passages_are_shown_as_the_service_shows_them(library_settings: Settings) -> None:
    from rag.build import build_retriever
    from vector_db.library import open_knowledge_base

    base = open_knowledge_base(library_settings, "default")
    retriever = build_retriever(library_settings, None)
    with base.generation() as generation:

        def find(question: str) -> Sequence[Passage]:
            return retriever.search(generation, question, 2)

        row, text = with_passages(
            [
                Conversation((Exchange("什么是死锁？", "互相等待。"),)),
                Conversation((Exchange("", "正文"),), kind="text"),
            ],
            find,
            Described(title="操作系统"),
            2048,
        )
    base.close()
    shown = row.exchanges[0]
    assert "操作系统" in shown.system and "[1]" in shown.input and shown.input.rstrip().endswith("什么是死锁？")
    assert shown.output == "互相等待。" and text.exchanges[0] == Exchange("", "正文")


def test_a_model_that_fell_is_published_only_with_a_reason(tmp_path: Path) -> None:
    read = read_course(course(tmp_path))
    (tmp_path / "candidate").mkdir()
    (tmp_path / "dataset").mkdir()
    write_conversations(tmp_path / "dataset" / "test.jsonl", [Conversation((Exchange("问", "答"),))])
    measured: list[int] = []

    def gate(base: Path, candidate: Path, folder: Path, held_out: Sequence[Conversation]) -> flow.Verdict:
        measured.append(len(held_out))
        return flow.Verdict(("os: letter 0.6 → 0.4",), ("gate: os",))

    def run(override: str) -> Path:
        steps, said = Steps(tmp_path), flow.Hooks(say=lambda text: None)
        candidate = tmp_path / "candidate"
        return flow._pass(read, tmp_path, Settings(), candidate, candidate, steps, "trained", gate, override, said)

    for _ in range(2):
        with pytest.raises(TrainingError, match=r"0\.6 → 0\.4") as caught:
            run("")
        assert "--override" in caught.value.mend and not (tmp_path / "model").exists()
    assert run("the exam was wrong") == tmp_path / "model" and (tmp_path / "model").is_dir()
    assert measured == [1]
    assert Steps(tmp_path).said("published")["override"] == "the exam was wrong"
