"""Parts of a Markdown report. Pure functions."""

from collections.abc import Iterable, Sequence

from evaluate.records import Comparison, Score, Served

MOST_ROWS = 20


def document(*parts: str) -> str:
    """The parts that are not empty, apart from each other."""
    return "\n\n".join(part for part in parts if part) + "\n"


def origin(served: Served) -> str:
    """What was asked, in a sentence."""
    settings = ", ".join(f"{name} {value}" for name, value in served.settings.items())
    return f"Generation `{served.generation}`, embedder `{served.embedder}`; {settings}."


def cell(score: Score | None) -> str:
    """`0.612 (0.581–0.640)`: mean and interval; a dash where nothing could be measured."""
    return f"{score.mean:.3f} ({score.low:.3f}–{score.high:.3f})" if score else "–"


def signed(score: Score) -> str:
    """`+0.012 (-0.003 to +0.027)`: difference and interval."""
    return f"{score.mean:+.3f} ({score.low:+.3f} to {score.high:+.3f})"


def against(comparison: Comparison) -> str:
    """What changed since a saved run."""
    rows = [
        (
            change.measure,
            f"{change.before:.3f}",
            f"{change.now:.3f}",
            signed(change.difference),
            "yes" if change.certain else "no",
        )
        for change in comparison.changes
    ]
    return (
        "## Against the baseline\n\n"
        f"{comparison.compared} questions in both runs; {comparison.only_before} only in the baseline "
        f"(`{comparison.baseline.kb}`, generation `{comparison.baseline.generation}`), {comparison.only_now} "
        "only in this one.\n\n"
        f"{table(('', 'before', 'now', 'difference', 'interval excludes 0'), rows)}"
    )


def listing(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first rows under a title, and how many more there are; nothing for no rows."""
    if not rows:
        return ""
    more = f"\n\n… and {len(rows) - MOST_ROWS} more." if len(rows) > MOST_ROWS else ""
    return f"{title}\n\n{table(head, rows[:MOST_ROWS])}{more}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; what stands in a cell stays in it."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines)


def _escaped(text: str) -> str:
    """Text that cannot break out of its cell, or become markup."""
    shown = " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")
    return shown.replace("<", "&lt;").replace("`", "\\`").replace("](", "]\\(")
