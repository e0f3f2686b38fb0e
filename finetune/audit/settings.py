"""What an audit looks at, and what it lets pass."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from core.errors import ConfigError

CheckName = Literal[
    "repeated-row", "duplicate", "near-duplicate", "different-answers", "contradicting-rows", "leak-test", "leak-exam",
    "empty", "cut-answer", "too-long", "template-token", "latex", "latex-style", "broken-text", "compatibility",
    "mixed-scripts", "other-language", "label-skew", "option-letter", "contradicts-book", "not-in-books",
]  # fmt: skip
CHECKS: tuple[CheckName, ...] = get_args(CheckName)


class AuditSettings(BaseModel):
    """Settings of an audit; the table `[audit]` of a course.

    Findings are errors, which stop a run until they are mended or accepted, warnings or notes:

    - errors: `repeated-row` (one row more than 10 times and in more than 5 % of the rows),
      `contradicting-rows`, `leak-test`, `leak-exam`, `empty`, `template-token`, `contradicts-book`;
    - warnings, and errors where more than 20 % of the rows, 3 at least, have the flaw: `cut-answer`, `too-long`,
      `latex`, `broken-text`, `option-letter`;
    - warnings: `duplicate`, `near-duplicate`, `different-answers`, `other-language`, `label-skew`;
    - notes: `latex-style`, `compatibility`, `mixed-scripts`, `not-in-books`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_length: int = Field(2048, ge=16, le=1_000_000, description="Tokens of a row that training keeps; more is cut.")
    exam: tuple[Path, ...] = Field((), description="Exam files (JSON Lines) whose questions must not be trained on.")
    kb: str | None = Field(None, min_length=1, description="Knowledge base whose books the answers are checked with.")
    accept: tuple[CheckName, ...] = Field((), description="Checks that stop nothing; the report says which they are.")
    near_duplicate: float = Field(0.8, gt=0, le=1, description="Jaccard similarity from which on rows are alike.")
    tokenizer: Path | None = Field(None, description="Folder of the model's tokenizer; without it, an estimate.")


def accepted(names: Iterable[str]) -> tuple[CheckName, ...]:
    """Names of checks as somebody typed them; raises ConfigError naming those that there are."""
    found: list[CheckName] = []
    for name in names:
        known = next((check for check in CHECKS if check == name), None)
        if known is None:
            raise ConfigError(f"there is no check {name!r} to accept", mend=f"name one of: {', '.join(CHECKS)}")
        found.append(known)
    return tuple(dict.fromkeys(found))
