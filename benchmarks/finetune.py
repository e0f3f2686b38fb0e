"""What Keben's training costs beside bare XTuner: `python benchmarks/finetune.py [--size 20m|1.8b|7b] [--method M]`.

A Markdown table on stdout, progress on stderr. Needs `keben finetune setup`. Let nothing else run beside it.

The model has InternLM2's shape at that size and random weights; --rows rows of --length tokens each are made of the
sample books' headings, so that all steps are alike. Both ways train on the same rows with the same config, in turn,
--rounds times after one that does not count:

    Keben     `finetune.training.train`: the process with progress, checkpoints and the loss curve
    XTuner    (baseline) `xtuner train` with that config, by itself

    tokens/s  of all rows, while steps are done, median over the rounds; "overhead": of Keben's steps against XTuner's
    around    seconds of the whole that are no steps: starting, reading rows, writing the checkpoint
    memory    peak resident memory of the process, or of the card, in MiB

--write-model FOLDER writes such a model and ends: to try `keben finetune run` without a published one.
"""

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psutil
import torch
from generating.models import SIZES, write_random_model
from safetensors.torch import load_file, save_file

from core.settings import PROJECT
from finetune.conversations import Conversation, Exchange
from finetune.training.environment import ENVIRONMENT, variables
from finetune.training.settings import TrainSettings
from finetune.training.train import train

BARE = Path(__file__).with_name("finetuning") / "bare.py"


def main() -> None:
    """Measure and print."""
    options = _options()
    texts = [path.read_text(encoding="utf-8") for path in sorted((PROJECT / "knowledge" / "_sources").glob("*.md"))]
    if options.write_model:
        write_random_model(options.write_model, options.size, texts, "cpu")
        _sharpen(options.write_model / "model.safetensors")
        return
    rows = _rows(texts, options.rows, options.length)
    print(f"{options.size}, {len(rows)} rows of {options.length} tokens at most\n")
    print("| method | way | tokens/s | overhead | around s | memory MiB |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="keben-benchmark-") as name:
        folder = Path(name)
        write_random_model(folder / "base", options.size, texts, "cpu")
        for method in options.method:
            measure(folder, method, rows, options)


def measure(folder: Path, method: str, rows: list[Conversation], options: argparse.Namespace) -> None:
    """Both ways in turn, and their two lines of the table."""
    settings = TrainSettings.model_validate(
        {
            "base": folder / "base",
            "method": method,
            "max_length": options.length,
            "batch": options.batch,
            "accumulation": 1,
            "epochs": 1,
            "evaluation_every": 10_000,
        }
    )
    ours: list[tuple[float, float, float]] = []
    bare: list[tuple[float, float, float]] = []
    tokens = 0
    for number in range(options.rounds + 1):
        say(f"{method}, round {number + 1}: Keben …")
        run = folder / f"{method}-{number}"
        stamps: list[float] = []
        with peak() as memory:
            started = time.monotonic()
            report = train(settings, rows, run, on_step=lambda step: stamps.append(step.seconds))  # noqa: B023
            took = time.monotonic() - started
        tokens = report.tokens
        ours.append((sum(stamps[1:]), took, memory[0]))
        say(f"{method}, round {number + 1}: XTuner …")
        work = folder / f"{method}-{number}-bare"
        command = [str(ENVIRONMENT / "bin" / "python"), str(BARE), str(run / "config.py"), "--work-dir", str(work)]
        with peak() as memory:
            started = time.monotonic()
            done = subprocess.run(command, env=variables(), capture_output=True, text=True, errors="replace")
            took = time.monotonic() - started
        if done.returncode:
            sys.exit(done.stderr[-2000:])
        seconds = [float(found) for found in re.findall(r"  time: ([\d.]+)", done.stdout + done.stderr)]
        bare.append((statistics.mean(seconds) * (len(stamps) - 1), took, memory[0]))
        shutil.rmtree(work)
    steps = [statistics.median(each[0] for each in way[1:]) for way in (ours, bare)]
    for name, way, overhead in (("Keben", ours, f"{steps[0] / steps[1] - 1:+.1%}"), ("XTuner", bare, "")):
        rate = tokens / statistics.median(each[0] for each in way[1:])
        around = statistics.median(each[1] - each[0] for each in way[1:])
        memory_mib = max(each[2] for each in way[1:])
        print(f"| {method} | {name} | {rate:.0f} | {overhead} | {around:.1f} | {memory_mib:.0f} |", flush=True)


@contextmanager
def peak() -> Iterator[list[float]]:
    """Most MiB of the processes begun here together, or of the card where there is one; 5 looks a second."""
    found, ended = [0.0], threading.Event()

    def look() -> None:
        while not ended.wait(0.2):
            total = 0
            for child in psutil.Process().children(recursive=True):
                try:
                    total += child.memory_full_info().pss  # shared pages once
                except psutil.Error:
                    continue
            found[0] = max(found[0], _card() or total / 2**20)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def _card() -> float:
    if shutil.which("nvidia-smi") is None:
        return 0.0
    query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    lines = subprocess.run(query, capture_output=True, text=True).stdout.split()
    return float(lines[0]) if lines else 0.0


def _rows(texts: list[str], count: int, length: int) -> list[Conversation]:
    """Long enough that each is cut to `length` tokens."""
    joined = "\n".join(texts)
    size = length * 4
    pieces = [joined[at : at + size] for at in range(0, len(joined) - size, max(1, (len(joined) - size) // count))]
    return [Conversation((Exchange("什么是操作系统？", piece),)) for piece in pieces[:count]]


def _sharpen(path: Path) -> None:
    """Another last layer: that of the benchmarks never ends an answer, and with adapters alone is sure of nothing."""
    weights = load_file(path)
    head = weights["lm_head.weight"]
    weights["lm_head.weight"] = (torch.randn(head.shape, generator=torch.Generator().manual_seed(0)) * 0.15).to(head)
    save_file(weights, path, metadata={"format": "pt"})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Training by Keben against bare XTuner.")
    parser.add_argument("--size", choices=SIZES, default="20m")
    parser.add_argument("--method", nargs="+", choices=["lora", "qlora", "full"], default=["lora"])
    parser.add_argument("--rows", type=int, default=40, metavar="N", help="(40)")
    parser.add_argument("--length", type=int, default=256, metavar="TOKENS", help="(256)")
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="(1)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="(3)")
    parser.add_argument("--write-model", type=Path, metavar="FOLDER", help="write the model there and end")
    return parser.parse_args()


def say(text: str) -> None:
    """Progress, on stderr."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
