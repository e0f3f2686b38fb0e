"""Labelled questions of a knowledge base, kept beside its generations: refusals are measured with them from then on."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from core.errors import ConfigError, StorageError
from rag.probes import Kind, Probe

_FILE = "labelled_questions.jsonl"


@dataclass(frozen=True, slots=True)
class Labelled:
    """A question that people asked. kind: `own` if the books answer it, else how far it is from them."""

    text: str
    kind: Kind

    def probe(self) -> Probe:
        """The question as it is asked to measure refusals."""
        return Probe(self.text, self.kind)


def keep_labelled(folder: Path, questions: Sequence[Labelled]) -> None:
    """Keep `questions` in the folder of a knowledge base instead of those before; none: forget those."""
    path = folder / _FILE
    try:
        if not questions:
            path.unlink(missing_ok=True)
            return
        lines = (json.dumps(asdict(question), ensure_ascii=False) for question in questions)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}", mend="make room for it") from error


def kept_labelled(folder: Path) -> list[Labelled]:
    """Those in the folder of a knowledge base; raises ConfigError for a damaged file."""
    path = folder / _FILE
    if not path.exists():
        return []
    try:
        return [Labelled(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}", mend="delete it, and run `keben calibrate` again"
        ) from error
