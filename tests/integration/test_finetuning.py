"""Fine-tuning from rows to answers over HTTP, with XTuner itself: needs `keben finetune setup`."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from safetensors.torch import load_file, save_file
from trainable_models import QUICK, ROWS, write_trainable_internlm2

from core.errors import TrainingError
from core.settings import Settings
from finetune.conversations import Conversation, Exchange, read_conversations, write_conversations
from finetune.layout import convert
from finetune.merge import merge_run
from finetune.training.environment import ENVIRONMENT, is_whole
from finetune.training.settings import TrainSettings
from finetune.training.train import train

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not is_whole(ENVIRONMENT), reason="the environment of XTuner is missing: keben finetune setup"),
]


def rows(count: int = len(ROWS)) -> list[Conversation]:
    return [
        Conversation((Exchange(question, answer),), source=f"row {n}")
        for n, (question, answer) in enumerate(ROWS[:count])
    ]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In InternLM2's own layout, random; every letter of the rows is in its vocabulary."""
    texts = [text for row in ROWS for text in row]
    shared = SHARED / "finetune" / "assistant408_answer2.json"
    if shared.is_file():
        texts.append(shared.read_text(encoding="utf-8"))
    return write_trainable_internlm2(tmp_path_factory.mktemp("base") / "internlm2-tiny", texts)


@pytest.fixture(scope="module")
def llama(base: Path) -> Path:
    convert(base, base.with_name("llama"))
    return base.with_name("llama")


@pytest.mark.parametrize("method", ["lora", "qlora", "full"])
def test_every_method_learns_and_merges(llama: Path, tmp_path: Path, method: str) -> None:
    settings = TrainSettings.model_validate({"base": llama, "method": method, "epochs": 12, **QUICK})
    report = train(settings, rows(), tmp_path / "run")
    assert report.steps == 24 and report.rows == 10 and report.last_loss < report.first_loss / 2
    assert (tmp_path / "run" / "loss.png").is_file()
    compile((tmp_path / "run" / "config.py").read_text(encoding="utf-8"), "config.py", "exec")
    merged = merge_run(tmp_path / "run", llama, tmp_path / "merged", form="question")
    assert merged.proof.same == merged.proof.probes == 10 and merged.changed >= 28
    weights = load_file(tmp_path / "merged" / "model.safetensors")
    assert weights.keys() == load_file(llama / "model.safetensors").keys()


def test_continued_pretraining_lowers_the_perplexity_of_a_held_back_chapter(llama: Path, tmp_path: Path) -> None:
    from evaluate.exam.scorer import Scorer
    from evaluate.loss import loss_of

    book = (Path(__file__).resolve().parents[2] / "knowledge" / "_sources").glob("*.md")
    chapters = max((path.read_text(encoding="utf-8") for path in book), key=len).split("\n## ")
    pieces = [text[at : at + 300] for text in chapters[:-1] for at in range(0, len(text), 300)][:60]
    held_back = [[Exchange("", chapters[-1][:1200])]]
    settings = TrainSettings.model_validate({"base": llama, "stage": "pretrain", "epochs": 4, **QUICK})
    text_rows = [Conversation((Exchange("", piece),), kind="text") for piece in pieces]
    train(settings, text_rows, tmp_path / "run")
    merge_run(tmp_path / "run", llama, tmp_path / "merged", form="question")
    service = Settings().llm
    before, after = (
        loss_of(Scorer(folder, service.model_copy(update={"model": folder})), "x", held_back).perplexity
        for folder in (llama, tmp_path / "merged")
    )
    assert after < before / 2


def test_packing_tells_what_it_drops(llama: Path, tmp_path: Path) -> None:
    settings = TrainSettings.model_validate({"base": llama, "epochs": 1, "packing": True, **QUICK})
    report = train(settings, rows(), tmp_path / "run")
    assert report.rows < 10 and report.dropped > 0 and report.tokens == report.rows * 128


