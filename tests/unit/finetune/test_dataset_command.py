"""`keben finetune dataset` as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path

from core.settings import PROJECT


def keben(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli.main", "finetune", "dataset", *map(str, arguments)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def test_a_table_and_an_identity(tmp_path: Path) -> None:
    bank, out = tmp_path / "bank.csv", tmp_path / "made"
    bank.write_text("章,题目,标答\n栈,是什么,后进先出\n队列,是什么,\n", encoding="utf-8")
    options = (bank, "--out", out, "--column", "answer=标答", "--template", "关于{章}，它{题目}？", "--test-share", "0")
    done = keben(*options, "--identity", "小课", "--identity-copies", "4")
    assert (done.returncode, done.stderr) == (0, "")
    assert "bank.csv: 1 of 2 rows\n  left out: bank.csv, row 3: the answer is empty\n" in done.stdout
    first = json.loads((out / "train.jsonl").read_text(encoding="utf-8").split("\n")[0])
    assert first["conversation"] == [{"input": "关于栈，它是什么？", "output": "后进先出", "system": ""}]

    again = json.loads(keben(*options, "--json").stdout)
    assert (again["folder"], again["train"], again["test"]) == (str(out), 1, 0)


def test_options_that_cannot_be_used(tmp_path: Path) -> None:
    for arguments, fault in (
        ((), "nothing to make a data set of"),
        (("--hold-back", "死锁"), "--hold-back does nothing without --kb"),
        (("a.csv", "--column", "题目"), "--column 题目: no WHAT=NAME"),
        (("a.csv", "--column", "frage=题目"), "frage"),
    ):
        done = keben(*arguments, "--out", tmp_path / "made")
        assert done.returncode == 2, done
        assert fault in done.stderr
        assert "→" in done.stderr
    missing = keben(tmp_path / "none.csv", "--out", tmp_path / "made")
    assert missing.returncode == 1
    assert "none.csv does not exist" in missing.stderr
