"""The environment of XTuner, `.venv-xtuner` beside Keben's own, and how its programs are started."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from core.errors import TrainingError
from core.settings import PROJECT
from finetune.training.config import Machine

XTUNER = "xtuner==0.2.0"
ENVIRONMENT = PROJECT / ".venv-xtuner"
INSIDE = Path(__file__).with_name("inside.py")
_PINS = Path(__file__).with_name("requirements.txt")
_MARK = ".complete"
_DEEPSPEED = "deepspeed==0.18.2"


def set_up(folder: Path = ENVIRONMENT, *, deepspeed: bool = False, say: Callable[[str], None] = print) -> bool:
    """Make the environment, or do nothing if it is whole. Returns whether it was made. Raises TrainingError."""
    # XTuner not with what it asks for: that would be CUDA packages and a torch of its own.
    steps = [["--requirement", str(_PINS)], ["--no-deps", XTUNER]]
    made = make(folder, steps, _fingerprint(), "2 GB", say=say)
    if deepspeed:
        _do([*_pip(folder), _DEEPSPEED])
    return made or deepspeed


def make(
    folder: Path, steps: Sequence[Sequence[str]], fingerprint: str, size: str, *, say: Callable[[str], None] = print
) -> bool:
    """Make an environment by some calls of pip, or do nothing if it is whole, of that fingerprint.

    What an interrupted run left is removed first: pip takes half-written packages for whole ones. size: about how
    large it becomes. Returns whether it was made. Raises TrainingError.
    """
    if is_whole(folder, fingerprint):
        return False
    if folder.exists() and not (folder / "pyvenv.cfg").is_file() and any(folder.iterdir()):
        raise TrainingError(f"{folder} holds other things than an environment", mend="move that folder away")
    shutil.rmtree(folder, ignore_errors=True)
    say(f"making {folder}: about {size}, some minutes …")
    _do([sys.executable, "-m", "venv", str(folder)])
    for step in steps:
        _do([*_pip(folder), *step])
    (folder / _MARK).write_text(fingerprint, encoding="utf-8")
    return True


def _pip(folder: Path) -> list[str]:
    return [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def program(*arguments: str, folder: Path = ENVIRONMENT) -> list[str]:
    """The command that runs `inside.py`. Raises TrainingError when the environment is not there, or an older one."""
    require(folder, _fingerprint(), "XTuner", "run `keben finetune setup`")
    return [str(folder / "bin" / "python"), str(INSIDE), *arguments]


def variables() -> dict[str, str]:
    """The environment variables for it: no network, one thread for each process, nothing of Keben's environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return kept | {
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "PYTHONNOUSERSITE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        # OpenMP with more threads than free cores is ten times slower.
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        # mmengine's checkpoints hold more than weights; only those that a run wrote itself are resumed.
        "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1",
    }


def machine(folder: Path = ENVIRONMENT) -> Machine:
    """What there is to train on. Raises TrainingError."""
    return Machine(**json.loads(output(program("machine", folder=folder)).splitlines()[-1]))


def output(command: list[str]) -> str:
    """What a program prints. Raises TrainingError with the end of its messages when it fails."""
    done = subprocess.run(
        command, env=variables(), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()[-5:]
        raise TrainingError(
            f"{' '.join(command[1:3])} failed with exit code {done.returncode}: {' / '.join(lines)}",
            mend="see the message; `keben finetune setup` makes the environment anew after you delete it",
        )
    return done.stdout


def is_whole(folder: Path, fingerprint: str | None = None) -> bool:
    """Whether the environment in `folder` was made to its end, for the versions of XTuner or of another fingerprint."""
    mark = folder / _MARK
    return mark.is_file() and mark.read_text(encoding="utf-8") == (fingerprint or _fingerprint())


def require(folder: Path, fingerprint: str, name: str, mend: str) -> None:
    """Raise TrainingError when the environment of `name` is not there, or was made for other versions."""
    if not is_whole(folder, fingerprint):
        state = "was made for other versions, or its installation broke off" if folder.exists() else "is not there"
        raise TrainingError(f"the environment of {name}, {folder}, {state}", mend=mend)


def _fingerprint() -> str:
    return hashlib.sha256(_PINS.read_bytes() + XTUNER.encode()).hexdigest()


def _do(command: list[str]) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).strip().splitlines() if line.strip()][-5:]
        raise TrainingError(
            f"`{' '.join(command)}` failed: {' / '.join(lines)}",
            mend="look at the connection and the disk's free space, then run `keben finetune setup` again",
        )
