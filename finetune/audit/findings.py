"""What an audit finds. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from finetune.audit.rows import Row
from finetune.audit.settings import CheckName

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
# The share of rows from which on a flaw is the data set's, not some rows'.
_MANY = 0.2
_FEW = 3
_EXAMPLES, _EXCERPT = 5, 160


@dataclass(frozen=True, slots=True)
class Example:
    """A row with the flaw. text: what is at fault, cut short. why: what is wrong with it."""

    source: str
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class Finding:
    """The rows that one check faults. share: of the rows that were looked at, 0 to 1. rows: where all of them stand."""

    check: CheckName
    severity: Severity
    summary: str
    todo: str
    count: int
    share: float
    rows: tuple[str, ...]
    examples: tuple[Example, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


Flaw = tuple[Row, str, str]  # the row, what of it is at fault, and why


def finding(
    check: CheckName, severity: Severity, flaws: Sequence[Flaw], of: int, summary: str, todo: str, *, many: bool = False
) -> list[Finding]:
    """The finding of some flaws, or none; a row counts once.

    summary: after the number of rows. many: whether it is an error once many of the `of` rows have the flaw.
    """
    if not flaws:
        return []
    rows = {(row.split, row.number): f"{row.split}: {row.source}" for row, _, _ in flaws}
    count = len(rows)
    share = count / max(of, 1)
    if many and share > _MANY and count >= _FEW:
        severity = "error"
    examples = tuple(Example(row.source, excerpt(text), why) for row, text, why in _varied(flaws))
    return [
        Finding(check, severity, f"{count} of {of} rows {summary}", todo, count, share, tuple(rows.values()), examples)
    ]


def excerpt(text: str, most: int = _EXCERPT) -> str:
    """`text` on one line, cut in the middle where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most * 2 // 3]} … {line[-most // 3 :]}"


def _varied(flaws: Sequence[Flaw]) -> list[Flaw]:
    """The first row with each kind of flaw comes before the second with any."""
    seen: dict[str, int] = {}
    shown: set[tuple[str, int, str]] = set()
    ranked: list[tuple[int, int, Flaw]] = []
    for at, flaw in enumerate(flaws):
        row, kind = flaw[0], flaw[2].split(":")[0]
        if (row.split, row.number, kind) in shown:
            continue
        shown.add((row.split, row.number, kind))
        ranked.append((seen.get(kind, 0), at, flaw))
        seen[kind] = seen.get(kind, 0) + 1
    return [flaw for _, _, flaw in sorted(ranked, key=lambda one: one[:2])[:_EXAMPLES]]


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors, then warnings, then notes; those of many rows first."""
    return tuple(sorted(findings, key=lambda one: (SEVERITIES.index(one.severity), -one.count)))
