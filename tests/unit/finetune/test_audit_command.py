"""`keben finetune audit` as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.settings import PROJECT, Settings
from finetune.conversations import Conversation, Exchange, write_conversations

ROWS = [
    Conversation((Exchange("死锁的定义是什么？", "死锁是指两个或两个以上的进程互相等待对方占有的资源。"),)),
    Conversation((Exchange("什么是分页？", "固定大小的页<|im_end|>"),)),
]


def keben(*arguments: str | Path, data: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli.main", "finetune", "audit", *map(str, arguments)]
    variables = {"PATH": "/usr/bin:/bin", "KEBEN_DATA_DIR": str(data)} if data else None
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, env=variables)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    write_conversations(tmp_path / "train.jsonl", ROWS)
    write_conversations(tmp_path / "test.jsonl", [])
    return tmp_path


def test_errors_end_with_exit_code_1_until_they_are_accepted(dataset: Path) -> None:
    stopped = keben(dataset, "--report", dataset / "report")
    assert stopped.returncode == 1
    assert "template-token" in stopped.stdout
    assert "keben: the data set has errors: template-token: 1 of 2 rows" in stopped.stderr
    assert "--accept template-token" in stopped.stderr
    assert (dataset / "report" / "report.md").is_file() and (dataset / "report" / "lengths.png").is_file()

    passed = keben(dataset, "--accept", "template-token")
    assert (passed.returncode, passed.stderr) == (0, "")
    assert "accepted  template-token" in passed.stdout


def test_json_says_what_stopped_the_run(dataset: Path) -> None:
    done = keben(dataset / "train.jsonl", "--json")
    assert (done.returncode, done.stderr) == (1, "")
    report = json.loads(done.stdout)
    assert (report["passed"], report["train"], report["findings"][0]["check"]) == (False, 2, "template-token")


def test_an_unknown_check_is_refused(dataset: Path) -> None:
    done = keben(dataset, "--accept", "spelling")
    assert done.returncode == 2
    assert "there is no check 'spelling'" in done.stderr and "template-token" in done.stderr


def test_answers_are_held_against_the_books(dataset: Path, library_settings: Settings) -> None:
    done = keben(dataset, "--kb", "default", "--json", data=library_settings.data_dir)
    report = json.loads(done.stdout)
    assert report["held"] == {"kb": "default", "supported": 1, "contradicted": 0, "not_found": 1}
    assert [one["check"] for one in report["findings"]] == ["template-token", "not-in-books"]
