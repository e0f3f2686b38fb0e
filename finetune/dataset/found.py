"""What a source gave: conversations, and every row that was left out with the reason."""

from dataclasses import dataclass, field
from pathlib import Path

from core.errors import DatasetError
from finetune.conversations import Conversation


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that became no conversation. where: as `bank.xlsx, row 7`."""

    where: str
    reason: str


@dataclass(slots=True)
class Found:
    """What was read of one source. rows: all that it holds, kept or left out.

    outside: what is no row, such as a title above the header or a sentence between two questions.
    """

    source: str
    rows: int = 0
    kept: list[Conversation] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    outside: list[LeftOut] = field(default_factory=list)

    def add(self, result: "Conversation | LeftOut") -> None:
        """Count a row, whatever became of it."""
        self.rows += 1
        if isinstance(result, LeftOut):
            self.left_out.append(result)
        else:
            self.kept.append(result)


@dataclass(frozen=True, slots=True)
class Place:
    """A row of a file, as people name it. unit: what is counted, `row`, `line` or `question`."""

    path: Path
    label: str
    unit: str
    number: int

    def __str__(self) -> str:
        return f"{self.label}, {self.unit} {self.number}"

    def error(self, fault: str, mend: str) -> DatasetError:
        """`fault` with the file and the row."""
        return DatasetError(f"{self.path}, {self.unit} {self.number}: {fault}", mend=mend)

    def left_out(self, reason: str) -> LeftOut:
        """The row is left out."""
        return LeftOut(str(self), reason)
