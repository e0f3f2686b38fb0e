"""Courses to tune: files, rows that hold markup, and folders of runs as the flow leaves them, made without training."""

import json
from pathlib import Path
from typing import Any

from trainable_models import QUICK
from trainable_models import ROWS as LEARNT

from finetune.steps import Steps

EVIL = "<img src=x onerror=alert(1)>"
# Two answers to one question: the audit shows both.
ROWS = [
    *(row for row in LEARNT if "TCP" not in row[0]),
    (f"{EVIL}是什么？", "一种标记，网页里的图片。"),
    (f"{EVIL}是什么？", "完全不同的另一个回答。"),
]


def write_course(folder: Path, name: str, base: Path, *, general: Path | None = None, **train: Any) -> Path:
    """NAME.toml with its rows."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"conversation": [{"input": question, "output": answer}]} for question, answer in ROWS]
    (folder / "rows.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    lines = [f'name = "{name}"', "[[dataset.sources]]", 'path = "rows.json"', "[audit]"]
    lines += ['accept = ["contradicting-rows", "different-answers"]', "[train]", f"base = {json.dumps(str(base))}"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in (QUICK | train).items()]
    lines += ["[gate]", f"exams = [{json.dumps(str(general))}]"] if general else []
    path = folder / f"{name}.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def write_exam(path: Path) -> Path:
    """Three questions in two subjects."""
    questions = [("os", "死锁有几个必要条件？", "C"), ("os", "一个字节有几位？", "A"), ("net", "TCP 是什么？", "B")]
    rows = [
        {
            "id": f"q{n}",
            "subject": subject,
            "question": question,
            "options": {"A": "1", "B": "2", "C": "4"},
            "answer": right,
        }
        for n, (subject, question, right) in enumerate(questions)
    ]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


def write_steps(run: Path, upto: str, falls: tuple[str, ...] = ()) -> None:
    """steps.json of a flow that has come to a step; that step is done too, but for a model that fell."""
    run.mkdir(parents=True, exist_ok=True)
    steps = Steps(run)
    facts: dict[str, dict[str, Any]] = {"dataset": {"train": 7, "test": 3, "left_out": 1}, "gate": {"falls": falls}}
    for name in ("dataset", "audit", "train", "merge", "gate", "model"):
        steps.begin(name)
        if name == "train":
            steps.record("started", "", train="t")
        if name == "model":
            if not falls:
                steps.record("published", "g", override="")
                (run / "model").mkdir()
            return
        made_from = {"train": "t", "merge": "t", "gate": "g"}.get(name, name)
        steps.record(name, made_from, **facts.get(name, {}))
        if name == upto:
            return


def write_reports(run: Path) -> None:
    """What audit, training and gate leave: a finding of each severity, 30 steps, a subject that fell."""
    findings = [
        _finding("contradicting-rows", "error", 2),
        _finding("duplicate", "warning", 3),
        _finding("latex-style", "note", 1),
    ]
    _write(run / "audit" / "report.json", {"passed": True, "accepted": ["contradicting-rows"], "findings": findings})
    lines = [json.dumps({"event": "start", "rows": 7, "tokens": 70, "dropped": 0, "step": 0, "of": 40})]
    lines += [json.dumps(step(number)) for number in range(1, 31)]
    (run / "train").mkdir(exist_ok=True)
    (run / "train" / "progress.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    names = ("name", "subject", "measure", "count", "before", "now", "difference", "low", "high", "fell", "decides")
    rows = [
        ("course", "all", "letter", 60, 0.25, 0.5, 0.25, 0.1, 0.4, False, True),
        ("course", "os", "letter", 30, 0.6, 0.4, -0.2, -0.35, -0.05, True, True),
        ("held-out rows", "all", "loss", 3, 3.0, 2.5, -0.5, -0.9, -0.1, False, False),
    ]
    falls = ["course, os: letter 0.600 → 0.400 (-0.350 to -0.050)"]
    _write(run / "gate" / "report.json", {"rows": [dict(zip(names, row, strict=True)) for row in rows], "falls": falls})


def step(number: int, of: int = 40) -> dict[str, Any]:
    """A line of progress.jsonl."""
    return {"event": "step", "step": number, "of": of, "loss": 9.0 / number, "lr": 1e-3, "seconds": 0.5}


def _finding(check: str, severity: str, count: int) -> dict[str, Any]:
    example = {"source": "rows.json, row 9", "text": f"{EVIL}是什么？", "why": "another answer"}
    said = {"summary": f"{count} of 10 rows {EVIL}", "todo": "look at them", "share": count / 10}
    return {"check": check, "severity": severity, "count": count, **said, "rows": ["train: 9"], "examples": [example]}


def _write(path: Path, value: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
