"""`keben finetune layout` as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path

from tiny_internlm2 import random_weights, tiny_config, write_model

from core.settings import PROJECT


def keben(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli.main", "finetune", *map(str, arguments)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def test_layout(tmp_path: Path) -> None:
    config = tiny_config()
    source = write_model(tmp_path / "internlm2", config, random_weights(config), shards=2)
    done = keben("layout", source, tmp_path / "llama", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report["folder"] == str(tmp_path / "llama")
    assert (report["files"], report["tensors"], report["left_out"]) == (["model.safetensors"], 21, [])
    assert (tmp_path / "llama" / "model.safetensors").is_file()

    again = keben("layout", source, tmp_path / "llama")
    assert again.returncode == 2
    assert "exists" in again.stderr
    assert "→" in again.stderr

    plain = keben("layout", source, tmp_path / "second")
    assert plain.returncode == 0
    assert f"{report['parameters']:,} parameters" in plain.stdout
    assert plain.stderr.count("converting model-0000") == 2


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys, cli.main\n"
        "heavy = 'torch', 'transformers', 'tokenizers', 'safetensors', 'tqdm'\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
