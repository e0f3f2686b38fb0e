"""What an audit says of a data set. Pure functions."""

from dataclasses import asdict, dataclass
from typing import Any

from core.errors import DatasetError
from finetune.audit.books import Held
from finetune.audit.findings import Finding
from finetune.audit.lengths import Lengths


@dataclass(frozen=True, slots=True)
class AuditReport:
    """train, test: rows. questions, answers: shares of their languages. labels: how often each letter is right.

    accepted: the checks whose errors were let pass. held: None where no knowledge base was named.
    """

    train: int
    test: int
    unique: int
    questions: dict[str, float]
    answers: dict[str, float]
    lengths: Lengths
    labels: dict[str, int]
    findings: tuple[Finding, ...]
    accepted: tuple[str, ...] = ()
    held: Held | None = None

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that stop a run."""
        return tuple(one for one in self.findings if one.severity == "error" and one.check not in self.accepted)

    @property
    def let_pass(self) -> tuple[Finding, ...]:
        """The errors that were accepted."""
        return tuple(one for one in self.findings if one.severity == "error" and one.check in self.accepted)

    @property
    def passed(self) -> bool:
        return not self.errors

    def to_json(self) -> dict[str, Any]:
        """As `keben finetune audit --json` prints it."""
        return {**asdict(self), "passed": self.passed, "let_pass": [one.check for one in self.let_pass]}

    def require(self) -> None:
        """Raise DatasetError naming every error that was not accepted."""
        if self.errors:
            named = "; ".join(f"{one.check}: {one.summary}" for one in self.errors)
            checks = " ".join(f"--accept {one.check}" for one in self.errors)
            raise DatasetError(
                f"the data set has errors: {named}", mend=f"{self.errors[0].todo}; or let them pass: {checks}"
            )
