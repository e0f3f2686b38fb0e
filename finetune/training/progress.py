"""What a run has done so far, as progress.jsonl in its folder tells it to any process, at any time."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRESS = "progress.jsonl"


@dataclass(frozen=True, slots=True)
class Step:
    """A step that was done. of: steps of the run. loss: mean over its rows' answer tokens. seconds: it took."""

    step: int
    of: int
    loss: float
    lr: float
    seconds: float


def steps_in(folder: Path) -> Iterator[Step]:
    """The steps of a run, each once: after resuming, those that were done again take the place of the first ones."""
    found = {record["step"]: step_of_record(record) for record in records(folder, "step")}
    yield from sorted(found.values(), key=lambda step: step.step)


def step_of_record(record: dict[str, Any]) -> Step:
    """The step that a line of progress.jsonl tells of."""
    return Step(*(record[name] for name in ("step", "of", "loss", "lr", "seconds")))


def records(folder: Path, event: str) -> list[dict[str, Any]]:
    """Lines of progress.jsonl; a last one that a killed run left unfinished is passed over."""
    found = []
    path = folder / PROGRESS
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        with suppress(ValueError):
            found.append(json.loads(line))
    return [record for record in found if record.get("event") == event]


def new_steps(folder: Path, read: int) -> tuple[int, list[Step]]:
    """The steps that were added after the first `read` bytes, and how many bytes there are now, whole lines alone."""
    path = folder / PROGRESS
    if not path.is_file():
        return 0, []
    with path.open("rb") as lines:
        lines.seek(read if read <= path.stat().st_size else 0)
        begin, added = lines.tell(), lines.read()
    whole = added[: added.rfind(b"\n") + 1]
    found = []
    for line in whole.decode("utf-8", errors="replace").splitlines():
        with suppress(ValueError):
            found.append(json.loads(line))
    return begin + len(whole), [step_of_record(record) for record in found if record.get("event") == "step"]
