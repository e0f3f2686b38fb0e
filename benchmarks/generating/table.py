"""The table of one run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from generating.baselines import Times

_HEAD = (
    "",
    "clients",
    "tokens/s",
    "× (a)",
    "× (b)",
    "of bandwidth",
    "first token s",
    "between tokens ms",
    "memory MiB",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One way to write the answers. memory: MiB, where it was looked at."""

    name: str
    clients: int
    times: Times
    memory: float | None = None


def table(rows: Sequence[Row], limit: float) -> str:
    """Markdown. limit: tokens a second that one client could get if reading the weights were all."""
    rates = {row.name: row.times.rate for row in rows}
    lines = [f"| {' | '.join(_HEAD)} |", "|---" * len(_HEAD) + "|"]
    for row in rows:
        rate = row.times.rate
        cells = [
            row.name,
            str(row.clients),
            f"{rate:.1f}",
            _ratio(rate, rates.get("generate_batch (a)")),
            _ratio(rate, rates.get("one at a time (b)")),
            f"{rate / limit:.2f}",
            f"{np.median(row.times.first):.2f}" if row.times.first else "",
            " / ".join(f"{1000 * np.quantile(row.times.gaps, part):.0f}" for part in (0.5, 0.99))
            if row.times.gaps
            else "",
            f"{row.memory:.0f}" if row.memory else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _ratio(rate: float, other: float | None) -> str:
    return f"{rate / other:.2f}" if other else ""