def test_a_stopped_run_goes_on_and_another_one_is_refused(llama: Path, tmp_path: Path) -> None:
    write_conversations(tmp_path / "rows.jsonl", rows())
    command = [*keben("finetune", "train", tmp_path / "rows.jsonl"), "--base", llama, "--out", tmp_path / "run"]
    for name, value in {**QUICK, "epochs": 150, "evaluation_every": 50}.items():
        command += ["--set", f"{name}={value}"]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: steps_done(tmp_path / "run") > 20, process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1 and "which is saved" in said and "--resume" in said
    stopped = steps_done(tmp_path / "run")
    assert 20 < stopped < 300 and (tmp_path / "run" / "checkpoints" / f"iter_{stopped}.pth").is_file()
    settings = TrainSettings.model_validate({"base": llama, "epochs": 150, "evaluation_every": 50, **QUICK})
    with pytest.raises(TrainingError, match="holds a run already"):
        train(settings, rows(), tmp_path / "run")
    with pytest.raises(TrainingError, match="other settings or rows"):
        train(settings, rows(5), tmp_path / "run", resume=True)
    with pytest.raises(TrainingError, match="no finished training: it stands at step"):
        merge_run(tmp_path / "run", llama, tmp_path / "merged", form="question")
    report = train(settings, rows(), tmp_path / "run", resume=True)
    assert report.resumed_at == stopped and report.steps == 300 and report.last_loss < 0.5
    assert train(settings, rows(), tmp_path / "run", resume=True).seconds < 1


