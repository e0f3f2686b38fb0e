"""The environment of LMDeploy, `.venv-lmdeploy` beside Keben's own, and how its programs are started."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from core.errors import TrainingError
from core.settings import PROJECT
from finetune.training.environment import make, output, require

ENVIRONMENT = PROJECT / ".venv-lmdeploy"
INSIDE = Path(__file__).with_name("lmdeploy_inside.py")
_PINS = Path(__file__).with_name("lmdeploy-requirements.txt")
# Files of NVIDIA's driver, and of the one that Windows lends to Linux.
_DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"))


def set_up(folder: Path = ENVIRONMENT, *, say: Callable[[str], None] = print) -> bool:
    """Make the environment, or do nothing if it is whole. Returns whether it was made. Raises TrainingError."""
    return make(folder, [["--requirement", str(_PINS)]], fingerprint(), "8 GB", say=say)


def program(*arguments: str, folder: Path = ENVIRONMENT) -> list[str]:
    """The command that runs `lmdeploy_inside.py`. Raises TrainingError when the environment is not there."""
    require(folder, fingerprint(), "LMDeploy", "run `keben finetune setup --lmdeploy`")
    return [str(folder / "bin" / "python"), str(INSIDE), *arguments]


def require_gpu(folder: Path = ENVIRONMENT) -> None:
    """Raise TrainingError without a GPU, or with one that the environment cannot use; the first at once."""
    mend = "run it on a machine with an NVIDIA GPU; without one `--method bnb` tells what KEBEN_LLM__BITS=4 costs"
    if not any(driver.exists() for driver in _DRIVERS):
        raise TrainingError("AWQ needs a GPU, and this machine has none", mend=mend)
    if not json.loads(output(program("machine", folder=folder)).splitlines()[-1])["gpus"]:
        raise TrainingError(f"AWQ needs a GPU, and torch in {folder} finds none that it can use", mend=mend)


def fingerprint() -> str:
    """Of the versions."""
    return hashlib.sha256(_PINS.read_bytes()).hexdigest()
