"""The report of an audit in Markdown. Pure functions."""

from collections.abc import Iterable, Mapping, Sequence

from finetune.audit.findings import Finding
from finetune.audit.report import AuditReport

LENGTHS, LABELS = "lengths.png", "labels.png"
_ROWS = 20


def markdown(report: AuditReport, data: str, figures: Sequence[str] = ()) -> str:
    """data: what was examined. figures: names of files beside the report."""
    verdict = "passed" if report.passed else f"stopped by {', '.join(one.check for one in report.errors)}"
    parts = [
        f"# Audit of {_cell(data)}",
        f"{report.train} rows to train on, {report.test} to test on; {report.unique} different rows. "
        f"Verdict: **{verdict}**.",
        *_let_pass(report),
        _overview(report),
        _measures(report),
        *(f"![{name.removesuffix('.png')}]({name})" for name in figures),
        *(_section(one, report) for one in report.findings),
    ]
    return "\n\n".join(parts) + "\n"


def summary(report: AuditReport) -> str:
    """For a terminal: a line for each finding, and what to do about those that stop a run."""
    lines = [f"{report.train} rows to train on, {report.test} to test on, {report.unique} different"]
    for one in report.findings:
        severity = "accepted" if one in report.let_pass else one.severity
        lines.append(f"{severity:8}  {one.check:18}  {one.summary} ({one.share:.0%})")
        if severity == "error":
            lines += [f"{'':10}{one.todo}", *(f"{'':12}{example.source}: {example.why}: {example.text}"
                      for example in one.examples[:2])]  # fmt: skip
    if not report.findings:
        lines.append("nothing was found")
    return "\n".join(lines)


def _let_pass(report: AuditReport) -> list[str]:
    if not report.accepted:
        return []
    stopped = {one.check for one in report.let_pass}
    said = [f"`{name}`" + ("" if name in stopped else " (stopped nothing)") for name in report.accepted]
    return [f"Let pass by `--accept`: {', '.join(said)}."]


def _overview(report: AuditReport) -> str:
    if not report.findings:
        return "Nothing was found."
    rows = [(one.severity + (" (accepted)" if one in report.let_pass else ""), f"`{one.check}`", str(one.count),
             f"{one.share:.1%}", one.summary) for one in report.findings]  # fmt: skip
    return _table(("severity", "check", "rows", "share", "what"), rows)


def _measures(report: AuditReport) -> str:
    sizes = report.lengths
    rows = [
        ("tokens of a row", f"{sizes.shortest} to {sizes.longest}, median {sizes.median}, 95 % up to {sizes.high}"),
        ("counted by", sizes.by),
        (f"longer than {sizes.limit}", f"{sizes.over:.1%}"),
        ("languages of the questions", _shares(report.questions)),
        ("languages of the answers", _shares(report.answers)),
    ]
    if report.labels:
        rows.append(("right letters", ", ".join(f"{letter} {count}" for letter, count in report.labels.items())))
    if held := report.held:
        said = f"{held.supported} supported, {held.contradicted} contradicted, {held.not_found} not found"
        rows.append((f"answers held against `{held.kb}`", said))
    return f"## Measures\n\n{_table(('', ''), rows)}"


def _shares(found: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {share:.0%}" for name, share in found.items()) or "none"


def _section(one: Finding, report: AuditReport) -> str:
    severity = "error, accepted" if one in report.let_pass else one.severity
    examples = _table(("row", "what", "text"), [(each.source, each.why, each.text) for each in one.examples])
    shown = "; ".join(_cell(row) for row in one.rows[:_ROWS])
    more = f" and {len(one.rows) - _ROWS} more" if len(one.rows) > _ROWS else ""
    return (
        f"## {one.check} ({severity})\n\n{_cell(one.summary)[0].upper()}{_cell(one.summary)[1:]}. "
        f"What to do: {_cell(one.todo)}.\n\n{examples}\n\nRows: {shown}{more}."
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    """Text that cannot break out of its cell, or become markup."""
    shown = " ".join(text.split())
    for sign in "\\|$*":
        shown = shown.replace(sign, f"\\{sign}")
    return shown.replace("<", "&lt;").replace("](", "]\\(")