def test_a_loss_that_is_no_number_is_told(llama: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(llama, broken)
    weights = load_file(llama / "model.safetensors")
    weights["model.norm.weight"][3] = float("nan")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    settings = TrainSettings.model_validate({"base": broken, "epochs": 4, **QUICK})
    with pytest.raises(TrainingError, match="not a number") as caught:
        train(settings, rows(), tmp_path / "run")
    assert "lower lr" in caught.value.mend


def test_killed_in_every_step_the_flow_goes_on_where_it_was(base: Path, tmp_path: Path) -> None:
    course = write_course(tmp_path, base, rows_file(tmp_path), {**QUICK, "epochs": 60, "evaluation_every": 20})
    out = tmp_path / "runs" / "tiny"
    moments: list[tuple[str, Callable[[], bool]]] = [
        ("dataset", lambda: out.is_dir()),
        ("audit", lambda: (out / "dataset" / "train.jsonl").is_file()),
        ("train", lambda: (out / "train" / "checkpoints" / "iter_40.pth").is_file()),
        ("merge", lambda: (out / "candidate.tmp").is_dir() or any((out / "train").glob("learnt-*"))),
        ("gate", lambda: (out / "gate").is_dir()),
    ]
    for _, moment in moments:
        process = start(course)
        wait_for(moment, process)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert not (out / "model").exists()
    process = start(course)
    said, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    assert "model" in said and "train:" not in told  # it was done before
    lines = [json.loads(line) for line in (out / "train" / "progress.jsonl").read_text().splitlines()]
    # Not from 40 where the kill came while that checkpoint was written.
    assert max(line["step"] for line in lines if line["event"] == "start") in (20, 40)
    assert {path.name for path in out.iterdir() if not path.name.startswith(".")} == {
        *("dataset", "audit", "base", "train", "gate", "model", "steps.json"),
    }
    again = start(course)
    said, told = again.communicate(timeout=60)
    assert again.returncode == 0 and not told.strip()


@pytest.mark.skipif(not (SHARED / "finetune").is_dir(), reason="the shared rows to train on are not there")
def test_from_rows_to_answers_over_http(base: Path, tmp_path: Path, library_settings: Settings) -> None:
    shared = tmp_path / "rows.json"
    given = json.loads((SHARED / "finetune" / "assistant408_answer2.json").read_text(encoding="utf-8"))
    shared.write_text(json.dumps(given[:120], ensure_ascii=False), encoding="utf-8")
    settings = {**QUICK, "batch": 8, "epochs": 22, "evaluation_every": 200}
    accept = ["repeated-row", "contradicting-rows", "different-answers"]
    course = write_course(tmp_path, base, shared, settings, accept=accept, general=general_rows(tmp_path))
    process = start(course, KEBEN_DATA_DIR=str(library_settings.data_dir))
    _, told = process.communicate(timeout=560)
    assert process.returncode == 0, told
    out = tmp_path / "runs" / "tiny"
    trained = {
        exchange.input: exchange.output
        for row in read_conversations(out / "dataset" / "train.jsonl")
        for exchange in row.exchanges
    }
    before, after = (
        exact(answers_of(folder, library_settings, list(trained)[:asked]), trained)
        for folder, asked in ((out / "base", 10), (out / "model", 40))
    )
    assert before == 0 and after >= 0.9
    losses = losses_of((out / "gate" / "report.md").read_text(encoding="utf-8"))
    assert losses.keys() == {"held-out", "general"} and losses["held-out"][1] < losses["held-out"][0]


def losses_of(report: str) -> dict[str, tuple[float, float]]:
    """Before and after, by what it was measured on."""
    found = re.findall(r"loss on \d+ ([\w-]+) rows ([\d.]+) → ([\d.]+)", report)
    return {name: (float(before), float(after)) for name, before, after in found}


def general_rows(folder: Path) -> Path:
    """Questions that have nothing to do with the course."""
    rows = json.loads((SHARED / "finetune" / "alpaca_zh_demo.json").read_text(encoding="utf-8"))[:30]
    exchanges = [(Exchange(row["instruction"], row["output"][:300]),) for row in rows]
    write_conversations(folder / "general.jsonl", map(Conversation, exchanges))
    return folder / "general.jsonl"


def exact(answers: dict[str, str], wanted: dict[str, str]) -> float:
    """Share of the questions with the trained answer; markers of passages, which the service adds, are taken off."""
    from rag.markers import without_markers

    def bare(text: str) -> str:
        return without_markers(text).strip()

    return sum(bare(answer) == bare(wanted[question]) for question, answer in answers.items()) / len(answers)


def answers_of(folder: Path, library: Settings, questions: list[str]) -> dict[str, str]:
    environment = {
        "KEBEN_DATA_DIR": str(library.data_dir),
        "KEBEN_LLM__MODEL": str(folder),
        "KEBEN_LLM__DTYPE": "float32",
        "KEBEN_RETRIEVAL__MIN_RELEVANCE": "0",
        "KEBEN_LLM__MAX_NEW_TOKENS": "80",
    }
    with server(environment) as url, httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        return {asked: client.post("/ask", json={"question": asked}).json()["answer"] for asked in questions}


@contextmanager
def server(environment: dict[str, str]) -> Iterator[str]:
    process = subprocess.Popen(
        keben("serve", "--port", "0", "--json"), env=os.environ | environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.communicate(timeout=60)


def rows_file(folder: Path) -> Path:
    path = folder / "rows.json"
    data = [{"conversation": [{"input": question, "output": answer}]} for question, answer in ROWS]
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return path


def write_course(
    folder: Path,
    base: Path,
    source: Path,
    train: dict[str, Any],
    accept: Sequence[str] = (),
    general: Path | None = None,
) -> Path:
    lines = ['name = "tiny"', "[dataset]", "seed = 1", "[[dataset.sources]]", f"path = {json.dumps(str(source))}"]
    lines += ["[audit]", f"accept = {json.dumps(list(accept))}", "[train]", f"base = {json.dumps(str(base))}"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in train.items()]
    lines += ["[gate]", f"general_rows = {json.dumps([str(general)])}"] if general else []
    path = folder / "course.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def keben(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "cli.main", *map(str, arguments)]


def start(course: Path, **environment: str) -> "subprocess.Popen[str]":
    command = keben("finetune", "run", course)
    return subprocess.Popen(
        command, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def steps_done(run: Path) -> int:
    path = run / "progress.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return max((json.loads(line)["step"] for line in lines if '"step"' in line and line.endswith("}")), default=0)


def wait_for(moment: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + 240
    while not moment():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)
