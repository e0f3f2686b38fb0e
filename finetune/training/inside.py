"""Runs in the environment of XTuner, as a script that Keben starts: it imports nothing of Keben.

    inside.py machine                                       what there is to train on, as JSON
    inside.py train CONFIG --work-dir FOLDER [--resume CHECKPOINT] …
    inside.py pth_to_hf CONFIG CHECKPOINT FOLDER …
    inside.py launch PROCESSES… -- train …                  the same on several GPUs, by torchrun
    inside.py probe BASE ADAPTER|- IDS OUT                  logits after each row of token ids, as a .npy file

`train` and `pth_to_hf` are XTuner's own tools, with their exit codes (the `xtuner` command hides them). While training,
a line of JSON is added to progress.jsonl beside FOLDER for each step. SIGTERM saves a checkpoint and ends with
EXIT_STOPPED.
"""

# mypy: ignore-errors
# Its libraries are in the other environment.

import contextlib
import ctypes
import importlib.machinery
import json
import math
import os
import runpy
import signal
import sys
import time
import types
from pathlib import Path

EXIT_NOT_A_NUMBER, EXIT_STOPPED = 70, 75
_TOOLS = {"train": "xtuner.tools.train", "pth_to_hf": "xtuner.tools.model_converters.pth_to_hf"}


def main() -> None:
    """One command."""
    _end_with_parent()
    command, *arguments = sys.argv[1:]
    if command == "machine":
        print(json.dumps(machine()))
    elif command == "probe":
        probe(*arguments)
    elif command == "launch":
        split = arguments.index("--")
        own = [*arguments[:split], __file__, *arguments[split + 1 :]]
        os.execv(sys.executable, [sys.executable, "-m", "torch.distributed.run", *own])
    else:
        _stand_in_for_torchvision()
        _train_without_gpu()
        if command == "train":
            _follow(Path(arguments[arguments.index("--work-dir") + 1]).parent)
        sys.argv = [_TOOLS[command], *arguments]
        runpy.run_module(_TOOLS[command], run_name="__main__", alter_sys=True)


def machine() -> dict:
    """The GPUs: how many, bytes of the smallest, whether all compute in bfloat16."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    memory = min((torch.cuda.get_device_properties(number).total_memory for number in range(count)), default=0)
    return {"gpus": count, "memory": memory, "bfloat16": bool(count) and torch.cuda.is_bf16_supported()}


def probe(base: str, adapter: str, ids: str, out: str) -> None:
    """What base and adapter together, as PEFT joins them, say comes next."""
    import numpy
    import torch
    from transformers import AutoModelForCausalLM

    device, dtype = ("cuda", torch.bfloat16) if torch.cuda.is_available() else ("cpu", torch.float32)
    model = AutoModelForCausalLM.from_pretrained(base, torch_dtype=dtype).to(device)
    if adapter != "-":
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter)
    model.eval()
    rows = json.loads(Path(ids).read_text(encoding="utf-8"))
    with torch.no_grad():
        logits = [model(torch.tensor([row], device=device)).logits[0, -1].float().cpu().numpy() for row in rows]
    numpy.save(out, numpy.stack(logits))


def _end_with_parent() -> None:
    """A Keben that is killed leaves no training behind that would write into the folder of the next."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() == 1:
        os.kill(os.getpid(), signal.SIGKILL)


def _stand_in_for_torchvision() -> None:
    """xtuner.dataset imports it for models that see; the package does not load beside a torch without CUDA."""
    try:
        import torchvision  # noqa: F401

        return
    except (ImportError, RuntimeError):
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
    import transformers  # noqa: F401  first, so that it takes torchvision for absent

    whole, transforms, functional = (
        types.ModuleType(name)
        for name in ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")
    )
    whole.__version__, functional.InterpolationMode = "stand-in", types.SimpleNamespace(BICUBIC="bicubic")
    whole.transforms, transforms.functional = transforms, functional
    for module in (whole, transforms, functional):
        module.__spec__ = importlib.machinery.ModuleSpec(module.__name__, None)
        sys.modules[module.__name__] = module


def _train_without_gpu() -> None:
    """XTuner asks torch.cpu what only torch.cuda knows; transformers 4.48 fails to allow 4 bits on a processor."""
    import torch

    if torch.cuda.is_available():
        return
    torch.cpu.is_bf16_supported = lambda: False
    import transformers.integrations.bitsandbytes as integration

    integration._validate_bnb_multi_backend_availability = lambda raise_exception=False: True


def _follow(folder: Path) -> None:
    """Have every runner report its steps into `folder`, and save before it ends on SIGTERM."""
    import mmengine.runner
    from mmengine.hooks import Hook

    # Two seconds at the end of each epoch, for readers of rows in other processes; there are none.
    mmengine.runner.loops.time = types.SimpleNamespace(sleep=lambda seconds: None)

    import xtuner.dataset.huggingface as rows_of

    unpacked = []
    pack = rows_of.pack_dataset

    def counted(dataset, *arguments, **options):
        unpacked.append(sum(map(len, dataset["input_ids"])))
        return pack(dataset, *arguments, **options)

    rows_of.pack_dataset = counted
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Keben has it too, and sends SIGTERM
    first = os.environ.get("RANK", "0") == "0"

    def tell(**record) -> None:
        if first:
            with (folder / "progress.jsonl").open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(record) + "\n")

    class Follower(Hook):
        priority = "LOWEST"

        def before_train(self, runner) -> None:
            rows = runner.train_dataloader.dataset
            tokens = sum(map(len, rows["input_ids"]))
            dropped = unpacked[-1] - tokens if unpacked else 0
            tell(
                event="start",
                rows=len(rows),
                tokens=tokens,
                dropped=dropped,
                step=runner.iter,
                of=runner.max_iters,
            )
            self.started = time.monotonic()

        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
            loss = float(outputs["loss"])
            rate = runner.optim_wrapper.get_lr()["lr"][0]
            seconds = time.monotonic() - self.started
            self.started = time.monotonic()
            tell(event="step", step=runner.iter + 1, of=runner.max_iters, loss=loss, lr=rate, seconds=seconds)
            if not math.isfinite(loss):
                sys.exit(EXIT_NOT_A_NUMBER)
            if stopping and runner.iter + 1 < runner.max_iters:
                name = f"iter_{runner.iter + 1}.pth"
                runner.save_checkpoint(
                    runner.work_dir, name, meta={"iter": runner.iter + 1, "epoch": runner.epoch}, by_epoch=False
                )
                (Path(runner.work_dir) / "last_checkpoint").write_text(
                    str(Path(runner.work_dir) / name), encoding="utf-8"
                )
                sys.exit(EXIT_STOPPED)

    for kind in (mmengine.runner.Runner, mmengine.runner.FlexibleRunner):
        kind.train = _with_hook(kind.train, Follower)


def _with_hook(train, hook):
    def wrapped(self):
        self.register_hook(hook())
        return train(self)

    return wrapped


if __name__ == "__main__":
    main()
