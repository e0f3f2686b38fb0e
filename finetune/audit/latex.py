"""Rows whose formulas cannot be shown. Pure functions."""

from collections.abc import Sequence

from finetune.audit.findings import Finding, Flaw, finding
from finetune.audit.formulas import faults
from finetune.audit.rows import Row


def latex(rows: Sequence[Row]) -> list[Finding]:
    """Broken LaTeX, and LaTeX that looks bad."""
    broken: list[Flaw] = []
    ugly: list[Flaw] = []
    for row in rows:
        for text in row.texts:
            for fault in faults(text):
                (ugly if fault.style else broken).append((row, fault.text, fault.why))
    return [
        *finding(
            "latex", "warning", broken, len(rows), "hold broken LaTeX",
            "put formulas into $…$, and close what is opened", many=True,
        ),
        *finding(
            "latex-style", "note", ugly, len(rows), "hold LaTeX that looks bad",
            "write \\sin for sin, and take blanks of OCR out of commands",
        ),
    ]  # fmt: skip
