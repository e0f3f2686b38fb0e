"""An exam as Markdown, for people and pull requests. Pure functions."""

from collections.abc import Sequence

from evaluate.exam.compare import ExamComparison, ExamMove
from evaluate.exam.results import ExamGroup, ExamResult
from evaluate.intervals import METHOD
from evaluate.markdown import cell, document, listing, origin, signed, table


def exam_markdown(result: ExamResult, comparison: ExamComparison | None = None) -> str:
    """The report of `result`, and of what changed since the baseline."""
    return document(
        f"# Exam: {solved_by(result)}",
        _about(result),
        _scores(result),
        _loss(result),
        *(_comparison(comparison) if comparison else ()),
        _wrong(result),
    )


def solved_by(result: ExamResult) -> str:
    """Who sat the exam, in a few words."""
    with_books = f", with passages of `{result.served.kb}`" if result.served else ""
    return f"{result.solver}{f' `{result.model}`' if result.model else ''}{with_books}"


def exam_groups(result: ExamResult) -> list[tuple[str, ExamGroup]]:
    """All rows of the table of scores: label and group."""
    return [("all", result.overall), *((group.name, group) for group in result.subjects)]


def _about(result: ExamResult) -> str:
    sets = ", ".join(f"`{name}`" for name in result.sets)
    shots = f", up to {result.few_shot} examples each" if result.few_shot else ""
    part = f", at most {result.limit} of each subject" if result.limit else ""
    books = f"\n{origin(result.served)}" if result.served else ""
    return (
        f"{result.overall.questions} questions of {sets}{part}{shots}.{books}\nIn brackets: {METHOD}; of chance, "
        "between what guessing gets in 95 % of all exams, exactly. What could not be read counts as wrong."
    )


def _scores(result: ExamResult) -> str:
    names = [name for name in result.measures if name != "chance"]
    rows = []
    for label, group in exam_groups(result):
        cells = [f"{cell(group.scores.get(name))}{_unread(group.unanswered.get(name, 0.0))}" for name in names]
        rows.append((label, str(group.questions), cell(group.chance), *cells))
    return "## Scores\n\n" + table(("", "questions", "chance", *names), rows)


def _unread(share: float) -> str:
    return f", {share:.1%} unread" if share else ""


def _loss(result: ExamResult) -> str:
    if result.loss is None:
        return ""
    return (
        f"## Loss\n\n{cell(result.loss.loss)} nats a token, perplexity {result.loss.perplexity:.2f}, over "
        f"{result.loss.tokens} tokens of {len(result.loss.rows)} conversations."
    )


def _comparison(comparison: ExamComparison) -> Sequence[str]:
    rows = [
        (
            group.name,
            str(group.questions),
            change.measure,
            f"{change.before:.3f}",
            f"{change.now:.3f}",
            signed(change.difference),
            "yes" if change.certain else "no",
        )
        for group in comparison.groups
        for change in group.changes
    ]
    head = ("", "questions", "measure", "before", "now", "difference", "interval excludes 0")
    loss = f"\n\nMean loss: {signed(comparison.loss)} nats a token." if comparison.loss else ""
    said = (
        f"## Against the baseline\n\n{comparison.compared} questions in both runs, paired; {comparison.only_before} "
        f"only in the baseline ({comparison.baseline}), {comparison.only_now} only in this one.\n\n"
        f"{table(head, rows)}{loss}"
    )
    return said, _moves("### Lost", comparison.lost), _moves("### Won", comparison.won)


def _moves(title: str, moves: Sequence[ExamMove]) -> str:
    rows = [(move.id, move.measure, move.question, move.before or "–", move.now or "–") for move in moves]
    return listing(title, ("id", "measure", "question", "before", "now"), rows)


def _wrong(result: ExamResult) -> str:
    rows = [
        (one.id, name, one.question, pick.chosen or "–", " / ".join(one.answers))
        for one in result.questions
        for name, pick in one.picks.items()
        if pick.right == 0
    ]
    return listing("## Wrong", ("id", "measure", "question", "answered", "right"), rows)
