"""Figures of an audit, as PNG, drawn without a display."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from core.errors import ConfigError
from finetune.audit.lengths import Lengths
from finetune.audit.markdown import LABELS, LENGTHS, markdown
from finetune.audit.report import AuditReport
from finetune.folder import write_json


def write_report(report: AuditReport, folder: Path, data: str) -> Path:
    """Write report.md with its figures, and report.json for programs, into a folder, which is made.

    Raises ConfigError where it cannot be written.
    """
    figures = {LENGTHS: lengths_figure(report.lengths)}
    if report.labels:
        figures[LABELS] = labels_figure(report.labels)
    path = folder / "report.md"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in figures.items():
            figure.savefig(folder / name, dpi=120)
        write_json(folder / "report.json", report.to_json())
        path.write_text(markdown(report, data, list(figures)), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}", mend="name another folder") from error
    return path


def lengths_figure(sizes: Lengths) -> Figure:
    """How many rows have how many tokens, and where training cuts them."""
    figure = Figure(figsize=(6.5, 4), layout="constrained")
    axes = figure.add_subplot()
    widths = [end - start for start, end in zip(sizes.edges, sizes.edges[1:], strict=False)]
    axes.bar(sizes.edges[:-1], sizes.counts, width=widths, align="edge", edgecolor="white")
    if sizes.limit <= 2 * max(sizes.longest, 1):
        axes.axvline(sizes.limit, color="tab:red", label=f"max_length {sizes.limit}")
        axes.legend()
    axes.set(
        xlabel=f"tokens ({sizes.by if sizes.by.isascii() else 'a tokenizer'})",
        ylabel="rows",
        title="Length of the rows",
    )
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def labels_figure(labels: dict[str, int]) -> Figure:
    """How often each letter is right, and how often it would be were all alike."""
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.bar(list(labels), list(labels.values()))
    mean = sum(labels.values()) / len(labels)
    axes.axhline(mean, color="tab:gray", linestyle=":", label=f"as many of each: {mean:.1f}")
    axes.set(xlabel="right answer", ylabel="rows", title="Multiple-choice rows")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    return figure
