"""`keben eval exam`: a tiny random model, the sample books, and chance, on sets written here and on real ones."""

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_chat_models import tiny_qwen2
from typer.testing import CliRunner

from cli.main import app
from core.errors import ConfigError
from core.settings import PROJECT, LlmSettings, Settings
from evaluate.exam.compare import compare_exams, worse
from evaluate.exam.questions import ExamQuestion, limited, read_exam
from evaluate.exam.run import Sitting, evaluate_exam
from evaluate.loss import LossExchange

DATA = PROJECT.parent / "shared" / "data" / "mcq"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="shared/data is not beside this checkout")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_qwen2(tmp_path_factory.mktemp("model") / "tiny")


def with_model(settings: Settings, model: Path) -> Settings:
    return settings.model_copy(update={"llm": LlmSettings(model=model, device="cpu", dtype="float32")})


def questions() -> list[ExamQuestion]:
    rows = [
        ("线程的特点是什么？", ("拥有独立的地址空间", "是处理机调度的基本单位", "不能通信", "没有切换开销"), "B"),
        ("银行家算法用来", ("避免死锁", "检测病毒", "压缩文件", "分配域名"), "A"),
        ("下列不是死锁必要条件的是", ("互斥条件", "循环等待条件", "三次握手", "请求与保持条件"), "C"),
    ]
    asked = [
        ExamQuestion(str(at), "os", "zh", text, options, (answer,)) for at, (text, options, answer) in enumerate(rows)
    ]
    return [*asked, ExamQuestion("short", "maths", "zh", "1/2 + 1/2 等于多少？", (), ("1",))]


def test_the_books_answer_what_they_hold(library_settings: Settings) -> None:
    result = evaluate_exam(library_settings, questions(), Sitting("retrieval", ("set",), kb="default"))
    assert result.overall.scores["retrieval"].mean == 1
    assert [one.id for one in result.questions] == ["0", "1", "2"]  # the short answer has no options
    assert result.served and result.served.kb == "default"


def test_a_model_is_scored_by_letters_words_and_writing_the_same_each_time(
    library_settings: Settings, model: Path
) -> None:
    settings = with_model(library_settings, model)
    sitting = Sitting("model", ("set",), scores=("letter", "text", "written"), max_new_tokens=8)
    talks = [[LossExchange(input="什么是死锁？", output="互相等待")]]
    result = evaluate_exam(settings, questions(), sitting, talks=talks)
    assert result.measures == ("letter", "text", "written")
    assert result.overall.counts == {"letter": 3, "text": 3, "written": 4}
    assert result.model == str(model)
    assert result.loss and result.loss.tokens > 1
    again = evaluate_exam(settings, questions(), sitting, talks=talks)
    assert again == result
    assert worse(result, again, least=1) == ()
    comparison = compare_exams(again, result)
    assert not comparison.lost and not comparison.won
    assert comparison.loss and comparison.loss.mean == 0


def test_a_model_with_books_and_examples(library_settings: Settings, model: Path) -> None:
    shots = [ExamQuestion("shot", "os", "zh", "进程是什么？", ("程序的执行", "文件"), ("A",))]
    sitting = Sitting("model", ("set",), kb="default", scores=("letter",), shots=shots)
    result = evaluate_exam(with_model(library_settings, model), questions(), sitting)
    assert result.few_shot == 1
    assert result.served
    closed = evaluate_exam(
        with_model(library_settings, model), questions(), Sitting("model", ("set",), scores=("letter",))
    )
    assert closed.served is None


def test_what_cannot_be_asked_is_refused(settings: Settings, model: Path) -> None:
    with pytest.raises(ConfigError, match="no model is named"):
        evaluate_exam(settings, questions(), Sitting("model", ("set",)))
    with pytest.raises(ConfigError, match="none of the questions has options"):
        evaluate_exam(settings, questions()[-1:], Sitting("chance", ("set",)))
    with pytest.raises(ConfigError, match="no questions"):
        evaluate_exam(settings, [], Sitting("chance", ("set",)))
    served = settings.model_copy(update={"llm": LlmSettings(urls=("http://127.0.0.1:9/v1",))})
    with pytest.raises(ConfigError, match="can only write"):
        evaluate_exam(served, questions(), Sitting("model", ("set",)))
    with pytest.raises(ConfigError, match="of a model folder alone"):
        evaluate_exam(settings, questions(), Sitting("chance", ("set",)), talks=[[LossExchange(output="x")]])


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("name", ["assistant408_400", "cmmlu_half_a"])
def test_a_random_model_is_near_chance_on_real_sets(settings: Settings, model: Path, name: str) -> None:
    some = limited(read_exam(DATA / f"{name}.jsonl"), 25)
    result = evaluate_exam(with_model(settings, model), some, Sitting("model", (name,), scores=("letter",)))
    found, chance = result.overall.scores["letter"], result.overall.chance
    assert found.low <= 0.25 <= found.high
    assert chance and chance.low <= found.mean <= chance.high


def test_the_command(tmp_path: Path, library_settings: Settings, model: Path) -> None:
    path, talks = tmp_path / "set.jsonl", tmp_path / "talks.jsonl"
    rows: list[dict[str, Any]] = [
        {"question": one.text, "options": list(one.options), "answer": one.answers[0], "subject": one.subject}
        for one in questions()
    ]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    talks.write_text('{"conversation": [{"input": "q", "output": "an answer"}]}', encoding="utf-8")
    saved, report = tmp_path / "run.json", tmp_path / "run.md"
    environment = {"KEBEN_DATA_DIR": str(library_settings.data_dir), "KEBEN_LLM__DEVICE": "cpu"}
    command = ["eval", "exam", "--set", str(path)]

    def run(*more: str) -> str:
        done = CliRunner().invoke(app, [*command, *more], env=environment, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    assert "chance" in run("--solver", "chance", "--save", str(saved))
    compared = run("--solver", "retrieval", "--baseline", str(saved), "--report", str(report))
    assert "retrieval against chance: 0.250 → 1.000" in compared
    assert "## Against the baseline" in report.read_text(encoding="utf-8")
    told = run("--model", str(model), "--score", "letter", "--limit", "2", "--loss", str(talks), "--json")
    result = json.loads(told[told.index("{") :])["result"]
    assert result["overall"]["counts"] == {"letter": 2}
    assert result["loss"]["perplexity"] > 1
