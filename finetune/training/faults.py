"""What went wrong in XTuner, told so that it can be mended."""

import re
import signal
from pathlib import Path

from core.errors import TrainingError
from finetune.training.inside import EXIT_NOT_A_NUMBER

_LESS_MEMORY = "lower batch or max_length, take method qlora, or a smaller base model"
_KNOWN = (
    (
        r"CUDA out of memory|OutOfMemoryError|DefaultCPUAllocator: can't allocate",
        "the memory was not enough",
        _LESS_MEMORY,
    ),
    (r"No space left on device", "the disk is full", "free space; then go on with --resume"),
    (
        r"Cannot copy out of meta tensor|is not in the model|size mismatch for|Error\(s\) in loading state_dict",
        "the checkpoint and the base model do not belong together",
        "name the base model that the run began with",
    ),
    (
        r"does not appear to have a file named|FileNotFoundError|No such file or directory",
        "a file of the base model or of the rows is missing",
        "see the log for its name; the base folder must stay while a run lasts",
    ),
    (r"Address already in use", "the port of `master` is taken", "set another one in master"),
    (
        r"import deepspeed|No module named 'deepspeed'",
        "DeepSpeed is not installed",
        "run `keben finetune setup --deepspeed`",
    ),
)


def explained(code: int, log: Path) -> TrainingError:
    """The error for an exit code and what stands in the log."""
    if code == EXIT_NOT_A_NUMBER:
        return TrainingError(
            "the loss is not a number any more", mend="take a lower lr, such as a tenth; see loss.png for where it rose"
        )
    if -code == signal.SIGKILL:
        return TrainingError("training was killed, as the system does when memory runs out", mend=_LESS_MEMORY)
    text = log.read_text(encoding="utf-8", errors="replace")[-20_000:]
    for pattern, what, mend in _KNOWN:
        if re.search(pattern, text):
            return TrainingError(f"training failed: {what} ({_last_line(text)})", mend=f"{mend}; the log is {log}")
    return TrainingError(f"training failed with exit code {code}: {_last_line(text)}", mend=f"see {log}")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if re.match(r"\s*[\w.]*(Error|Exception)\b", line)]
    lines = lines or [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "nothing was said"
